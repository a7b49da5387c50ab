#include "worker/query_job.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pack.h"

enum {
	CANCEL_PATIENCE_MS = 1000,
	RETRY_AFTER_MS = 1000,
	WAIT_READY_MS = 2000,
	SERVER_TIMEOUT_SLACK_MS = 500, /* the server's own timeout is the backup of ours */
};

static void set_timer(struct query_job *job, int64_t ms)
{
	int64_t left_ms = ms > 0 ? ms : 0;
	struct timeval timeout = {left_ms / 1000, (left_ms % 1000) * 1000};

	event_add(job->timer, &timeout);
}

static void release(struct query_job *job)
{
	job->held_since_ms = 0;
	if (job->resources->connection)
		pg_connection_hold(job->resources->connection, false);
}

/* The one way out of a job. */
static void finish(struct query_job *job, struct buffer *message)
{
	event_del(job->timer);
	release(job);
	execution_deinit(&job->execution);
	verdict_free(&job->verdict);
	job->verdict = (struct verdict){0};
	buffer_reset(&job->sql);
	buffer_reset(&job->key);
	buffer_reset(&job->schema_version);
	job->phase = QUERY_IDLE;
	if (job->abandoned)
		buffer_reset(message);
	job->finished(job->owner, message);
}

static void finish_with_error(struct query_job *job, const struct error *error)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_error(&message, true, job->msgid, error);
	finish(job, &message);
}

static void fail(struct query_job *job, enum error_code code, const char *message)
{
	struct error error;

	error_set(&error, code, "%s", message);
	finish_with_error(job, &error);
}

void query_unavailable(const struct query_resources *resources, struct error *ret_error)
{
	enum pg_state state =
	    resources->connection ? pg_connection_state(resources->connection) : PG_CONNECTING;
	const char *name = resources->database->name;

	if (state == PG_CONNECTING &&
	    !(resources->connection && *pg_connection_reason(resources->connection)))
		error_set(ret_error, ERROR_DATABASE_UNAVAILABLE,
		    "database \"%s\": the connection is being made", name);
	else if (state == PG_READY)
		error_set(ret_error, ERROR_DATABASE_UNAVAILABLE,
		    "database \"%s\": the schema has not been read yet", name);
	else
		error_set(ret_error, ERROR_DATABASE_UNAVAILABLE, "database \"%s\": %s", name,
		    pg_connection_reason(resources->connection));
	ret_error->retryable = state != PG_REFUSED;
	ret_error->retry_after_ms = ret_error->retryable ? RETRY_AFTER_MS : 0;
}

/* Why the result may not be stored; NULL: it may. */
static const char *not_cached(const struct query_job *job, size_t size)
{
	const struct child_config *config = job->resources->config;

	if (job->verdict.not_cacheable)
		return job->verdict.not_cacheable;
	if (job->verdict.reads_catalog)
		return "it reads the catalog";
	if (!job->same_schema)
		return "the schema has changed meanwhile";
	if (config->ttl_sql_polled_ms == 0)
		return "cache.ttl.sql_polled is 0s";
	if (config->max_value < 0 || size > (uint64_t)config->max_value)
		return "the result is larger than cache.max_value";
	return NULL;
}

/* NULL where it was stored. */
static const char *store(struct query_job *job, struct bytes pairs)
{
	struct query_resources *resources = job->resources;
	const struct verdict *verdict = &job->verdict;
	const char *why = not_cached(job, pairs.size);
	uint64_t *relations;
	struct cache_put put = {
	    .type = CACHE_RESULT,
	    .database = resources->cache_database,
	    .key = bytes_of_buffer(&job->key),
	    .value = pairs,
	    /* No trigger tells of changes yet: freshness is best effort, so the time is short. */
	    .ttl_ms = resources->config->ttl_sql_polled_ms,
	    .cost_us = (uint64_t)job->execution.execute_us,
	    .generation = job->generation,
	    .clock = job->clock,
	    .relation_count = verdict->relation_count,
	};
	int result;

	if (why)
		return why;
	relations = must_alloc(verdict->relation_count * sizeof(*relations));
	for (size_t i = 0; i < verdict->relation_count; i++)
		relations[i] =
		    cache_relation(resources->cache, bytes_of_string(verdict->relations[i].schema),
		        bytes_of_string(verdict->relations[i].table));
	put.relations = relations;
	result = cache_put(resources->cache, &put);
	free(relations);
	if (result == CACHE_OUTDATED)
		return "the cache was flushed meanwhile";
	return result == CACHE_OK ? NULL : "the cache had no room for it at once";
}

