/*
 * optimax-database: validates and runs statements for the router, one at a time, over one
 * connection to its database, and stores the results. This file has the process: its
 * configuration, its channel to the router and its methods.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/message.h"
#include "shm/segment.h"
#include "worker/own_database.h"
#include "worker/parser_stack.h"
#include "worker/policy.h"
#include "worker/query_job.h"
#include "worker/validate.h"
#include "worker/validate_reply.h"

enum {
	SERVER_TIMEOUT_SLACK_MS = 500, /* the server's own timeout is the backup of ours */
	/* Beyond the segments: the programs, libpq's buffers, and a result that is on its way: as
	 * rows, as pairs, as a message, and what growing them takes. */
	ADDRESS_SPACE_BYTES = 128 << 20,
	RESULT_COPIES = 5,
	OVERLOADED_RETRY_MS = 50,
	KEPT_BYTES = 8 << 20,
};

struct database_worker {
	struct child *child;
	struct channel *router; /* NULL: none */
	struct query_resources resources;
	struct query_job job;
	/* The next request, while the job of a router that has gone still ends. */
	bool next_waits;
	uint32_t next_msgid;
	struct buffer next_params;
	/* What the connection was made with; a change makes a new one. */
	struct buffer session_facts;
};

/* ---- the connection ---- */

static void on_state(void *owner)
{
	struct database_worker *worker = owner;
	struct pg_connection *connection = worker->resources.connection;
	enum pg_state state = pg_connection_state(connection);

	if (state == PG_READY)
		log_debug("connection is ready");
	else
		log_limited(LOG_LEVEL_WARNING, "connection is %s: %s", pg_state_name(state),
		    pg_connection_reason(connection));
	query_job_connection_changed(&worker->job);
}

static void on_result(void *owner, const PGresult *result)
{
	query_job_result(&((struct database_worker *)owner)->job, result);
}

static void on_drained(void *owner)
{
	query_job_drained(&((struct database_worker *)owner)->job);
}

static const struct pg_ops connection_ops = {
    .state_changed = on_state, .result = on_result, .drained = on_drained};

static void connect_anew(struct database_worker *worker)
{
	const struct child_database *database = worker->resources.database;
	char name[128];
	struct pg_options options = {
	    .dsn = database->dsn,
	    .application_name = name,
	    .schemas = (const char *const *)database->schemas,
	    .schema_count = database->schema_count,
	    .statement_timeout_ms = database->limit_time_ms + SERVER_TIMEOUT_SLACK_MS,
	    .trust_role = database->trust_role,
	};

	snprintf(name, sizeof(name), "optimax database %lld",
	    (long long)worker->resources.config->index);
	if (worker->resources.connection) {
		/* Ends a job that runs with an error that may be tried again. */
		pg_connection_drop(worker->resources.connection, "the configuration changed");
		pg_connection_free(worker->resources.connection);
	}
	worker->resources.connection =
	    pg_connection_new(worker->child->base, &options, &connection_ops, worker);
}

/* ---- methods of the router ---- */

static void send_error(struct database_worker *worker, uint32_t msgid, const struct error *error)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_error(&message, true, msgid, error);
	channel_send_buffer(worker->router, &message);
}

static void start_execute(struct database_worker *worker, uint32_t msgid, struct bytes map)
{
	struct execute_params params;
	struct error error;

	if (message_unpack(&message_rows[MESSAGE_ID_EXECUTE], map, &params, &error) != 0)
		send_error(worker, msgid, &error);
	else
		query_job_start(&worker->job, msgid, &params);
}

static void execute(struct database_worker *worker, uint32_t msgid, struct bytes map)
{
	struct error error;

	if (worker->child->stopping) {
		error_set(&error, ERROR_SHUTTING_DOWN, "the daemon is stopping");
		send_error(worker, msgid, &error);
	} else if (worker->job.phase == QUERY_IDLE) {
		start_execute(worker, msgid, map);
	} else if (worker->job.abandoned && !worker->next_waits) {
		worker->next_waits = true;
		worker->next_msgid = msgid;
		buffer_append_bytes(&worker->next_params, map);
	} else {
		error_set(&error, ERROR_OVERLOADED, "the worker has a statement already");
		error.retry_after_ms = OVERLOADED_RETRY_MS;
		send_error(worker, msgid, &error);
	}
}

