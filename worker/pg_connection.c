#include "worker/pg_connection.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "worker/backoff.h"
#include "worker/pg_cancel.h"
#include "worker/pg_linger.h"
#include "worker/pg_role.h"
#include "worker/pg_session.h"

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000,
	RESET_TIMEOUT_MS = 5 * 1000,
	RETRY_FIRST_MS = 250,
	RETRY_LIMIT_MS = 10 * 1000,
	SERVED_MS = 1000, /* a session that lasted is replaced at once */
	SETUP_GROUPS = 2, /* settings, role; one less where the role is trusted */
	RESET_GROUPS = 3, /* ROLLBACK, DISCARD ALL, settings */
	LINGER_POLL_MS = 200,
};

enum phase {
	PHASE_WAITING,
	PHASE_CONNECTING,
	PHASE_SETUP,
	PHASE_LINGERING, /* the session that was given up goes on in the server */
	PHASE_SERVING,
	PHASE_RESETTING
};

struct pg_connection {
	struct event_base *base;
	const struct pg_ops *ops;
	void *owner;
	char *dsn, *application_name;
	struct pg_session session;
	bool trust_role;
	PGconn *pg;
	uint64_t generation; /* of pg: a callback may have given it up */
	struct event *event; /* on pg's socket */
	short watching;
	struct event *timer; /* the end of the phase, but of serving */
	enum phase phase;
	enum pg_state state;
	char reason[512];
	char last_words[256]; /* what the server said before it closed the connection */
	struct backoff backoff;
	int groups_left; /* of setup or reset, or the look for what lingers */
	struct pg_linger linger;
	int64_t ready_since_ms;
	bool command_open; /* a result came, its NULL not yet */
	bool send_failed;
	bool held; /* nothing is read */
	bool reset_wanted; /* as soon as the cancel request is over */
	struct pg_cancel *cancel;
};

static void on_socket(evutil_socket_t fd, short what, void *arg);

const char pg_connection_too_large[] = "a row is too large for this process; select less of it";

/* libpq's messages have several lines, and until the encoding is set any encoding. */
static void copy_reason(char *ret, size_t size, const char *message)
{
	size_t used = 0;

	for (; *message && used + 2 < size; message++) {
		if (*message != '\n')
			ret[used++] = *message == '\t' ? ' ' : *message;
		else if (message[1] != '\0')
			ret[used++] = ' ';
	}
	ret[used] = '\0';
	while (used > 0 && !bytes_are_utf8(bytes_of(ret, used)))
		ret[--used] = '\0';
}

static void set_state(struct pg_connection *connection, enum pg_state state, const char *reason)
{
	char clean[sizeof(connection->reason)];

	copy_reason(clean, sizeof(clean), reason);
	if (state == connection->state && strcmp(clean, connection->reason) == 0)
		return;
	connection->state = state;
	memcpy(connection->reason, clean, sizeof(clean));
	connection->ops->state_changed(connection->owner);
}

static void set_phase(struct pg_connection *connection, enum phase phase, int64_t timeout_ms)
{
	struct timeval timeout = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};

	connection->phase = phase;
	event_del(connection->timer);
	if (timeout_ms >= 0)
		event_add(connection->timer, &timeout);
}

static void unwatch(struct pg_connection *connection)
{
	if (connection->event)
		event_free(connection->event);
	connection->event = NULL;
}

static void watch(struct pg_connection *connection, short what)
{
	if (connection->held)
		what &= ~EV_READ;
	if (connection->event && what == connection->watching)
		return;
	unwatch(connection);
	if (what == 0)
		return;
	connection->event = event_new(connection->base, PQsocket(connection->pg),
	    (short)(what | EV_PERSIST), on_socket, connection);
	connection->watching = what;
	if (!connection->event || event_add(connection->event, NULL) < 0)
		abort();
}

static void close_pg(struct pg_connection *connection)
{
	unwatch(connection);
	pg_cancel_free(connection->cancel);
	connection->cancel = NULL;
	PQfinish(connection->pg);
	connection->pg = NULL;
	connection->generation++;
	connection->command_open = false;
	connection->send_failed = false;
	connection->held = false;
	connection->reset_wanted = false;
}

static void give_up(struct pg_connection *connection, enum pg_state state, const char *reason)
{
	char kept[sizeof(connection->reason)];
	int64_t wait_ms = RETRY_LIMIT_MS;
	/* A session that a row was too large for was sound, however short it was. */
	bool served = connection->phase >= PHASE_SERVING &&
	              (reason == pg_connection_too_large ||
	                  clock_now_ms() - connection->ready_since_ms >= SERVED_MS);

	if (served)
		backoff_reset(&connection->backoff);
	/* The reason may be libpq's and go with it. */
	copy_reason(kept, sizeof(kept), reason);
	close_pg(connection);
	if (state == PG_DOWN)
		wait_ms = served ? 0 : backoff_next(&connection->backoff);
	/* Who asks now waits for the session that is made at once, rather than being told that
	 * there is none because of somebody else's statement. */
	if (state == PG_DOWN && served)
		state = PG_CONNECTING;
	set_phase(connection, PHASE_WAITING, wait_ms);
	set_state(connection, state, kept);
}

