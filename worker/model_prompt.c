#include "worker/model_prompt.h"

#include <stdlib.h>

#include "common/msgpack_scan.h"
#include "worker/completion.h"
#include "worker/hardness.h"
#include "worker/plain_prompt.h"

enum {
	BYTES_PER_TOKEN = 3, /* fewer than most texts have, so that nothing is cut */
	CONTEXT_TOKENS_MIN = 4096,
};

static int add_message(
    json_t *messages, const char *role, struct bytes content, struct model_prompt *prompt)
{
	const char *text = content.data ? content.data : "";
	json_t *message =
	    json_pack("{ss so}", "role", role, "content", json_stringn(text, content.size));

	prompt->size += content.size;
	return json_array_append_new(messages, message);
}

/* The router has checked each turn: role and content, in any order. */
static int add_turn(struct bytes *rest, json_t *messages, struct model_prompt *prompt)
{
	struct bytes key, value, content = BYTES_NONE;
	struct msgpack_element element;
	bool assistant = false;

	if (!msgpack_read_element(rest, &element, NULL) || element.kind != MSGPACK_MAP)
		return -1;
	for (uint32_t left = element.count; left > 0; left--) {
		if (!msgpack_read_element(rest, &element, &key) ||
		    !msgpack_read_element(rest, &element, &value))
			return -1;
		if (bytes_equal_string(key, "content"))
			content = value;
		else
			assistant = bytes_equal_string(value, "assistant");
	}
	return add_message(messages, assistant ? "assistant" : "user", content, prompt);
}

static int add_history(struct bytes history, json_t *messages, struct model_prompt *prompt)
{
	struct msgpack_element element;

	if (!history.data)
		return 0;
	if (!msgpack_read_element(&history, &element, NULL) || element.kind != MSGPACK_ARRAY)
		return -1;
	for (uint32_t left = element.count; left > 0; left--)
		if (add_turn(&history, messages, prompt) != 0)
			return -1;
	return 0;
}

static json_t *build_messages(const struct child_provider *settings,
    const struct provider_call *call, struct model_prompt *prompt)
{
	CLEAN(buffer) struct buffer system = BUFFER_INIT, user = BUFFER_INIT;
	json_t *messages = json_array();

	/* Half of it for the schema: the rest is the question's and the history's. */
	plain_prompt_build(call, (size_t)settings->max_prompt / 2, &system, &user);
	if (add_message(messages, "system", bytes_of_buffer(&system), prompt) == 0 &&
	    add_history(call->history, messages, prompt) == 0 &&
	    add_message(messages, "user", bytes_of_buffer(&user), prompt) == 0)
		return messages;
	json_decref(messages);
	return NULL;
}

static const char *choose_model(
    const struct child_provider *settings, const struct provider_call *call)
{
	const char *const by_job[PROVIDER_JOB_COUNT] = {[PROVIDER_ROUTE] = settings->model_route,
	    [PROVIDER_SQL] = settings->model_sql,
	    [PROVIDER_CHAT] = settings->model_chat};

	if (call->job == PROVIDER_SQL && settings->model_hard) {
		struct hardness hardness = hardness_measure(call->question, call->vocabulary);

		if (hardness_is_hard(&hardness))
			return settings->model_hard;
	}
	return by_job[call->job] ? by_job[call->job] : settings->model;
}

/* A power of two, so that it seldom changes. */
static int64_t context_for(size_t prompt_bytes, int64_t max_tokens)
{
	int64_t needed = (int64_t)prompt_bytes / BYTES_PER_TOKEN + max_tokens;
	int64_t context = CONTEXT_TOKENS_MIN;

	while (context < needed)
		context *= 2;
	return context;
}

/* num_ctx is no part of the key: it depends on what was asked before, and changes no answer. */
static void make_key(const struct child_provider *settings, const struct model_wire *wire,
    const struct model_request *request, struct buffer *key)
{
	char *messages = json_dumps(request->messages, JSON_COMPACT);

	buffer_printf(key, "%s\n%s\n%s\n%lld\n%d\n%s\n", wire->path, settings->url, request->model,
	    (long long)request->max_tokens, request->exact, request->schema ? request->schema : "");
	buffer_append_string(key, messages);
	free(messages);
}

static int write_body(
    const struct model_wire *wire, const struct model_request *request, struct model_prompt *prompt)
{
	json_t *body = wire->body(request);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (!text)
		return -1;
	buffer_append_string(&prompt->body, text);
	free(text);
	return 0;
}

int model_prompt_init(struct model_prompt *prompt, const struct child_provider *settings,
    const struct model_wire *wire, const struct provider_call *call, int64_t *context_tokens,
    struct error *ret_error)
{
	struct model_request request = {
	    .model = choose_model(settings, call),
	    .schema = completion_schema(call->job),
	    .exact = call->job != PROVIDER_CHAT,
	    .max_tokens = settings->max_tokens,
	    .keep_alive_ms = settings->keep_alive_ms,
	};
	int64_t context;
	int r;

	*prompt = (struct model_prompt){0};
	request.messages = build_messages(settings, call, prompt);
	if (!request.messages)
		return error_set(
		    ret_error, ERROR_MODEL_ERROR, "the prompt can't be written as JSON");
	if (prompt->size > (size_t)settings->max_prompt) {
		json_decref(request.messages);
		return error_set(ret_error, ERROR_MODEL_ERROR,
		    "the prompt has %zu bytes; its max_prompt is %lld", prompt->size,
		    (long long)settings->max_prompt);
	}
	context = context_for(prompt->size, settings->max_tokens);
	if (context > *context_tokens)
		*context_tokens = context;
	request.context_tokens = *context_tokens;
	r = write_body(wire, &request, prompt);
	make_key(settings, wire, &request, &prompt->key);
	json_decref(request.messages);
	return r == 0 ? 0
	              : error_set(
	                    ret_error, ERROR_MODEL_ERROR, "the request can't be written as JSON");
}

void model_prompt_deinit(struct model_prompt *prompt)
{
	buffer_deinit(&prompt->body);
	buffer_deinit(&prompt->key);
}