static void check(struct database_worker *worker, uint32_t msgid, struct bytes map)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT, pairs = BUFFER_INIT;
	struct validate_params params;
	struct validate_result result;
	struct verdict verdict;
	struct error error;
	int64_t began_us = clock_now_us();

	if (message_unpack(&message_rows[MESSAGE_ID_VALIDATE], map, &params, &error) != 0) {
		send_error(worker, msgid, &error);
		return;
	}
	if (!worker->resources.snapshot) {
		query_unavailable(&worker->resources, &error);
		send_error(worker, msgid, &error);
		return;
	}
	validate(params.sql, worker->resources.policy, &verdict);
	validate_reply_encode(&verdict, &pairs);
	verdict_free(&verdict);
	message_init(&validate_result_row, &result);
	result.pairs = bytes_of_buffer(&pairs);
	result.validate_us = clock_now_us() - began_us;
	message_pack_response(&message, msgid, &validate_result_row, &result);
	channel_send_buffer(worker->router, &message);
}

static const struct {
	enum message_id id;
	void (*handle)(struct database_worker *worker, uint32_t msgid, struct bytes map);
} methods[] = {
    {MESSAGE_ID_EXECUTE, execute},
    {MESSAGE_ID_VALIDATE, check},
};

static void cancel(struct database_worker *worker, struct bytes params)
{
	struct error error;
	uint32_t msgid;

	if (!rpc_cancel_msgid(params, &msgid))
		return;
	if (worker->next_waits && worker->next_msgid == msgid) {
		worker->next_waits = false;
		buffer_reset(&worker->next_params);
		error_set(&error, ERROR_CANCELLED, "the request was cancelled");
		send_error(worker, msgid, &error);
	} else if (worker->job.phase != QUERY_IDLE && !worker->job.abandoned &&
	           worker->job.msgid == msgid) {
		query_job_cancel(&worker->job);
	}
}

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct database_worker *worker = owner;
	struct error error;
	struct bytes map;

	(void)channel;
	if (message->type == RPC_NOTIFICATION && bytes_equal_string(message->method, "cancel")) {
		cancel(worker, message->params);
		return;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (message->type != RPC_REQUEST ||
		    !bytes_equal_string(message->method, message_rows[methods[i].id].method))
			continue;
		if (rpc_params_map(message->params, &map, &error) != 0)
			send_error(worker, message->msgid, &error);
		else
			methods[i].handle(worker, message->msgid, map);
		return;
	}
	log_error("the router sent a message that no worker knows, exiting");
	child_fail(worker->child);
}

static void forget_router(struct database_worker *worker)
{
	channel_free(worker->router);
	worker->router = NULL;
	worker->next_waits = false;
	buffer_reset(&worker->next_params);
	if (worker->job.phase != QUERY_IDLE)
		query_job_abandon(&worker->job);
}

static void on_router_ended(struct channel *channel, void *owner, enum channel_end why)
{
	struct database_worker *worker = owner;

	(void)channel;
	if (why == CHANNEL_BAD_MESSAGE) {
		log_error("the router sent what is no message, exiting");
		child_fail(worker->child);
	}
	forget_router(worker);
}

/* A router that does not take it all at once makes the statement wait. */
static void on_job_part(void *owner, struct buffer *message)
{
	struct database_worker *worker = owner;

	if (!worker->router) {
		buffer_deinit(message);
		return;
	}
	channel_send_buffer(worker->router, message);
	if (channel_output_size(worker->router) > 0)
		query_job_hold(&worker->job);
}

static void on_router_drained(struct channel *channel, void *owner)
{
	(void)channel;
	query_job_go_on(&((struct database_worker *)owner)->job);
}

static const struct channel_ops router_ops = {
    .message = on_message, .ended = on_router_ended, .drained = on_router_drained};

static void on_job_finished(void *owner, struct buffer *message)
{
	struct database_worker *worker = owner;
	CLEAN(buffer) struct buffer params = BUFFER_INIT;

	if (message->size > 0 && worker->router)
		channel_send_buffer(worker->router, message);
	if (worker->child->stopping) {
		child_exit(worker->child);
	} else if (worker->next_waits) {
		worker->next_waits = false;
		params = worker->next_params;
		worker->next_params = BUFFER_INIT;
		start_execute(worker, worker->next_msgid, bytes_of_buffer(&params));
	}
}

