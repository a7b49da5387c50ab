#include "worker/model_answer.h"

#include <errno.h>
#include <strings.h>

enum {
	EVENT_BYTES_MAX = 1 << 20,
	COMPLETION_BYTES_MAX = 1 << 20,
	ANSWER_BYTES_BASE = 1 << 20,
	ANSWER_BYTES_PER_TOKEN = 1024, /* the JSON around a token of a few bytes, and more */
	SAID_BYTES_MAX = 200, /* of what a server says in an error */
};

/* ---- JSON ---- */

struct bytes model_wire_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return BYTES_NONE;
	return bytes_of(json_string_value(value), json_string_length(value));
}

struct bytes model_wire_error(const json_t *event)
{
	const json_t *error = json_object_get(event, "error");
	struct bytes message;

	/* vLLM used to send what others put into "error" by itself. */
	if (bytes_equal_string(model_wire_text(event, "object"), "error"))
		error = event;
	if (!error || json_is_null(error))
		return BYTES_NONE;
	if (json_is_string(error))
		return model_wire_text(event, "error");
	message = model_wire_text(error, "message");
	return message.data ? message : bytes_of_string("an error without a message");
}

/* A server's words in an error of ours: one line, short, whole characters. */
static struct bytes quotable(struct bytes said, char text[static SAID_BYTES_MAX + 1])
{
	said = bytes_cut(said, SAID_BYTES_MAX);
	if (said.size == 0 || !bytes_are_utf8(said))
		return bytes_of_string("");
	for (size_t i = 0; i < said.size; i++)
		text[i] = (unsigned char)said.data[i] < ' ' ? ' ' : said.data[i];
	return bytes_of(text, said.size);
}

/* ---- the answer ---- */

static bool on_event(void *owner, struct bytes event);

void model_answer_init(
    struct model_answer *answer, const struct model_wire *wire, int64_t max_tokens)
{
	*answer = (struct model_answer){.wire = wire};
	answer->limit = ANSWER_BYTES_BASE + (size_t)max_tokens * ANSWER_BYTES_PER_TOKEN;
	answer->stream =
	    (struct event_stream){.limit = EVENT_BYTES_MAX, .event = on_event, .owner = answer};
}

void model_answer_deinit(struct model_answer *answer)
{
	event_stream_deinit(&answer->stream);
	thoughts_deinit(&answer->thoughts);
	buffer_deinit(&answer->said);
	buffer_deinit(&answer->completion);
}

static bool wrong(struct model_answer *answer, const char *what)
{
	error_set(&answer->error, ERROR_MODEL_ERROR, "%s", what);
	return false;
}

static bool has_type(const char *content_type, const char *type)
{
	size_t size = strlen(type);

	return strncasecmp(content_type, type, size) == 0 &&
	       (content_type[size] == '\0' || strchr("; \t", content_type[size]));
}

bool model_answer_begin(struct model_answer *answer, const char *content_type)
{
	const struct model_wire *wire = answer->wire;

	if (has_type(content_type, wire->stream_type) || !*content_type) {
		answer->stream.framing = wire->stream_framing;
	} else if (has_type(content_type, wire->plain_type)) {
		answer->stream.framing = wire->plain_framing;
	} else {
		char text[SAID_BYTES_MAX + 1];
		struct bytes said = quotable(bytes_of_string(content_type), text);

		error_set(&answer->error, ERROR_MODEL_ERROR,
		    "its answer is %.*s, not %s: is its url that of a model server?",
		    (int)said.size, said.data, wire->stream_type);
		return false;
	}
	return true;
}

static bool say(struct model_answer *answer)
{
	struct bytes said = bytes_of_buffer(&answer->said);

	if (answer->completion.size + said.size > COMPLETION_BYTES_MAX)
		return wrong(answer, "its completion is too large");
	buffer_append_bytes(&answer->completion, said);
	if (answer->text)
		answer->text(answer->owner, said);
	return true;
}

static bool take_text(struct model_answer *answer, struct bytes text)
{
	if (text.size == 0)
		return true;
	buffer_reset(&answer->said);
	thoughts_take(&answer->thoughts, text, &answer->said);
	return say(answer);
}

/* What was held back, as it could have been the mark of thoughts. */
static bool take_rest(struct model_answer *answer)
{
	buffer_reset(&answer->said);
	thoughts_end(&answer->thoughts, &answer->said);
	return answer->said.size == 0 || say(answer);
}

static bool take_piece(struct model_answer *answer, const struct model_piece *piece)
{
	if (piece->error.data) {
		char text[SAID_BYTES_MAX + 1];
		struct bytes said = quotable(piece->error, text);

		error_set(&answer->error, ERROR_MODEL_ERROR, "it stopped with an error: %.*s",
		    (int)said.size, said.data);
		return false;
	}
	answer->done |= piece->done;
	answer->cut |= piece->cut;
	if (piece->tokens > 0)
		answer->tokens = piece->tokens;
	if (piece->tokens_us > 0)
		answer->tokens_us = piece->tokens_us;
	return take_text(answer, piece->text);
}

static bool on_event(void *owner, struct bytes event)
{
	struct model_answer *answer = owner;
	struct model_piece piece = {0};
	json_t *json;
	bool going_on;

	answer->events++;
	if (answer->wire->end_mark && bytes_equal_string(event, answer->wire->end_mark)) {
		answer->done = true;
		return true;
	}
	json = json_loadb(event.data ? event.data : "", event.size, 0, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return wrong(answer, "its answer is not the JSON that it should be");
	}
	answer->wire->read(json, &piece);
	going_on = take_piece(answer, &piece);
	json_decref(json);
	return going_on;
}

static bool note_result(struct model_answer *answer, int result)
{
	if (result == -EMSGSIZE)
		wrong(answer, "one event of its answer is too large");
	return result == 0;
}

bool model_answer_take(struct model_answer *answer, struct bytes bytes)
{
	answer->received += bytes.size;
	if (answer->received > answer->limit)
		return wrong(answer, "its answer is too large for max_tokens");
	return note_result(answer, event_stream_feed(&answer->stream, bytes));
}

bool model_answer_end(struct model_answer *answer)
{
	if (!note_result(answer, event_stream_end(&answer->stream)))
		return false;
	if (!answer->done)
		return wrong(answer, "its answer stopped in the middle");
	if (!take_rest(answer))
		return false;
	if (answer->cut)
		return wrong(answer,
		    "its completion was cut at the limit on tokens; a larger max_tokens may help");
	return true;
}

void model_answer_refused(
    long status, struct bytes body, const char *model, struct error *ret_error)
{
	json_t *json = body.size > 0 ? json_loadb(body.data, body.size, 0, NULL) : NULL;
	char text[SAID_BYTES_MAX + 1];
	struct bytes said = model_wire_error(json);
	bool is_named;

	said = quotable(said.data ? said : body, text);
	is_named = said.size > 0 && memmem(said.data, said.size, model, strlen(model));
	error_set(ret_error, ERROR_MODEL_ERROR, "HTTP status %ld%s%.*s%s%s", status,
	    said.size > 0 ? ": " : "", (int)said.size, said.data,
	    status == 404 && !is_named ? "; it was asked for model " : "",
	    status == 404 && !is_named ? model : "");
	json_decref(json);
}
