/*
 * optimax-watcher: keeps the daemon's view of one database. Reads its schema when it connects
 * and when the catalog has changed, sends it to the supervisor as a sealed descriptor, and tells
 * the router whether the database can be used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/message.h"
#include "worker/introspect.h"
#include "worker/own_database.h"
#include "worker/parser_stack.h"
#include "worker/pg_connection.h"
#include "worker/pg_role.h"
#include "worker/validate.h"

enum {
	POLL_MS = 5 * 1000, /* between two looks at the catalog */
	REFRESH_MS = 10 * 60 * 1000, /* between two schemas that differ in estimates and samples */
	STATEMENT_TIMEOUT_MS = 30 * 1000,
	ANSWER_MS = 60 * 1000, /* for a whole reading */
};

enum activity { ACTIVITY_NONE, ACTIVITY_POLL, ACTIVITY_READ };

struct watcher {
	struct child *child;
	struct channel *router; /* NULL: none */
	const struct child_database *database;
	struct pg_connection *connection;
	struct buffer session_facts;
	struct event *timer;

	enum activity activity;
	unsigned poll_answers; /* of this poll: the fingerprint, then the role */
	int64_t began_ms; /* of the activity */
	struct introspection introspection;

	/* What the supervisor was sent last. */
	struct snapshot *sent; /* NULL: nothing */
	uint64_t sent_structure;
	int64_t sent_ms, read_ms;
	char fingerprint[33];
	bool seen; /* the fingerprint is of this connection */
	/* Anew, which can change what may be read and what is private: since the last reading
	 * began, or before that one. */
	bool configured, configured_before;

	/* What the router was told last. */
	const char *state;
	char reason[512];
};

/* ---- the state, to the router ---- */

static void send_state(struct watcher *watcher)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct database_state_params params;

	if (!watcher->router || !watcher->state)
		return;
	message_init(&message_rows[MESSAGE_ID_DATABASE_STATE], &params);
	params.database = bytes_of_string(watcher->database->name);
	params.state = bytes_of_string(watcher->state);
	if (watcher->reason[0] != '\0')
		params.reason = bytes_of_string(watcher->reason);
	message_pack_notification(&message, MESSAGE_ID_DATABASE_STATE, &params);
	channel_send_buffer(watcher->router, &message);
}

static void set_state(struct watcher *watcher, const char *state, const char *reason)
{
	if (watcher->state && strcmp(watcher->state, state) == 0 &&
	    strcmp(watcher->reason, reason) == 0)
		return;
	watcher->state = state;
	snprintf(watcher->reason, sizeof(watcher->reason), "%s", reason);
	if (reason[0] != '\0')
		log_warning("database is %s: %s", state, reason);
	else
		log_notice("database is %s", state);
	send_state(watcher);
}

/* ---- reading the schema ---- */

static void set_timer(struct watcher *watcher, int64_t ms)
{
	struct timeval timeout = {ms / 1000, (ms % 1000) * 1000};

	event_add(watcher->timer, &timeout);
}

static void begin_reading(struct watcher *watcher)
{
	watcher->activity = ACTIVITY_READ;
	watcher->began_ms = clock_now_ms();
	watcher->configured_before |= watcher->configured;
	watcher->configured = false;
	introspection_deinit(&watcher->introspection);
	introspection_start(&watcher->introspection, watcher->connection, watcher->database);
}

static void begin_poll(struct watcher *watcher)
{
	const char *schemas = pg_connection_schemas(watcher->connection);

	watcher->activity = ACTIVITY_POLL;
	watcher->began_ms = clock_now_ms();
	watcher->poll_answers = 0;
	pg_connection_send(watcher->connection, schema_query_sql(SCHEMA_FINGERPRINT), 1, &schemas);
	/* What a role may do can change while it is connected. */
	if (!watcher->database->trust_role)
		pg_connection_send(watcher->connection, pg_role_query(), 1, &schemas);
	pg_connection_sync(watcher->connection);
	pg_connection_flush(watcher->connection);
}

