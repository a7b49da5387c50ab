#include "client/connection.h"
#include "client/reply.h"

#include <errno.h>
#include <string.h>

enum { ANSWER_GRACE_MS = 10 * 1000 }; /* beyond the request's own time: then the daemon hangs */

static int call_give_up(struct optimax *client, uint32_t msgid, int code)
{
	if (code == -ETIMEDOUT && client->fd >= 0) {
		/* Keeps its own words: the cancellation says nothing where it works. */
		int r = optimax_cancel(client, msgid);
		connection_forget(client, msgid);
		if (r < 0)
			return r;
	}
	return code;
}

static int call_finish(
    struct optimax *client, struct optimax_reply *reply, struct optimax_reply **ret_reply)
{
	if (reply->failed)
		return connection_fail_reply(client, reply);
	*ret_reply = reply;
	return 0;
}

int optimax_call(struct optimax *client, const char *method, const msgpack_sbuffer *params,
    int timeout_ms, struct optimax_reply **ret_reply)
{
	int64_t deadline_ms = connection_deadline(timeout_ms);
	struct optimax_reply *reply;
	uint32_t msgid;
	int r = optimax_send(client, method, params, &msgid);

	if (r != 0)
		return r;
	do {
		r = optimax_wait(client, msgid, connection_timeout(deadline_ms), &reply);
	} while (r == -EINTR);
	if (r != 0)
		return call_give_up(client, msgid, r);
	return call_finish(client, reply, ret_reply);
}

/* ---- ask and sql ---- */

struct call_pair {
	const char *key;
	enum { PAIR_TEXT, PAIR_INTEGER, PAIR_TRUE, PAIR_OBJECT } kind;
	bool present;
	const char *text;
	int64_t integer;
	const msgpack_object *object;
};

static int call_pack_pair(msgpack_packer *packer, const struct call_pair *pair)
{
	int r = msgpack_pack_str_with_body(packer, pair->key, strlen(pair->key));

	switch (pair->kind) {
	case PAIR_TEXT:
		return r | msgpack_pack_str_with_body(packer, pair->text, strlen(pair->text));
	case PAIR_INTEGER:
		return r | msgpack_pack_int64(packer, pair->integer);
	case PAIR_TRUE:
		return r | msgpack_pack_true(packer);
	case PAIR_OBJECT:
		return r | msgpack_pack_object(packer, *pair->object);
	}
	return -1;
}

static int call_pack(msgpack_sbuffer *params, const char *key, const char *text,
    const struct optimax_options *options)
{
	const struct call_pair pairs[] = {
	    {key, PAIR_TEXT, true, text, 0, NULL},
	    {"database", PAIR_TEXT, options->database, options->database, 0, NULL},
	    {"route", PAIR_TEXT, options->route, options->route, 0, NULL},
	    {"history", PAIR_OBJECT, options->history, NULL, 0, options->history},
	    {"limit", PAIR_INTEGER, options->limit != 0, NULL, options->limit, NULL},
	    {"max_age_ms", PAIR_INTEGER, options->max_age_ms != 0, NULL, options->max_age_ms, NULL},
	    {"timeout_ms", PAIR_INTEGER, options->timeout_ms != 0, NULL, options->timeout_ms, NULL},
	    {"no_cache", PAIR_TRUE, options->no_cache, NULL, 0, NULL},
	    {"stream", PAIR_TRUE, options->on_delta != NULL, NULL, 0, NULL},
	    {"explain", PAIR_TRUE, options->explain, NULL, 0, NULL},
	};
	const size_t count = sizeof(pairs) / sizeof(pairs[0]);
	msgpack_packer packer;
	size_t present = 0;
	int r;

	for (size_t i = 0; i < count; i++)
		present += pairs[i].present;
	msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
	r = msgpack_pack_map(&packer, present);
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].present)
			r |= call_pack_pair(&packer, &pairs[i]);
	}
	return r;
}

/* Hands out deltas as they come; what is for other requests waits for its turn. */
static int call_stream(struct optimax *client, const char *method, const msgpack_sbuffer *params,
    int timeout_ms, const struct optimax_options *options, struct optimax_reply **ret_reply)
{
	int64_t deadline_ms = connection_deadline(timeout_ms);
	uint32_t msgid;
	int r = optimax_send(client, method, params, &msgid);

	if (r != 0)
		return r;
	do {
		struct optimax_reply *reply;
		r = connection_receive(client, deadline_ms, &reply);
		if (r != 0)
			continue;
		if (reply->msgid != msgid) {
			r = connection_set_aside(client, reply);
			continue;
		}
		if (!reply->is_delta)
			return call_finish(client, reply, ret_reply);
		options->on_delta(reply->value, options->on_delta_argument);
		optimax_reply_free(reply);
	} while (r == 0 || r == -EINTR);
	return call_give_up(client, msgid, r);
}

static int call_question(struct optimax *client, const char *method, const char *key,
    const char *text, const struct optimax_options *options, struct optimax_reply **ret_reply)
{
	static const struct optimax_options defaults;
	int64_t timeout_ms;
	msgpack_sbuffer params;
	int r;

	if (!client)
		return -ENOMEM;
	if (!options)
		options = &defaults;
	timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
	if (timeout_ms < 0 || timeout_ms > LIMIT_TIMEOUT_MS)
		return connection_fail(
		    client, OPTIMAX_BAD_REQUEST, "timeout_ms: from 1 to %d", LIMIT_TIMEOUT_MS);
	timeout_ms += ANSWER_GRACE_MS;
	msgpack_sbuffer_init(&params);
	if (call_pack(&params, key, text, options) != 0)
		r = connection_fail(client, -ENOMEM, "memory is out");
	else if (options->on_delta)
		r = call_stream(client, method, &params, (int)timeout_ms, options, ret_reply);
	else
		r = optimax_call(client, method, &params, (int)timeout_ms, ret_reply);
	msgpack_sbuffer_destroy(&params);
	return r;
}

int optimax_ask(struct optimax *client, const char *question, const struct optimax_options *options,
    struct optimax_reply **ret_reply)
{
	return call_question(client, "ask", "question", question, options, ret_reply);
}

int optimax_sql(struct optimax *client, const char *sql, const struct optimax_options *options,
    struct optimax_reply **ret_reply)
{
	return call_question(client, "sql", "sql", sql, options, ret_reply);
}