static void reply_rows(struct query_job *job)
{
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT, rest = BUFFER_INIT, message = BUFFER_INIT;
	struct row_encoder *encoder = &job->execution.encoder;
	const struct type_names *types = &job->resources->types;
	const char *why = "the rows are more than cache.max_value or limits.bytes";
	struct execute_result result;

	if (job->plan_only) {
		pack_map(&pairs, 0);
		why = NULL;
	} else if (!encoder->stream || encoder->kept) {
		row_encoder_finish(encoder, types, &pairs);
		why = store(job, bytes_of_buffer(&pairs));
	}
	if (encoder->stream)
		row_encoder_finish_stream(encoder, types, &rest);
	message_init(&execute_result_row, &result);
	result.pairs = bytes_of_buffer(encoder->stream ? &rest : &pairs);
	result.validate_us = job->validate_us;
	result.execute_us = job->execution.execute_us;
	result.not_cached = bytes_of_string(why);
	message_pack_response(&message, job->msgid, &execute_result_row, &result);
	finish(job, &message);
}

/* After each event of the execution: is it over, and was its session left unclean? */
static void look(struct query_job *job)
{
	if (!job->execution.done)
		return;
	/* First: what `finished` starts must find the session taken. */
	if (job->execution.unclean)
		pg_connection_reset(job->resources->connection);
	if (job->execution.wants_types && !job->abandoned)
		job->phase = QUERY_NAMING;
	else if (job->execution.error.code != ERROR_NONE)
		finish_with_error(job, &job->execution.error);
	else
		reply_rows(job);
}