/* ---- the process ---- */

/* What a hostile row can make libpq allocate ends here, in a clean failure of one statement. */
static void limit_memory(const struct child_config *config, int64_t limit_bytes)
{
#ifdef OPTIMAX_SANITIZED
	(void)config;
	(void)limit_bytes;
#else
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) < 0)
		return;
	limit.rlim_cur =
	    (rlim_t)(config->cache_size + ADDRESS_SPACE_BYTES + RESULT_COPIES * limit_bytes);
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		log_warning("the address space could not be limited: %m");
#endif
}

/* A statement's parse tree takes megabytes for a millisecond: giving them back to the kernel and
 * taking them anew was a sixth of the time. */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

static void attach_segments(struct database_worker *worker)
{
	struct query_resources *resources = &worker->resources;
	const struct child_config *config = resources->config;
	int r = segment_attach_cache(config->instance, &resources->cache);

	if (r == 0)
		r = segment_attach_metrics(config->instance, true, &resources->metrics);
	if (r == 0)
		r = metrics_claim(resources->metrics, ROLE_DATABASE, resources->database->name,
		    (unsigned)config->index);
	if (r < 0) {
		log_error("cannot attach the shared memory of instance %s: %s", config->instance,
		    segment_attach_fault(r));
		child_fail(worker->child);
	}
	cache_count_in(resources->cache, resources->metrics);
	resources->cache_database =
	    cache_database(resources->cache, bytes_of_string(resources->database->name));
}

static void renew_policy(struct database_worker *worker)
{
	struct query_resources *resources = &worker->resources;

	policy_free(resources->policy);
	resources->policy = NULL;
	if (resources->snapshot)
		resources->policy = policy_new(resources->snapshot, resources->database);
}

static void configure(struct child *child)
{
	struct database_worker *worker = child->owner;
	CLEAN(buffer) struct buffer facts = BUFFER_INIT;
	bool first = worker->child == NULL;

	worker->child = child;
	worker->resources.config = child->config;
	worker->resources.database = own_database(child->config);
	if (!worker->resources.database) {
		log_error("the supervisor sent no database with a dsn");
		child_fail(child);
	}
	if (first) {
		worker->resources.base = child->base;
		query_job_init(
		    &worker->job, &worker->resources, on_job_finished, on_job_part, worker);
		attach_segments(worker);
		if (!parser_stack_ensure())
			child_fail(child);
		keep_memory();
	}
	limit_memory(child->config, worker->resources.database->limit_bytes);
	worker->resources.forget = true;
	renew_policy(worker);
	own_database_session(worker->resources.database, &facts);
	if (first || !bytes_equal(bytes_of_buffer(&facts), bytes_of_buffer(&worker->session_facts)))
		connect_anew(worker);
	buffer_reset(&worker->session_facts);
	buffer_append_bytes(&worker->session_facts, bytes_of_buffer(&facts));
	child_ready(child);
}

static void attach(struct child *child, int fd)
{
	struct database_worker *worker = child->owner;

	if (worker->router)
		forget_router(worker);
	worker->router = child_router_channel(child, fd, &router_ops);
}

static void take_snapshot(struct child *child, struct bytes database, struct bytes version, int fd)
{
	struct database_worker *worker = child->owner;
	struct snapshot *snapshot;
	int r;

	(void)version;
	if (!worker->child || !bytes_equal_string(database, worker->resources.database->name))
		return;
	r = snapshot_from_fd(fd, &snapshot);
	if (r < 0) {
		log_error("the schema cannot be read: %s; keeping the one before", strerror(-r));
		return;
	}
	snapshot_free(worker->resources.snapshot);
	worker->resources.snapshot = snapshot;
	renew_policy(worker);
	query_job_schema_changed(&worker->job);
}

static void stop(struct child *child)
{
	struct database_worker *worker = child->owner;

	if (!worker->child || worker->job.phase == QUERY_IDLE)
		child_exit(child);
}

static const struct child_ops ops = {
    .configure = configure, .attach = attach, .snapshot = take_snapshot, .stop = stop};

int main(int argc, char **argv)
{
	static struct database_worker worker;

	return child_main(ROLE_DATABASE, &ops, &worker, argc, argv);
}
