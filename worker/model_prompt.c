#include "worker/model_prompt.h"

#include <stdlib.h>

#include "worker/completion.h"
#include "worker/hardness.h"
#include "worker/prompt.h"

enum {
	/* Fewer than most texts have, so that nothing is cut: of ASCII, and of all else, whose
	 * characters have two bytes and more. */
	ASCII_PER_TOKEN = 3,
	OTHER_PER_TOKEN = 2,
	TOKENS_PER_MESSAGE = 16, /* what the model's template puts around it */
	CONTEXT_TOKENS_MIN = 4096,
};

static int64_t tokens_of(struct bytes text)
{
	int64_t ascii = 0;

	for (size_t i = 0; i < text.size; i++)
		ascii += (unsigned char)text.data[i] < 0x80;
	return TOKENS_PER_MESSAGE + ascii / ASCII_PER_TOKEN +
	       ((int64_t)text.size - ascii) / OTHER_PER_TOKEN;
}

static int add_message(
    json_t *messages, const char *role, struct bytes content, struct model_prompt *prompt)
{
	const char *text = content.data ? content.data : "";
	json_t *message =
	    json_pack("{ss so}", "role", role, "content", json_stringn(text, content.size));

	prompt->tokens += tokens_of(content);
	return json_array_append_new(messages, message);
}

static json_t *build_messages(const struct child_provider *settings,
    const struct provider_call *call, struct model_prompt *prompt, struct error *ret_error)
{
	struct prompt_request request = {.kind = provider_job_prompt(call->job),
	    .question = call->question,
	    .history = call->history,
	    .examples = call->examples,
	    .sql = call->sql,
	    .error = call->error,
	    .schema = call->schema,
	    .max_bytes = (size_t)settings->max_prompt};
	struct prompt composed = {0};
	json_t *messages = NULL;

	if (prompt_compose(call->config, &request, &composed, ret_error) == 0)
		messages = json_array();
	for (size_t i = 0; messages && i < composed.count; i++) {
		if (add_message(messages, composed.messages[i].role, composed.messages[i].content,
		        prompt) == 0)
			continue;
		json_decref(messages);
		messages = NULL;
		error_set(ret_error, ERROR_MODEL_ERROR, "the prompt can't be written as JSON");
	}
	prompt_deinit(&composed);
	return messages;
}

static const char *choose_model(
    const struct child_provider *settings, const struct provider_call *call)
{
	const char *const by_job[PROVIDER_JOB_COUNT] = {[PROVIDER_ROUTE] = settings->model_route,
	    [PROVIDER_SQL] = settings->model_sql,
	    [PROVIDER_CHAT] = settings->model_chat,
	    [PROVIDER_REPAIR] = settings->model_sql};

	if (provider_job_makes_sql(call->job) && settings->model_hard) {
		struct hardness hardness = hardness_measure(call->question, call->vocabulary);

		hardness.failures = call->job == PROVIDER_REPAIR;
		if (hardness_is_hard(&hardness))
			return settings->model_hard;
	}
	return by_job[call->job] ? by_job[call->job] : settings->model;
}

/* A power of two, so that it seldom changes. */
static int64_t context_for(int64_t needed)
{
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

	*prompt = (struct model_prompt){.model = request.model};
	request.messages = build_messages(settings, call, prompt, ret_error);
	if (!request.messages)
		return (int)ret_error->code;
	context = context_for(prompt->tokens + settings->max_tokens);
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