static void let_linger(struct pg_connection *connection)
{
	if (connection->phase >= PHASE_SERVING)
		pg_linger_add(&connection->linger, PQbackendPID(connection->pg), clock_now_ms());
}

void pg_connection_drop(struct pg_connection *connection, const char *reason)
{
	if (connection->phase == PHASE_WAITING)
		return;
	let_linger(connection);
	give_up(connection, PG_DOWN, reason);
}

void pg_connection_refuse(struct pg_connection *connection, const char *reason)
{
	if (connection->phase != PHASE_WAITING)
		give_up(connection, PG_REFUSED, reason);
}

/* FATAL comes as the result of what runs, or as a notice where nothing does: the reason for the
 * end that follows. Other notices concern nobody. */
static void take_last_words(void *arg, const PGresult *result)
{
	struct pg_connection *connection = arg;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (severity && message && strcmp(severity, "FATAL") == 0)
		copy_reason(connection->last_words, sizeof(connection->last_words), message);
}

static void lose(struct pg_connection *connection)
{
	char reason[sizeof(connection->reason)];

	/* libpq holds a row whole, and the address space is limited. */
	if (connection->last_words[0] == '\0' && strstr(PQerrorMessage(connection->pg), "memory")) {
		give_up(connection, PG_DOWN, pg_connection_too_large);
		return;
	}
	snprintf(reason, sizeof(reason), "the server closed the connection%s%s",
	    connection->last_words[0] != '\0' ? ": " : "", connection->last_words);
	give_up(connection, PG_DOWN, reason);
}

/* What stands before dbname yields to the dsn, what stands behind it does not. DNS is looked up
 * in here, blocking: libpq has no other way. */
static PGconn *start_connect(const struct pg_connection *connection)
{
	const char *keywords[] = {"application_name", "connect_timeout", "tcp_user_timeout",
	    "keepalives_idle", "dbname", "client_encoding", NULL};
	const char *values[] = {
	    connection->application_name, "10", "15000", "30", connection->dsn, "UTF8", NULL};

	return PQconnectStartParams(keywords, values, 1);
}

static void begin_connect(struct pg_connection *connection)
{
	connection->pg = start_connect(connection);
	if (!connection->pg) {
		give_up(connection, PG_DOWN, "out of memory");
		return;
	}
	connection->last_words[0] = '\0';
	PQsetNoticeReceiver(connection->pg, take_last_words, connection);
	if (PQstatus(connection->pg) == CONNECTION_BAD) {
		give_up(connection, PG_DOWN, PQerrorMessage(connection->pg));
		return;
	}
	set_phase(connection, PHASE_CONNECTING, CONNECT_TIMEOUT_MS);
	watch(connection, EV_WRITE);
}

static void send_settings(struct pg_connection *connection)
{
	const char *values[PG_SESSION_PARAMETERS];

	pg_session_parameters(&connection->session, values);
	pg_connection_send(connection, pg_session_statement(), PG_SESSION_PARAMETERS, values);
	pg_connection_sync(connection);
}

static void begin_setup(struct pg_connection *connection)
{
	const char *schemas = connection->session.schemas;

	if (PQsetnonblocking(connection->pg, 1) != 0 || !PQenterPipelineMode(connection->pg)) {
		give_up(connection, PG_DOWN, PQerrorMessage(connection->pg));
		return;
	}
	set_phase(connection, PHASE_SETUP, CONNECT_TIMEOUT_MS);
	connection->groups_left = SETUP_GROUPS;
	send_settings(connection);
	if (connection->trust_role) {
		connection->groups_left--;
	} else {
		pg_connection_send(connection, pg_role_query(), 1, &schemas);
		pg_connection_sync(connection);
	}
	pg_connection_flush(connection);
}

static void begin_reset(struct pg_connection *connection)
{
	connection->reset_wanted = false;
	connection->groups_left = RESET_GROUPS;
	pg_connection_send(connection, "ROLLBACK", 0, NULL);
	pg_connection_sync(connection);
	/* Alone in its group: it cannot run inside a transaction, not even an implicit one. */
	pg_connection_send(connection, "DISCARD ALL", 0, NULL);
	pg_connection_sync(connection);
	send_settings(connection);
	pg_connection_flush(connection);
}

