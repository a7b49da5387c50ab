/*
 * One job of a pool: what a worker is sent of it, and told of it meanwhile. Between pool.c, which
 * owns queues and workers and links jobs into them, and job.c; for nobody else.
 */
#pragma once

#include "daemon/flight.h"
#include "daemon/permits.h"
#include "daemon/pool.h"
#include "daemon/refused_keys.h"

enum job_state { JOB_QUEUED, JOB_SENT };
enum { JOB_BUCKETS = 1024 }; /* of those sent to one worker */

struct job {
	TAILQ_ENTRY(job) link; /* in the queue, or in its worker's list */
	LIST_ENTRY(job) same_msgid; /* JOB_SENT: in its worker's table */
	struct flight flight;
	struct pool *pool;
	struct pool_worker *worker; /* JOB_SENT */
	enum job_state state;
	enum message_id id;
	struct buffer encoded; /* the parameters; `params` points into it */
	void *params;
	uint32_t msgid;
	unsigned attempts;
	int64_t sent_deadline_ms; /* what it was sent with */
	const struct pool_worker *avoided; /* it died of this job, or with it; NULL: none */
	struct permit permit;
	uint32_t permit_msgid; /* of its worker's request for it */
	bool streams; /* its worker sends the text as it comes */
	bool held; /* its worker's channel is paused for it */
};

TAILQ_HEAD(job_list, job);

struct pool_worker {
	struct pool *pool;
	unsigned index;
	struct channel *channel; /* NULL: dead */
	struct job_list jobs;
	LIST_HEAD(, job) by_msgid[JOB_BUCKETS]; /* the same; each part of an answer looks one up */
	size_t job_count;
	int held_jobs; /* its channel is paused while there are any */
	bool away; /* its last job found no database: the others come first */
};

struct pool {
	struct pool_options options;
	struct pool_worker **workers;
	unsigned worker_count, size;
	struct job_list queue;
	size_t queued, queue_limit;
	struct flights flights;
	struct refused_keys refused;
	uint32_t last_msgid;
	bool closing;
};

/* shared: others with this key may join. */
struct job *job_new(
    struct pool *pool, struct bytes key, bool shared, enum message_id id, const void *params);
/* It is in no list, and nobody waits for it. */
void job_free(struct job *job);
struct job *job_of_flight(struct flight *flight);

/* The three send to job->worker. The request, with what depends on who waits now. */
void job_request(struct job *job);
/* Somebody joined. */
void job_joined(struct job *job, const struct waiter *waiter);
/* Its worker wants a permit; the answer comes now or later. */
void job_ask_permit(struct job *job, uint32_t permit_msgid, struct bytes provider);
