/*
 * The provider of type openai: POST /v1/chat/completions as llama.cpp, vLLM, LM Studio and
 * LocalAI have it. The schema goes nested into response_format, the one form that all of them
 * take (llama.cpp#10732); the server's usage comes with `choices` empty, null or absent.
 */
#include "worker/model.h"
#include "worker/model_wire.h"

static json_t *response_format(const char *schema)
{
	return json_pack("{ss s{ss so sb}}", "type", "json_schema", "json_schema", "name", "answer",
	    "schema", json_loads(schema, 0, NULL), "strict", true);
}

static json_t *body(const struct model_request *request)
{
	json_t *body = json_pack("{ss sO sb s{sb} sI}", "model", request->model, "messages",
	    request->messages, "stream", true, "stream_options", "include_usage", true,
	    "max_tokens", (json_int_t)request->max_tokens);

	if (request->exact)
		json_object_set_new(body, "temperature", json_integer(0));
	if (request->schema)
		json_object_set_new(body, "response_format", response_format(request->schema));
	return body;
}

/* As llama.cpp says it; 0: not said. */
static int64_t generation_us(const json_t *event)
{
	double took_ms =
	    json_number_value(json_object_get(json_object_get(event, "timings"), "predicted_ms"));

	return took_ms > 0 && took_ms < 1e9 ? (int64_t)(took_ms * 1e3) : 0;
}

static void read_event(const json_t *event, struct model_piece *ret_piece)
{
	const json_t *choice = json_array_get(json_object_get(event, "choices"), 0);
	const json_t *delta = json_object_get(choice, "delta");
	struct bytes finish = model_wire_text(choice, "finish_reason");

	/* A server that does not stream sends the whole message. */
	if (!delta)
		delta = json_object_get(choice, "message");
	ret_piece->error = model_wire_error(event);
	/* What there is of it is no answer. */
	if (bytes_equal_string(finish, "content_filter"))
		ret_piece->error = finish;
	ret_piece->text = model_wire_text(delta, "content");
	ret_piece->done = finish.data != NULL;
	ret_piece->cut = bytes_equal_string(finish, "length");
	ret_piece->tokens = json_integer_value(
	    json_object_get(json_object_get(event, "usage"), "completion_tokens"));
	ret_piece->tokens_us = generation_us(event);
}

const struct model_wire model_wire_openai = {
    .path = "/v1/chat/completions",
    .version = "/v1",
    .stream_type = "text/event-stream",
    .stream_framing = EVENT_SSE,
    .plain_type = "application/json",
    .plain_framing = EVENT_DOCUMENT,
    .end_mark = "[DONE]",
    .body = body,
    .read = read_event,
};

static void configure(struct provider *provider, struct event_base *base)
{
	model_configure(provider, base, &model_wire_openai);
}

const struct provider_type provider_openai = {
    .name = "openai",
    .configure = configure,
    .deinit = model_deinit,
    .can = model_can,
    .generate = model_generate,
    .permit = model_permit,
    .joined = model_joined,
    .cancel = model_cancel,
};