void pg_connection_reset(struct pg_connection *connection)
{
	if (connection->phase != PHASE_SERVING)
		return;
	set_phase(connection, PHASE_RESETTING, RESET_TIMEOUT_MS);
	connection->reset_wanted = true;
	/* A cancel request that is still under way would hit the reset, or the next statement. */
	if (!connection->cancel)
		begin_reset(connection);
}

static void on_cancel_done(void *arg)
{
	struct pg_connection *connection = arg;

	pg_cancel_free(connection->cancel);
	connection->cancel = NULL;
	if (connection->reset_wanted)
		begin_reset(connection);
}

void pg_connection_cancel(struct pg_connection *connection)
{
	if (connection->phase == PHASE_SERVING && !connection->cancel)
		connection->cancel =
		    pg_cancel_start(connection->base, connection->pg, on_cancel_done, connection);
}

static void look_for_lingering(struct pg_connection *connection)
{
	static const char query[] = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1::int";
	char pid[16];
	const char *values[] = {pid};

	snprintf(pid, sizeof(pid), "%d", connection->linger.first);
	set_phase(connection, PHASE_LINGERING, CONNECT_TIMEOUT_MS);
	connection->groups_left = 1;
	pg_connection_send(connection, query, 1, values);
	pg_connection_sync(connection);
	pg_connection_flush(connection);
}

/* True: not yet to be served. */
static bool waits_for_lingering(struct pg_connection *connection)
{
	if (pg_linger_awaited(&connection->linger, clock_now_ms()) == 0)
		return false;
	if (connection->phase == PHASE_SETUP)
		look_for_lingering(connection);
	else
		set_phase(connection, PHASE_LINGERING, LINGER_POLL_MS);
	set_state(connection, PG_CONNECTING,
	    "waiting for a statement that was cancelled and has not ended in the server");
	return true;
}

static void finish_preparation(struct pg_connection *connection)
{
	bool was_reset = connection->phase == PHASE_RESETTING;

	if (!was_reset && waits_for_lingering(connection))
		return;
	set_phase(connection, PHASE_SERVING, -1);
	if (was_reset) {
		connection->ops->state_changed(connection->owner);
		return;
	}
	connection->ready_since_ms = clock_now_ms();
	set_state(connection, PG_READY, "");
}

/* Results of setup and of reset. */
static void preparation_result(struct pg_connection *connection, const PGresult *result)
{
	char reason[sizeof(connection->reason)];

	switch (result ? PQresultStatus(result) : PGRES_COMMAND_OK) {
	case PGRES_COMMAND_OK:
		break;
	case PGRES_TUPLES_OK:
		if (connection->phase == PHASE_LINGERING &&
		    strcmp(PQgetvalue(result, 0, 0), "0") == 0)
			pg_linger_ended(&connection->linger);
		if (connection->phase == PHASE_SETUP && connection->groups_left == 1 &&
		    !connection->trust_role && pg_role_refused(result, reason, sizeof(reason)))
			give_up(connection, PG_REFUSED, reason);
		break;
	case PGRES_PIPELINE_SYNC:
		if (--connection->groups_left == 0)
			finish_preparation(connection);
		break;
	default:
		snprintf(reason, sizeof(reason), "cannot prepare the session: %s",
		    PQresultErrorMessage(result));
		give_up(connection, PG_DOWN, reason);
	}
}

static void deliver(struct pg_connection *connection, const PGresult *result)
{
	if (connection->phase == PHASE_SERVING)
		connection->ops->result(connection->owner, result);
	else
		preparation_result(connection, result);
}

/* Without anything outstanding PQgetResult gives NULL for ever; the NULL that ends a command is
 * told from it by the result before. */
static void read_results(struct pg_connection *connection)
{
	uint64_t generation = connection->generation;

	while (!PQisBusy(connection->pg)) {
		PGresult *result = PQgetResult(connection->pg);

		if (!result && !connection->command_open)
			break;
		connection->command_open = result && PQresultStatus(result) != PGRES_PIPELINE_SYNC;
		take_last_words(connection, result);
		deliver(connection, result);
		PQclear(result);
		if (generation != connection->generation)
			return;
	}
	if (connection->phase == PHASE_SERVING && connection->ops->drained)
		connection->ops->drained(connection->owner);
}

static void on_readable(struct pg_connection *connection)
{
	uint64_t generation = connection->generation;
	bool alive = PQconsumeInput(connection->pg) != 0;
	PGnotify *notification;

	while ((notification = PQnotifies(connection->pg)) != NULL)
		PQfreemem(notification);
	read_results(connection);
	if (generation != connection->generation)
		return;
	if (!alive || connection->send_failed || PQstatus(connection->pg) == CONNECTION_BAD)
		lose(connection);
	else
		pg_connection_flush(connection);
}

