/*
 * How one kind of model server speaks: the path, the body of a request and the meaning of an
 * event of its answer. One table per kind, in provider_ollama.c and provider_openai.c; all else
 * (time, retries, the breaker, the cache) is model.c's, for every kind alike.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "worker/event_stream.h"

/* What is asked of the server. */
struct model_request {
	const char *model;
	json_t *messages; /* a list of {role, content} */
	const char *schema; /* JSON text; NULL: any text */
	bool exact; /* temperature 0 */
	int64_t max_tokens;
	int64_t context_tokens; /* room for the prompt and the completion */
	int64_t keep_alive_ms;
};

/* What one event says; views are valid as long as the event. */
struct model_piece {
	struct bytes text; /* more of the completion */
	bool done; /* nothing follows */
	bool cut; /* it stopped at the limit on tokens */
	int64_t tokens; /* of the whole completion; 0: not said */
	int64_t tokens_us; /* that they took; 0: not said */
	struct bytes error; /* data not NULL: the server failed */
};

struct model_wire {
	const char *path;
	const char *version; /* a path that a configured URL may end with already; NULL: none */
	const char *stream_type; /* the content type of a stream */
	enum event_framing stream_framing;
	const char *plain_type; /* another one that is read, from servers that do not stream */
	enum event_framing plain_framing;
	const char *end_mark; /* an event that is no JSON; NULL: none */
	json_t *(*body)(const struct model_request *request);
	void (*read)(const json_t *event, struct model_piece *ret_piece);
};

/* "error" as a text or an object with a "message", or such an object by itself. */
struct bytes model_wire_error(const json_t *event);
/* The text of a key, or none. */
struct bytes model_wire_text(const json_t *object, const char *key);

extern const struct model_wire model_wire_ollama, model_wire_openai;
