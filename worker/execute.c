#include "worker/execute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/limit_sql.h"

enum { BATCH_BYTES = 32 * 1024 };

/* The pin: after any query PostgreSQL refuses to make the transaction READ WRITE. */
static const char *const step_statements[STEP_COUNT] = {
    [STEP_BEGIN] = "BEGIN READ ONLY",
    [STEP_PIN] = "SELECT 1",
    [STEP_ROLLBACK] = "ROLLBACK",
    [STEP_UNLOCK] = "SELECT pg_catalog.pg_advisory_unlock_all()",
    [STEP_DEALLOCATE] = "DEALLOCATE ALL",
};

/* A statement that fails takes the rest of its group with it: ROLLBACK stands in its own. Session
 * locks and prepared statements outlive it: functions of the user's own (in a policy, say) can make
 * them where the validator sees nothing. */
#define GIVE_BACK STEP_ROLLBACK, STEP_UNLOCK, STEP_DEALLOCATE, STEP_SYNC
static const enum execute_step at_once[] = {
    STEP_BEGIN, STEP_PIN, STEP_STATEMENT, STEP_SYNC, GIVE_BACK};
static const enum execute_step plan_first[] = {STEP_BEGIN, STEP_PIN, STEP_EXPLAIN, STEP_SYNC};
static const enum execute_step plan_stream[] = {
    STEP_BEGIN, STEP_PIN, STEP_EXPLAIN, STEP_PREPARE, STEP_DESCRIBE, STEP_SYNC};
static const enum execute_step describe_stream[] = {
    STEP_BEGIN, STEP_PIN, STEP_PREPARE, STEP_DESCRIBE, STEP_SYNC};
static const enum execute_step after_plan[] = {STEP_STATEMENT, STEP_SYNC, GIVE_BACK};
static const enum execute_step give_back[] = {GIVE_BACK};
static const enum execute_step ask_types[] = {STEP_TYPES, STEP_SYNC};

#define SEND(execution, list) send_steps(execution, list, sizeof(list) / sizeof((list)[0]))

static bool failed(const struct execution *execution)
{
	return execution->error.code != ERROR_NONE;
}

static void send_explain(struct execution *execution)
{
	CLEAN(buffer) struct buffer sql = BUFFER_INIT;

	buffer_printf(&sql, "EXPLAIN (FORMAT JSON)\n%s", execution->sql);
	pg_connection_send(execution->connection, buffer_string(&sql), 0, NULL);
}

/* A query as any other to PostgreSQL. The session's timeout stands again after the ROLLBACK. */
static void send_pin(struct execution *execution)
{
	static const char pin_stream[] =
	    "SELECT pg_catalog.set_config('statement_timeout', $1, true)";
	char number[24];
	const char *value = number;

	snprintf(number, sizeof(number), "%lld", (long long)execution->server_time_ms);
	if (execution->part)
		pg_connection_send(execution->connection, pin_stream, 1, &value);
	else
		pg_connection_send(execution->connection, step_statements[STEP_PIN], 0, NULL);
}

static void send_types(struct execution *execution)
{
	CLEAN(buffer) struct buffer literal = BUFFER_INIT;
	const char *value;

	row_encoder_unknown_types(&execution->encoder, execution->types, &literal);
	value = buffer_string(&literal);
	pg_connection_send(execution->connection, type_names_query(execution->types), 1, &value);
}

static void send_step(struct execution *execution, enum execute_step step)
{
	switch (step) {
	case STEP_SYNC:
		pg_connection_sync(execution->connection);
		break;
	case STEP_PIN:
		send_pin(execution);
		break;
	case STEP_EXPLAIN:
		send_explain(execution);
		break;
	case STEP_PREPARE:
		pg_connection_prepare(execution->connection, execution->sql);
		break;
	case STEP_DESCRIBE:
		pg_connection_describe(execution->connection);
		break;
	case STEP_TYPES:
		send_types(execution);
		break;
	case STEP_STATEMENT:
		execution->ran = true;
		pg_connection_send(execution->connection, execution->sql, 0, NULL);
		break;
	default:
		pg_connection_send(execution->connection, step_statements[step], 0, NULL);
	}
}

/* Called when a step's results are the next to come. */
static void enter_step(struct execution *execution)
{
	if (execution->step == execution->step_count ||
	    execution->steps[execution->step] != STEP_STATEMENT)
		return;
	/* Without it a large result would be gathered whole in this process's memory. */
	if (!pg_connection_single_row(execution->connection))
		execution_stop(execution, ERROR_INTERNAL, "the rows could not be read one by one");
}

static void send_steps(struct execution *execution, const enum execute_step *steps, size_t count)
{
	memcpy(execution->steps, steps, count * sizeof(*steps));
	execution->step = 0;
	execution->step_count = count;
	for (size_t i = 0; i < count; i++)
		send_step(execution, steps[i]);
	enter_step(execution);
	pg_connection_flush(execution->connection);
}

void execution_start(struct execution *execution, struct pg_connection *connection,
    struct type_names *types, struct plan_memory *plans, const struct execution_options *options)
{
	CLEAN(buffer) struct buffer sql = BUFFER_INIT;
	bool planned;