static void poll_connect(struct pg_connection *connection)
{
	PostgresPollingStatusType status;

	/* libpq may close this socket and try the next address. */
	unwatch(connection);
	status = PQconnectPoll(connection->pg);
	if (status == PGRES_POLLING_OK)
		begin_setup(connection);
	else if (status == PGRES_POLLING_FAILED)
		give_up(connection, PG_DOWN, PQerrorMessage(connection->pg));
	else
		watch(connection, status == PGRES_POLLING_READING ? EV_READ : EV_WRITE);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	if (connection->phase == PHASE_CONNECTING)
		poll_connect(connection);
	else
		on_readable(connection);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	if (connection->phase == PHASE_RESETTING)
		let_linger(connection);
	if (connection->phase == PHASE_WAITING)
		begin_connect(connection);
	else if (connection->phase == PHASE_LINGERING && connection->groups_left == 0)
		look_for_lingering(connection);
	else
		give_up(connection, PG_DOWN,
		    connection->phase == PHASE_RESETTING ? "the session could not be reset in time"
		                                         : "the server did not answer in time");
}

struct pg_connection *pg_connection_new(struct event_base *base, const struct pg_options *options,
    const struct pg_ops *ops, void *owner)
{
	struct pg_connection *connection = must_zalloc(sizeof(*connection));

	connection->base = base;
	connection->ops = ops;
	connection->owner = owner;
	connection->dsn = must_strdup(options->dsn);
	connection->application_name = must_strdup(options->application_name);
	connection->trust_role = options->trust_role;
	connection->backoff = (struct backoff){RETRY_FIRST_MS, RETRY_LIMIT_MS, 0};
	pg_session_init(&connection->session, options->schemas, options->schema_count,
	    options->statement_timeout_ms);
	connection->timer = evtimer_new(base, on_timer, connection);
	if (!connection->timer)
		abort();
	set_phase(connection, PHASE_WAITING, 0);
	return connection;
}

void pg_connection_free(struct pg_connection *connection)
{
	if (!connection)
		return;
	close_pg(connection);
	event_free(connection->timer);
	pg_session_deinit(&connection->session);
	free(connection->dsn);
	free(connection->application_name);
	free(connection);
}

enum pg_state pg_connection_state(const struct pg_connection *connection)
{
	return connection->state;
}

const char *pg_state_name(enum pg_state state)
{
	static const char *const names[] = {
	    [PG_CONNECTING] = "connecting",
	    [PG_READY] = "ready",
	    [PG_DOWN] = "down",
	    [PG_REFUSED] = "refused",
	};

	return names[state];
}

const char *pg_connection_reason(const struct pg_connection *connection)
{
	return connection->reason;
}

bool pg_connection_is_free(const struct pg_connection *connection)
{
	return connection->phase == PHASE_SERVING;
}

const char *pg_connection_schemas(const struct pg_connection *connection)
{
	return connection->session.schemas;
}

void pg_connection_send(
    struct pg_connection *connection, const char *sql, int count, const char *const *values)
{
	if (!PQsendQueryParams(connection->pg, sql, count, NULL, values, NULL, NULL, 0))
		connection->send_failed = true;
}

void pg_connection_prepare(struct pg_connection *connection, const char *sql)
{
	if (!PQsendPrepare(connection->pg, "", sql, 0, NULL))
		connection->send_failed = true;
}

void pg_connection_describe(struct pg_connection *connection)
{
	if (!PQsendDescribePrepared(connection->pg, ""))
		connection->send_failed = true;
}

void pg_connection_sync(struct pg_connection *connection)
{
	if (!PQpipelineSync(connection->pg))
		connection->send_failed = true;
}

/* Failure is acted on from the loop, not under the caller's feet. */
void pg_connection_flush(struct pg_connection *connection)
{
	int left = PQflush(connection->pg);

	if (left < 0)
		connection->send_failed = true;
	watch(connection, left > 0 ? EV_READ | EV_WRITE : EV_READ);
	if (connection->send_failed && connection->event)
		event_active(connection->event, EV_READ, 0);
}

/* What TLS has decrypted already makes no socket readable: look once. */
void pg_connection_hold(struct pg_connection *connection, bool hold)
{
	if (connection->held == hold || connection->phase < PHASE_SERVING)
		return;
	connection->held = hold;
	pg_connection_flush(connection);
	if (!hold)
		event_active(connection->event, EV_READ, 0);
}

bool pg_connection_single_row(struct pg_connection *connection)
{
	return PQsetSingleRowMode(connection->pg) != 0;
}
