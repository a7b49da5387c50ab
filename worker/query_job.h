/*
 * One `execute` request from its arrival to its reply: validate, wait for the connection, run
 * under a deadline, store the result, answer. A worker has one at a time.
 * The statement is execute.h's, the connection pg_connection.h's, messages come from database.c.
 */
#pragma once

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "common/message.h"
#include "shm/cache.h"
#include "shm/metrics.h"
#include "text/snapshot.h"
#include "worker/execute.h"
#include "worker/pg_connection.h"
#include "worker/validate.h"

/* What the worker has, job or not. */
struct query_resources {
	struct event_base *base;
	const struct child_config *config;
	const struct child_database *database;
	struct pg_connection *connection;
	struct snapshot *snapshot; /* NULL: not read yet */
	struct policy *policy; /* of the snapshot and databases[].allow; NULL as long as that is */
	struct cache *cache;
	int cache_database;
	struct metrics *metrics;
	struct type_names types;
	struct plan_memory plans;
	bool forget; /* types and plans, before the next job */
};

enum query_phase { QUERY_IDLE, QUERY_WAITING, QUERY_RUNNING, QUERY_NAMING };

struct query_job {
	struct query_resources *resources;
	/* The encoded response, or nothing where nobody waits any more; the job is idle again. */
	void (*finished)(void *owner, struct buffer *message);
	/* A part of the answer, encoded; of jobs that stream. */
	void (*part)(void *owner, struct buffer *message);
	void *owner;
	struct event *timer;

	enum query_phase phase;
	bool abandoned; /* nobody waits for the reply */
	uint32_t msgid;
	struct buffer sql, key, schema_version;
	/* The statement's, which waits while its reader is slow; the request's, which does not. */
	int64_t deadline_ms, request_deadline_ms;
	int64_t limit_rows;
	bool stream, plan_only;
	int64_t held_since_ms; /* 0: not held */
	bool validated, same_schema;
	struct verdict verdict;
	int64_t validate_us;
	uint32_t generation; /* of results, when the job came */
	uint64_t clock; /* the database's, before the transaction */
	struct execution execution;
	bool stopped; /* a cancel was asked for; the timer now waits for it to take */
};

void query_job_init(struct query_job *job, struct query_resources *resources,
    void (*finished)(void *owner, struct buffer *message),
    void (*part)(void *owner, struct buffer *message), void *owner);

/* The job must be idle. May call `finished` before it returns. */
void query_job_start(struct query_job *job, uint32_t msgid, const struct execute_params *params);
/* The client cancelled. */
void query_job_cancel(struct query_job *job);
/* The reader of the parts is behind: read nothing from PostgreSQL until it has caught up. */
void query_job_hold(struct query_job *job);
void query_job_go_on(struct query_job *job);
/* The router has gone. */
void query_job_abandon(struct query_job *job);

/* The connection's callbacks. */
void query_job_result(struct query_job *job, const PGresult *result);
void query_job_drained(struct query_job *job);
void query_job_connection_changed(struct query_job *job);
/* resources->snapshot is another one. */
void query_job_schema_changed(struct query_job *job);

/* Why no statement can run or be checked now. */
void query_unavailable(const struct query_resources *resources, struct error *ret_error);