static void part_came(void *owner, struct bytes pairs)
{
	struct query_job *job = owner;
	struct delta_params params = {.msgid = job->msgid, .pairs = pairs};
	struct buffer message = BUFFER_INIT;

	if (job->abandoned)
		return;
	message_pack_notification(&message, MESSAGE_ID_DELTA, &params);
	job->part(job->owner, &message);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void run(struct query_job *job)
{
	struct query_resources *resources = job->resources;
	struct execution_options options = {
	    .statement = job->verdict.statement,
	    .limit_rows = job->limit_rows,
	    .limit_bytes = resources->database->limit_bytes,
	    .limit_time_ms = resources->database->limit_time_ms,
	    .limit_plan_cost = resources->database->limit_plan_cost,
	    .part = job->stream ? part_came : NULL,
	    .owner = job,
	    .plan_only = job->plan_only,
	    .keep_bytes = smaller(resources->config->max_value, resources->database->limit_bytes),
	    .server_time_ms = job->request_deadline_ms - clock_now_ms() + SERVER_TIMEOUT_SLACK_MS,
	};

	job->phase = QUERY_RUNNING;
	set_timer(job, job->deadline_ms - clock_now_ms());
	job->clock = cache_clock(resources->cache, resources->cache_database);
	metrics_add(resources->metrics, METRIC_QUERIES, !job->plan_only);
	execution_start(
	    &job->execution, resources->connection, &resources->types, &resources->plans, &options);
}

/* A plan is asked for to know what may be run by one schema: by another it would say nothing. */
static bool is_overtaken(const struct query_job *job)
{
	return job->plan_only && !job->same_schema;
}

static bool validate_job(struct query_job *job)
{
	struct query_resources *resources = job->resources;
	int64_t began_us = clock_now_us();
	struct error error;

	job->validated = true;
	job->same_schema =
	    bytes_equal_string(bytes_of_buffer(&job->schema_version), resources->snapshot->version);
	if (is_overtaken(job)) {
		fail(job, ERROR_DATABASE_UNAVAILABLE, "the schema is being read again");
		return false;
	}
	validate(bytes_of_buffer(&job->sql), resources->policy, &job->verdict);
	job->validate_us = clock_now_us() - began_us;
	if (job->verdict.code == CHECK_ALLOW)
		return true;
	error_set(&error, ERROR_SQL_REJECTED, "%s", job->verdict.reason);
	error_set_detail(&error, "%s", check_code_name(job->verdict.code));
	/* As PostgreSQL would say it: no other wording helps. */
	if (job->verdict.no_privilege)
		memcpy(error.sqlstate, "42501", sizeof("42501"));
	finish_with_error(job, &error);
	return false;
}

static void finish_unavailable(struct query_job *job)
{
	struct error error;

	query_unavailable(job->resources, &error);
	finish_with_error(job, &error);
}

/* A worker that has just been started gets its connection and schema within moments: a job that
 * came first waits for them. A database that is known to be down is said at once. */
static void proceed(struct query_job *job)
{
	struct pg_connection *connection = job->resources->connection;
	enum pg_state state = pg_connection_state(connection);

	if (job->resources->snapshot && !job->validated && !validate_job(job))
		return;
	if (state == PG_DOWN || state == PG_REFUSED)
		finish_unavailable(job);
	else if (job->validated && pg_connection_is_free(connection))
		run(job);
}

static void forget_if_stale(struct query_resources *resources)
{
	if (!resources->forget)
		return;
	resources->forget = false;
	type_names_clear(&resources->types);
	plan_memory_clear(&resources->plans);
}

void query_job_start(struct query_job *job, uint32_t msgid, const struct execute_params *params)
{
	struct query_resources *resources = job->resources;
	int64_t time_ms = smaller(resources->database->limit_time_ms, params->timeout_ms);

	job->msgid = msgid;
	job->abandoned = job->stopped = job->validated = false;
	job->deadline_ms = clock_now_ms() + time_ms;
	job->generation =
	    cache_generation(resources->cache, CACHE_RESULT, resources->cache_database);
	job->request_deadline_ms = clock_now_ms() + params->timeout_ms;
	job->plan_only = params->plan_only;
	job->stream = params->stream && !params->plan_only;
	job->phase = QUERY_WAITING;
	job->limit_rows = smaller(params->limit, resources->database->limit_rows);
	buffer_append_bytes(&job->sql, params->sql);
	buffer_append_bytes(&job->key, params->key);
	buffer_append_bytes(&job->schema_version, params->schema_version);
	forget_if_stale(resources);
	set_timer(job, time_ms < WAIT_READY_MS ? time_ms : WAIT_READY_MS);
	proceed(job);
}

static void stop(struct query_job *job, enum error_code code, const char *message)
{
	switch (job->phase) {
	case QUERY_IDLE:
		break;
	case QUERY_WAITING:
	case QUERY_NAMING:
		fail(job, code, message);
		break;
	case QUERY_RUNNING:
		if (job->stopped)
			break;
		job->stopped = true;
		release(job);
		set_timer(job, CANCEL_PATIENCE_MS);
		execution_stop(&job->execution, code, message);
	}
}

/* The statement's time stands still meanwhile: it is its reader that takes it. */
void query_job_hold(struct query_job *job)
{
	if (job->phase != QUERY_RUNNING || job->stopped || job->held_since_ms != 0)
		return;
	job->held_since_ms = clock_now_ms();
	set_timer(job, job->request_deadline_ms - job->held_since_ms);
	pg_connection_hold(job->resources->connection, true);
}

void query_job_go_on(struct query_job *job)
{
	int64_t now_ms = clock_now_ms();

	if (job->held_since_ms == 0)
		return;
	job->deadline_ms =
	    smaller(job->deadline_ms + now_ms - job->held_since_ms, job->request_deadline_ms);
	release(job);
	set_timer(job, job->deadline_ms - now_ms);
}

void query_job_cancel(struct query_job *job)
{
	stop(job, ERROR_CANCELLED, "the request was cancelled");
}

void query_job_abandon(struct query_job *job)
{
	job->abandoned = true;
	stop(job, ERROR_CANCELLED, "the router has gone");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct query_job *job = arg;

	(void)fd;
	(void)what;
	if (job->phase == QUERY_WAITING) {
		finish_unavailable(job);
	} else if (job->stopped) {
		log_warning("the server did not cancel a statement in %d ms, connecting again",
		    CANCEL_PATIENCE_MS);
		pg_connection_drop(
		    job->resources->connection, "a statement could not be cancelled");
	} else {
		stop(job, ERROR_TIMEOUT, "the statement did not end within its time");
	}
}

void query_job_result(struct query_job *job, const PGresult *result)
{
	if (job->phase != QUERY_RUNNING)
		return;
	execution_result(&job->execution, result);
	look(job);
}

void query_job_drained(struct query_job *job)
{
	if (job->phase == QUERY_RUNNING)
		execution_drained(&job->execution);
}

void query_job_connection_changed(struct query_job *job)
{
	struct pg_connection *connection = job->resources->connection;

	if (pg_connection_state(connection) != PG_READY)
		job->resources->forget = true;
	if (job->phase == QUERY_WAITING) {
		proceed(job);
	} else if (job->phase == QUERY_NAMING && pg_connection_is_free(connection)) {
		job->phase = QUERY_RUNNING;
		execution_resume(&job->execution);
	} else if (job->phase == QUERY_NAMING) {
		fail(job, ERROR_DATABASE_UNAVAILABLE, pg_connection_reason(connection));
	} else if (job->phase == QUERY_RUNNING) {
		execution_lost(&job->execution);
		look(job);
	}
}

void query_job_schema_changed(struct query_job *job)
{
	job->resources->forget = true;
	if (job->phase == QUERY_WAITING)
		proceed(job);
}

void query_job_init(struct query_job *job, struct query_resources *resources,
    void (*finished)(void *owner, struct buffer *message),
    void (*part)(void *owner, struct buffer *message), void *owner)
{
	*job = (struct query_job){
	    .resources = resources, .finished = finished, .part = part, .owner = owner};
	job->timer = evtimer_new(resources->base, on_timer, job);
	if (!job->timer)
		abort();
}