static void warn_of_gaps(struct watcher *watcher, const struct schema_builder *builder)
{
	const struct snapshot *snapshot = builder->snapshot;
	const char *unknown;
	size_t at = 0;

	while ((unknown = schema_builder_unknown_private(builder, &at)))
		log_warning(
		    "private: there is no column \"%s\", it keeps nothing private", unknown);
	for (size_t i = 0; i < watcher->database->schema_count; i++) {
		const char *wanted = watcher->database->schemas[i];
		bool there = false;

		for (size_t k = 0; k < snapshot->schema_count; k++)
			there |= strcmp(snapshot->schemas[k], wanted) == 0;
		if (!there)
			log_warning("there is no schema \"%s\" in the database", wanted);
	}
	if (snapshot->table_count >= SCHEMA_TABLES_MAX)
		log_warning("only the first %d tables are known", SCHEMA_TABLES_MAX);
}

static bool is_worth_sending(const struct watcher *watcher, const struct schema_builder *builder)
{
	if (!watcher->sent)
		return true;
	if (strcmp(builder->snapshot->revision, watcher->sent->revision) == 0)
		return false;
	return watcher->configured_before ||
	       schema_builder_structure(builder) != watcher->sent_structure ||
	       clock_now_ms() - watcher->sent_ms >= REFRESH_MS;
}

static void send_schema(struct watcher *watcher, struct bytes encoded, struct snapshot *snapshot)
{
	struct snapshot_params params;
	CLEAN(fd) int fd = -1;
	int r = snapshot_to_fd(encoded, &fd);

	if (r < 0) {
		log_error("the schema cannot be handed over: %s, exiting", strerror(-r));
		child_fail(watcher->child);
	}
	message_init(&message_rows[MESSAGE_ID_SNAPSHOT], &params);
	params.database = bytes_of_string(watcher->database->name);
	params.version = bytes_of_string(snapshot->version);
	child_notify(watcher->child, MESSAGE_ID_SNAPSHOT, &params, fd);
	watcher->sent_ms = clock_now_ms();
	log_info("schema %.8s was read: %zu tables", snapshot->version, snapshot->table_count);
}

/* What may be read is found in a snapshot that has been sorted, as encoding does. */
static void encode_schema(
    const struct watcher *watcher, struct snapshot *snapshot, struct buffer *ret_encoded)
{
	CLEAN(buffer) struct buffer unmarked = BUFFER_INIT;

	snapshot_encode(snapshot, &unmarked);
	validate_schema(snapshot, watcher->database);
	snapshot_encode(snapshot, ret_encoded);
}

static void take_schema(struct watcher *watcher)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct schema_builder *builder = &watcher->introspection.builder;

	memcpy(watcher->fingerprint, builder->fingerprint, sizeof(watcher->fingerprint));
	watcher->seen = !watcher->configured;
	watcher->read_ms = clock_now_ms();
	if (watcher->sent)
		schema_keep_estimates(builder->snapshot, watcher->sent);
	encode_schema(watcher, builder->snapshot, &encoded);
	if (is_worth_sending(watcher, builder)) {
		warn_of_gaps(watcher, builder);
		send_schema(watcher, bytes_of_buffer(&encoded), builder->snapshot);
		watcher->sent_structure = schema_builder_structure(builder);
		if (watcher->sent)
			snapshot_free(watcher->sent);
		watcher->sent = builder->snapshot;
		builder->snapshot = NULL;
	}
	watcher->configured_before = false;
	set_state(watcher, pg_state_name(PG_READY), "");
}

static void end_reading(struct watcher *watcher)
{
	watcher->activity = ACTIVITY_NONE;
	set_timer(watcher, POLL_MS);
	if (watcher->introspection.failure[0] == '\0')
		take_schema(watcher);
	else
		set_state(watcher, pg_state_name(PG_DOWN), watcher->introspection.failure);
	introspection_deinit(&watcher->introspection);
}

static void take_role(struct watcher *watcher, const PGresult *result)
{
	char reason[sizeof(watcher->reason)];

	if (pg_role_refused(result, reason, sizeof(reason)))
		pg_connection_refuse(watcher->connection, reason);
}

/* The schema is read again where the catalog has changed, and now and then for its estimates. */
static void take_fingerprint(struct watcher *watcher, const PGresult *result)
{
	bool same = PQntuples(result) == 1 && watcher->seen &&
	            strcmp(PQgetvalue(result, 0, 0), watcher->fingerprint) == 0;

	if (!same || clock_now_ms() - watcher->read_ms >= REFRESH_MS)
		watcher->seen = false;
}

