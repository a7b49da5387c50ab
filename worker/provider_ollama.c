/*
 * The provider of type ollama: POST /api/chat, always streamed, because a request that isn't is
 * not cancelled before its first token (ollama#11889). NDJSON; durations in nanoseconds.
 */
#include "worker/model.h"
#include "worker/model_wire.h"

static json_t *body(const struct model_request *request)
{
	json_t *options = json_pack("{sI sI}", "num_ctx", (json_int_t)request->context_tokens,
	    "num_predict", (json_int_t)request->max_tokens);
	json_t *body = json_pack("{ss sO sb so sI}", "model", request->model, "messages",
	    request->messages, "stream", true, "options", options, "keep_alive",
	    (json_int_t)(request->keep_alive_ms / 1000));

	if (request->exact)
		json_object_set_new(options, "temperature", json_integer(0));
	if (request->schema)
		json_object_set_new(body, "format", json_loads(request->schema, 0, NULL));
	return body;
}

static void read_event(const json_t *event, struct model_piece *ret_piece)
{
	ret_piece->error = model_wire_error(event);
	ret_piece->text = model_wire_text(json_object_get(event, "message"), "content");
	ret_piece->done = json_is_true(json_object_get(event, "done"));
	ret_piece->cut = bytes_equal_string(model_wire_text(event, "done_reason"), "length");
	ret_piece->tokens = json_integer_value(json_object_get(event, "eval_count"));
	ret_piece->tokens_us = json_integer_value(json_object_get(event, "eval_duration")) / 1000;
}

const struct model_wire model_wire_ollama = {
    .path = "/api/chat",
    .stream_type = "application/x-ndjson",
    .stream_framing = EVENT_LINES,
    .plain_type = "application/json",
    .plain_framing = EVENT_LINES,
    .body = body,
    .read = read_event,
};

static void configure(struct provider *provider, struct event_base *base)
{
	model_configure(provider, base, &model_wire_ollama);
}

const struct provider_type provider_ollama = {
    .name = "ollama",
    .configure = configure,
    .deinit = model_deinit,
    .can = model_can,
    .generate = model_generate,
    .permit = model_permit,
    .joined = model_joined,
    .cancel = model_cancel,
};
