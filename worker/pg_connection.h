/*
 * One libpq connection on the event loop, in pipeline mode: connects, prepares the session,
 * checks the role, and tries again with a growing delay after a loss. Hands over results in the
 * order of what was sent; what is sent and what results mean is the owner's.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct pg_connection;

enum pg_state {
	PG_CONNECTING, /* the first try is not over, or the first since one that served was lost */
	PG_READY,
	PG_DOWN, /* tries again by itself */
	PG_REFUSED, /* the role can do too much; looks again now and then */
};

struct pg_options {
	const char *dsn;
	const char *application_name;
	const char *const *schemas;
	size_t schema_count;
	int64_t statement_timeout_ms; /* the server's, the backup of the owner's own */
	bool trust_role; /* the role is not looked at */
};

struct pg_ops {
	/* The state or its reason changed, or a session that was reset is clean again. */
	void (*state_changed)(void *owner);
	/* One result, valid during the call; NULL ends a command, PGRES_PIPELINE_SYNC has none. */
	void (*result)(void *owner, const PGresult *result);
	/* All that has arrived was handed over. May be NULL. */
	void (*drained)(void *owner);
};

/* Copies the options; connects from the loop. */
struct pg_connection *pg_connection_new(struct event_base *base, const struct pg_options *options,
    const struct pg_ops *ops, void *owner);
/* Not from within a callback. NULL is fine. */
void pg_connection_free(struct pg_connection *connection);

/* The reason of a loss that is no fault of the server's. */
extern const char pg_connection_too_large[];

enum pg_state pg_connection_state(const struct pg_connection *connection);
const char *pg_state_name(enum pg_state state);
/* Why it is not ready, UTF-8 and one line; empty where it is. */
const char *pg_connection_reason(const struct pg_connection *connection);
/* Ready, and no reset is under way: commands may be sent. */
bool pg_connection_is_free(const struct pg_connection *connection);

/* Queue a command (text parameters and results), the end of a group, then send it all. */
void pg_connection_send(
    struct pg_connection *connection, const char *sql, int count, const char *const *values);
/* The unnamed statement: its description comes as a result with columns and no rows. */
void pg_connection_prepare(struct pg_connection *connection, const char *sql);
void pg_connection_describe(struct pg_connection *connection);
void pg_connection_sync(struct pg_connection *connection);
void pg_connection_flush(struct pg_connection *connection);
/* The command whose results come next gives row after row. False: too late for it. */
bool pg_connection_single_row(struct pg_connection *connection);

/* Reads nothing more from the server, which then waits too; false: reads again. */
void pg_connection_hold(struct pg_connection *connection, bool hold);

/* Asks the server to cancel what runs. Follow it by pg_connection_reset once that has ended. */
void pg_connection_cancel(struct pg_connection *connection);
/* Rolls back, discards and sets up the session again; state_changed when it is free. */
void pg_connection_reset(struct pg_connection *connection);
/* Gives the connection up and connects again; state_changed is called before this returns. */
void pg_connection_drop(struct pg_connection *connection, const char *reason);
/* Gives the connection up: its role can do too much. Looks again now and then. */
void pg_connection_refuse(struct pg_connection *connection, const char *reason);
/* The configured schemas as a text[] literal. */
const char *pg_connection_schemas(const struct pg_connection *connection);