static void poll_result(struct watcher *watcher, const PGresult *result)
{
	switch (result ? PQresultStatus(result) : PGRES_COMMAND_OK) {
	case PGRES_TUPLES_OK:
		if (watcher->poll_answers++ == 0)
			take_fingerprint(watcher, result);
		else
			take_role(watcher, result);
		break;
	case PGRES_PIPELINE_SYNC:
		watcher->activity = ACTIVITY_NONE;
		if (watcher->seen)
			set_timer(watcher, POLL_MS);
		else
			begin_reading(watcher);
		break;
	default:
		break;
	}
}

/* ---- the connection ---- */

static void on_result(void *owner, const PGresult *result)
{
	struct watcher *watcher = owner;

	if (watcher->activity == ACTIVITY_POLL) {
		poll_result(watcher, result);
	} else if (watcher->activity == ACTIVITY_READ) {
		introspection_result(&watcher->introspection, result);
		if (watcher->introspection.done)
			end_reading(watcher);
	}
}

/* Ready is said once the schema has been sent: before it nothing can be asked. */
static void on_state(void *owner)
{
	struct watcher *watcher = owner;
	enum pg_state state = pg_connection_state(watcher->connection);

	watcher->activity = ACTIVITY_NONE;
	watcher->seen = false;
	event_del(watcher->timer);
	if (state == PG_READY) {
		set_timer(watcher, POLL_MS);
		begin_reading(watcher);
	} else {
		set_state(watcher, pg_state_name(state), pg_connection_reason(watcher->connection));
	}
}

static const struct pg_ops connection_ops = {.state_changed = on_state, .result = on_result};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *watcher = arg;

	(void)fd;
	(void)what;
	if (!pg_connection_is_free(watcher->connection))
		return;
	set_timer(watcher, POLL_MS);
	if (watcher->activity == ACTIVITY_NONE)
		begin_poll(watcher);
	else if (clock_now_ms() - watcher->began_ms >= ANSWER_MS)
		pg_connection_drop(watcher->connection, "the server did not answer in time");
}

static void connect_anew(struct watcher *watcher)
{
	struct pg_options options = {
	    .dsn = watcher->database->dsn,
	    .application_name = "optimax watcher",
	    .schemas = (const char *const *)watcher->database->schemas,
	    .schema_count = watcher->database->schema_count,
	    .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
	    .trust_role = watcher->database->trust_role,
	};

	pg_connection_free(watcher->connection);
	watcher->activity = ACTIVITY_NONE;
	watcher->connection =
	    pg_connection_new(watcher->child->base, &options, &connection_ops, watcher);
	set_state(watcher, pg_state_name(PG_CONNECTING), "");
}

/* ---- the process ---- */

static void configure(struct child *child)
{
	struct watcher *watcher = child->owner;
	CLEAN(buffer) struct buffer facts = BUFFER_INIT;

	watcher->child = child;
	watcher->database = own_database(child->config);
	if (!watcher->database) {
		log_error("the supervisor sent no database with a dsn");
		child_fail(child);
	}
	if (!watcher->timer && !parser_stack_ensure())
		child_fail(child);
	if (!watcher->timer)
		watcher->timer = evtimer_new(child->base, on_timer, watcher);
	if (!watcher->timer)
		abort();
	own_database_session(watcher->database, &facts);
	if (!bytes_equal(bytes_of_buffer(&facts), bytes_of_buffer(&watcher->session_facts)))
		connect_anew(watcher);
	watcher->configured = true;
	watcher->seen = false; /* so that the next look reads all */
	buffer_reset(&watcher->session_facts);
	buffer_append_bytes(&watcher->session_facts, bytes_of_buffer(&facts));
	child_ready(child);
}

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	(void)channel;
	(void)owner;
	(void)message;
	log_error("the router sent a message that no watcher knows");
}

static void on_router_ended(struct channel *channel, void *owner, enum channel_end why)
{
	struct watcher *watcher = owner;

	(void)why;
	channel_free(channel);
	watcher->router = NULL;
}

static const struct channel_ops router_ops = {.message = on_message, .ended = on_router_ended};

static void attach(struct child *child, int fd)
{
	struct watcher *watcher = child->owner;

	channel_free(watcher->router);
	watcher->router = child_router_channel(child, fd, &router_ops);
	send_state(watcher);
}

static void stop(struct child *child)
{
	child_exit(child);
}

static const struct child_ops ops = {.configure = configure, .attach = attach, .stop = stop};

int main(int argc, char **argv)
{
	static struct watcher watcher;

	return child_main(ROLE_WATCHER, &ops, &watcher, argc, argv);
}