	/* One row more tells whether there are more. */
	limit_sql(options->statement, options->limit_rows + 1, &sql);
	planned = !options->plan_only && (options->limit_plan_cost == 0 ||
	                                     plan_memory_knows(plans, bytes_of_buffer(&sql)));
	*execution = (struct execution){
	    .connection = connection,
	    .types = types,
	    .plans = plans,
	    .sql = bytes_to_string(bytes_of_buffer(&sql)),
	    .plan_only = options->plan_only,
	    .part = options->part,
	    .owner = options->owner,
	    .server_time_ms = options->server_time_ms,
	    .limit_plan_cost = options->limit_plan_cost,
	    .limit_time_ms = options->limit_time_ms,
	    .started_us = clock_now_us(),
	};
	row_encoder_init(&execution->encoder, options->limit_rows, options->limit_bytes);
	if (options->part)
		row_encoder_stream(&execution->encoder, options->keep_bytes);
	if (options->part && planned)
		SEND(execution, describe_stream);
	else if (options->part)
		SEND(execution, plan_stream);
	else if (planned)
		SEND(execution, at_once);
	else
		SEND(execution, plan_first);
}

void execution_deinit(struct execution *execution)
{
	row_encoder_deinit(&execution->encoder);
	free(execution->sql);
	*execution = (struct execution){0};
}

/* libpq gives a result for every command of a group that was aborted or lost. */
static bool is_loss(const char *sqlstate)
{
	return !sqlstate || strncmp(sqlstate, "57P", 3) == 0 || strncmp(sqlstate, "08", 2) == 0;
}

/* What no row can be read from: libpq must hold a whole row, and the address space is limited. */
static bool is_memory(const PGresult *result)
{
	return strstr(PQresultErrorMessage(result), "memory") != NULL;
}

static void take_query_error(struct execution *execution, const PGresult *result)
{
	static const char canceled[] = "57014", lock_not_available[] = "55P03";
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	int64_t elapsed_ms = (clock_now_us() - execution->started_us) / 1000;
	struct error *error = &execution->error;

	if (strcmp(sqlstate, canceled) == 0 && elapsed_ms >= execution->limit_time_ms * 9 / 10) {
		error_set(error, ERROR_TIMEOUT, "the statement ran over its time of %lld ms",
		    (long long)execution->limit_time_ms);
	} else if (strcmp(sqlstate, lock_not_available) == 0) {
		error_set(error, ERROR_TIMEOUT, "the statement waited too long for a lock");
	} else {
		error_set(error, ERROR_SQL_ERROR, "%s", message ? message : "unknown error");
		if (strlen(sqlstate) < sizeof(error->sqlstate))
			memcpy(error->sqlstate, sqlstate, strlen(sqlstate) + 1);
		if (hint)
			error_set_detail(error, "%s", hint);
	}
}

static void too_large(struct execution *execution)
{
	error_set(&execution->error, ERROR_SQL_ERROR, "%s", pg_connection_too_large);
	memcpy(execution->error.sqlstate, "54000", sizeof("54000"));
}

static void take_error(struct execution *execution, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	execution->unclean = true;
	/* Not the statement's fault: the reset that follows does the same by other means. */
	if (execution->steps[execution->step] > STEP_ROLLBACK &&
	    execution->steps[execution->step] < STEP_TYPES && !is_loss(sqlstate))
		return;
	/* The end of rows that were cut is not an error. */
	if (failed(execution) || (execution->cut && !is_loss(sqlstate)))
		return;
	if (!sqlstate && is_memory(result)) {
		too_large(execution);
	} else if (is_loss(sqlstate)) {
		const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

		error_set(&execution->error, ERROR_DATABASE_UNAVAILABLE,
		    "the connection was lost while the statement ran: %s",
		    message ? message : "the server closed it");
	} else {
		take_query_error(execution, result);
	}
}

/* [{"Plan": {"Node Type": "Limit", …, "Total Cost": 1.23, …}}]: the first is that of the whole,
 * which has no name in it that a statement gives. A parser of JSON would not do: numbers may have
 * hundreds of digits, or be Infinity. */
static bool read_cost(const char *text, double *ret_cost)
{
	static const char key[] = "\"Total Cost\": ";
	const char *place = strstr(text, key);
	char *end;

	if (!place)
		return false;
	place += sizeof(key) - 1;
	*ret_cost = strtod(place, &end);
	return end != place;
}

static void take_plan(struct execution *execution, const PGresult *result)
{
	double cost;

	if (PQntuples(result) != 1 || !read_cost(PQgetvalue(result, 0, 0), &cost)) {
		error_set(&execution->error, ERROR_INTERNAL, "PostgreSQL's plan could not be read");
	} else if (execution->limit_plan_cost > 0 && cost > (double)execution->limit_plan_cost) {
		error_set(&execution->error, ERROR_SQL_REJECTED,
		    "PostgreSQL estimates a cost of %.0f, over limits.plan_cost of %lld; narrow "
		    "the "
		    "statement by a condition, or raise the limit",
		    cost, (long long)execution->limit_plan_cost);
		error_set_detail(&execution->error, "cost");
	} else {
		plan_memory_add(execution->plans, bytes_of_string(execution->sql));
	}
}

