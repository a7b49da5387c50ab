/*
 * liboptimax: asks an OptimaX daemon over its Unix socket. Blocking; no threads, no signals, no
 * output. One connection belongs to one thread at a time.
 * Every function that can fail returns 0, an optimax_code above 0 (the daemon's own answer), or
 * -errno (the connection); optimax_error() then says it in words. The protocol:
 * optimax-protocol(7).
 */
#ifndef OPTIMAX_H
#define OPTIMAX_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the daemon can answer instead of a result. */
enum optimax_code {
	OPTIMAX_OK,
	OPTIMAX_BAD_REQUEST,
	OPTIMAX_TOO_LARGE,
	OPTIMAX_UNKNOWN_METHOD,
	OPTIMAX_FORBIDDEN,
	OPTIMAX_UNKNOWN_DATABASE,
	OPTIMAX_OVERLOADED,
	OPTIMAX_TIMEOUT,
	OPTIMAX_CANCELLED,
	OPTIMAX_NO_MODEL,
	OPTIMAX_UNANSWERABLE,
	OPTIMAX_MODEL_ERROR,
	OPTIMAX_SQL_REJECTED,
	OPTIMAX_SQL_ERROR,
	OPTIMAX_DATABASE_UNAVAILABLE,
	OPTIMAX_WORKER_CRASHED,
	OPTIMAX_SHUTTING_DOWN,
	OPTIMAX_INTERNAL,
	OPTIMAX_OTHER_CODE = 1000 /* a newer daemon's; its name is in struct optimax_error */
};

/* Why a call failed. The strings are never NULL; empty means not said. */
struct optimax_error {
	int code; /* what the call returned */
	const char *name; /* "sql_rejected"; for -errno "no_daemon", "lost" … */
	const char *message; /* for people */
	const char *detail; /* sql_rejected: the check code */
	const char *sqlstate; /* sql_error: PostgreSQL's code */
	bool retryable;
	int64_t retry_after_ms; /* 0: not said */
};

struct optimax; /* a connection */
struct optimax_reply; /* one answer; owns the memory of all it hands out */

/* ---- connection ---- */

/* NULL where memory is out; all functions take that NULL and return -ENOMEM. */
struct optimax *optimax_new(void);
void optimax_free(struct optimax *client);
/* path NULL: $OPTIMAX_SOCKET, or /run/optimax/optimax.sock. -ENOENT and -ECONNREFUSED: no daemon
 * there; -EACCES: not allowed. A connection that was lost can be connected again. */
int optimax_connect(struct optimax *client, const char *path);
/* Takes a socket that is connected already; it is closed with the client. */
int optimax_connect_fd(struct optimax *client, int fd);
/* What the last call that failed on this client returned, in words. Never NULL; valid until the
 * next call. */
const struct optimax_error *optimax_error(const struct optimax *client);

/* ---- one question, one answer ---- */

/* Zero means: as the daemon does it by default. */
struct optimax_options {
	const char *database;
	const char *route; /* auto, sql, chat; for ask */
	const struct msgpack_object *history; /* a list of {role, content}; for ask */
	int64_t limit;
	int64_t max_age_ms; /* for 0 ms use no_cache */
	int64_t timeout_ms; /* at most 600000; 60000 where 0 */
	bool no_cache;
	bool explain;
	/* Not NULL: the reply is streamed, and this is called with every piece as it comes. */
	void (*on_delta)(const struct msgpack_object *piece, void *on_delta_argument);
	void *on_delta_argument;
};

/* options may be NULL. The reply is the caller's, who frees it; untouched on failure. */
int optimax_ask(struct optimax *client, const char *question, const struct optimax_options *options,
    struct optimax_reply **ret_reply);
int optimax_sql(struct optimax *client, const char *sql, const struct optimax_options *options,
    struct optimax_reply **ret_reply);
/* Any method. params: one packed map, or NULL. timeout_ms < 0: for ever; when it is over the
 * request is cancelled and -ETIMEDOUT returned. */
int optimax_call(struct optimax *client, const char *method, const struct msgpack_sbuffer *params,
    int timeout_ms, struct optimax_reply **ret_reply);

/* ---- many requests on one connection ---- */

/* Sends a request and does not wait. At most 1,024 can be in flight. */
int optimax_send(struct optimax *client, const char *method, const struct msgpack_sbuffer *params,
    uint32_t *ret_msgid);
/* The next answer or delta, whosever it is; answers come in any order. 0 also where the answer is
 * an error: see optimax_reply_error. -ETIMEDOUT: none within timeout_ms (0: do not wait).
 * -EINTR: a signal came; nothing is lost, call again. */
int optimax_receive(struct optimax *client, int timeout_ms, struct optimax_reply **ret_reply);
/* The answer to one request; deltas and answers to others wait for their turn. */
int optimax_wait(
    struct optimax *client, uint32_t msgid, int timeout_ms, struct optimax_reply **ret_reply);
/* Asks the daemon to stop; the request is still answered, as a rule with OPTIMAX_CANCELLED. */
int optimax_cancel(struct optimax *client, uint32_t msgid);
/* To poll() for reading beside other descriptors; then optimax_receive with 0 until -ETIMEDOUT.
 * -1 where not connected. */
int optimax_fd(const struct optimax *client);

/* ---- a reply ---- */

void optimax_reply_free(struct optimax_reply *reply);
uint32_t optimax_reply_msgid(const struct optimax_reply *reply);
/* A piece that comes before the answer; it has no error. */
bool optimax_reply_is_delta(const struct optimax_reply *reply);
/* NULL where the request succeeded. Valid as long as the reply. */
const struct optimax_error *optimax_reply_error(const struct optimax_reply *reply);
/* The whole result (or delta, or error) as it came. Strings in it end with a NUL. */
const struct msgpack_object *optimax_reply_value(const struct optimax_reply *reply);

/* The value of a key; NULL where it is absent or `map` is no map. */
const struct msgpack_object *optimax_get(const struct msgpack_object *map, const char *key);
/* A text of the result ("route", "via", "sql", "text" …), or NULL. */
const char *optimax_text(const struct optimax_reply *reply, const char *key);
/* An integer or truth value of the result ("cached", "age_ms" …), or `absent`. */
int64_t optimax_integer(const struct optimax_reply *reply, const char *key, int64_t absent);

size_t optimax_columns(const struct optimax_reply *reply);
size_t optimax_rows(const struct optimax_reply *reply);
const char *optimax_column_name(const struct optimax_reply *reply, size_t column);
const char *optimax_column_type(const struct optimax_reply *reply, size_t column);
/* NULL outside the rows and columns. */
const struct msgpack_object *optimax_cell(
    const struct optimax_reply *reply, size_t row, size_t column);
/* As text; NULL for SQL's NULL, outside, and where memory is out. Valid as long as the reply. */
const char *optimax_cell_text(struct optimax_reply *reply, size_t row, size_t column);

/* Writes any value as PostgreSQL's clients know it: numbers exact, true and false, NaN and
 * Infinity, bytes as \x…; lists and maps give "". Returns and cuts like snprintf. */
size_t optimax_format(const struct msgpack_object *value, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
