/*
 * Runs one validated statement: BEGIN READ ONLY, a pinning query, the plan's cost where it is
 * not known, the statement, always ROLLBACK (RELIABILITY.md, section 3). Owns the steps and the
 * encoding; deadlines, messages and the cache are database.c's.
 * Never to be given a statement that the validator has not allowed.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/error.h"
#include "worker/encode_rows.h"
#include "worker/pg_connection.h"
#include "worker/plan_memory.h"
#include "worker/type_names.h"

enum execute_step {
	STEP_BEGIN,
	STEP_PIN,
	STEP_EXPLAIN,
	STEP_PREPARE, /* of a stream, whose columns go out before any row */
	STEP_DESCRIBE,
	STEP_STATEMENT,
	STEP_ROLLBACK,
	STEP_UNLOCK, /* what a ROLLBACK leaves */
	STEP_DEALLOCATE,
	STEP_TYPES,
	STEP_SYNC, /* the end of a group */
	STEP_COUNT
};

enum { EXECUTE_STEPS_MAX = 10 };

struct execution {
	struct pg_connection *connection;
	struct type_names *types;
	struct plan_memory *plans;
	char *sql; /* with the limit around it */
	bool plan_only;
	int64_t server_time_ms; /* of a stream: its own statement_timeout */
	void (*part)(void *owner, struct bytes pairs); /* NULL: no stream */
	void *owner;
	int64_t limit_plan_cost; /* 0: none */
	int64_t limit_time_ms; /* the server's statement_timeout, to tell its errors apart */

	/* What was sent and is not answered yet. */
	enum execute_step steps[EXECUTE_STEPS_MAX];
	size_t step, step_count;

	struct row_encoder encoder;
	struct error error; /* ERROR_NONE: none so far; the first one stays */
	bool unclean; /* an error or a cancel: the session must be reset */
	bool cut; /* the rest of the rows is not wanted */
	bool ran; /* the statement was sent */
	bool rolled_back, types_asked;
	bool wants_types; /* done but for names of types: execution_resume after the reset */
	bool done;
	int64_t started_us, execute_us;
};

struct execution_options {
	struct bytes statement; /* the verdict's */
	int64_t limit_rows, limit_bytes, limit_time_ms, limit_plan_cost;
	/* A stream: columns, then rows in batches as they arrive, as encoded maps. The rows are
	 * kept besides while they fit in keep_bytes. NULL: none. */
	void (*part)(void *owner, struct bytes pairs);
	void *owner;
	int64_t keep_bytes;
	bool plan_only; /* it is not run */
	int64_t server_time_ms; /* may be longer than limit_time_ms, by what its reader is slow */
};

/* The connection must be free. */
void execution_start(struct execution *execution, struct pg_connection *connection,
    struct type_names *types, struct plan_memory *plans, const struct execution_options *options);
void execution_deinit(struct execution *execution);

/* Asks for the types' names in a session that is clean again; not done any more. */
void execution_resume(struct execution *execution);

/* From the connection's callbacks; look at `done` afterwards. */
void execution_result(struct execution *execution, const PGresult *result);
void execution_drained(struct execution *execution);
void execution_lost(struct execution *execution);

/* The deadline passed or nobody waits: sets the error and asks the server to cancel. */
void execution_stop(struct execution *execution, enum error_code code, const char *message);