static void send_columns(struct execution *execution)
{
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT;

	row_encoder_pack_columns(&execution->encoder, execution->types, &pairs);
	execution->part(execution->owner, bytes_of_buffer(&pairs));
}

static void send_batch(struct execution *execution)
{
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT;

	if (execution->part && row_encoder_take_batch(&execution->encoder, &pairs))
		execution->part(execution->owner, bytes_of_buffer(&pairs));
}

static void take_description(struct execution *execution, const PGresult *result)
{
	struct error error = ERROR_INIT;

	if (execution->steps[execution->step] == STEP_DESCRIBE && !failed(execution) &&
	    row_encoder_columns(&execution->encoder, result, &error) != 0)
		execution->error = error;
}

static void take_rows(struct execution *execution, const PGresult *result)
{
	struct error error = ERROR_INIT;

	if (failed(execution) || execution->cut)
		return;
	if (row_encoder_add(&execution->encoder, result, &error) != 0) {
		execution->error = error;
		execution->cut = true;
	}
	execution->cut |= execution->encoder.truncated;
	if (execution->part && row_encoder_batch_size(&execution->encoder) >= BATCH_BYTES)
		send_batch(execution);
}

static void take_tuples(struct execution *execution, const PGresult *result)
{
	switch (execution->steps[execution->step]) {
	case STEP_EXPLAIN:
		take_plan(execution, result);
		break;
	case STEP_STATEMENT:
		take_rows(execution, result);
		break;
	case STEP_TYPES:
		type_names_add(execution->types, result);
		break;
	default:
		break;
	}
}

static bool needs_types(const struct execution *execution)
{
	CLEAN(buffer) struct buffer unknown = BUFFER_INIT;

	return !failed(execution) && !execution->types_asked &&
	       row_encoder_unknown_types(&execution->encoder, execution->types, &unknown);
}

static void finish(struct execution *execution)
{
	execution->execute_us = clock_now_us() - execution->started_us;
	execution->wants_types = execution->unclean && needs_types(execution);
	execution->done = true;
}

/* All that was sent is answered: what comes next? A late cancel may hit whatever comes next in
 * an unclean session, so that the types wait for the reset. */
static void next_group(struct execution *execution)
{
	if (!execution->ran && !failed(execution) && execution->part && needs_types(execution)) {
		SEND(execution, ask_types);
	} else if (!execution->ran && !execution->plan_only && !failed(execution)) {
		if (execution->part)
			send_columns(execution);
		SEND(execution, after_plan);
	} else if (!execution->rolled_back) {
		SEND(execution, give_back);
	} else if (needs_types(execution) && !execution->unclean) {
		SEND(execution, ask_types);
	} else {
		send_batch(execution);
		finish(execution);
	}
}

void execution_resume(struct execution *execution)
{
	execution->done = false;
	execution->wants_types = false;
	execution->unclean = false;
	SEND(execution, ask_types);
}

static void advance(struct execution *execution)
{
	if (execution->steps[execution->step] == STEP_ROLLBACK)
		execution->rolled_back = true;
	if (execution->steps[execution->step] == STEP_TYPES)
		execution->types_asked = true;
	execution->step++;
	if (execution->step < execution->step_count)
		enter_step(execution);
	else
		next_group(execution);
}

void execution_result(struct execution *execution, const PGresult *result)
{
	if (execution->done || execution->step >= execution->step_count)
		return;
	switch (result ? PQresultStatus(result) : PGRES_PIPELINE_SYNC) {
	case PGRES_PIPELINE_SYNC:
		advance(execution);
		break;
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
		take_tuples(execution, result);
		break;
	case PGRES_COMMAND_OK:
		take_description(execution, result);
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		take_error(execution, result);
	}
}

/* What has arrived was read to its end before the server is asked to stop: a result that is
 * only a little over its limit is usually here already, and needs no cancel. */
void execution_drained(struct execution *execution)
{
	if (!execution->done && !failed(execution))
		send_batch(execution);
	if (execution->done || !execution->cut || execution->unclean ||
	    execution->step >= execution->step_count ||
	    execution->steps[execution->step] != STEP_STATEMENT)
		return;
	execution->unclean = true;
	pg_connection_cancel(execution->connection);
}

void execution_stop(struct execution *execution, enum error_code code, const char *message)
{
	if (execution->done)
		return;
	if (!failed(execution))
		error_set(&execution->error, code, "%s", message);
	execution->unclean = true;
	pg_connection_cancel(execution->connection);
}

void execution_lost(struct execution *execution)
{
	if (execution->done)
		return;
	if (!failed(execution) &&
	    strcmp(pg_connection_reason(execution->connection), pg_connection_too_large) == 0)
		too_large(execution);
	else if (!failed(execution))
		error_set(&execution->error, ERROR_DATABASE_UNAVAILABLE,
		    "the connection was lost while the statement ran: %s",
		    pg_connection_reason(execution->connection));
	finish(execution);
}
