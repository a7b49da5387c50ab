#include "worker/compose_reply.h"

#include "common/pack.h"
#include "worker/prompt.h"

enum { DEFAULT_PROMPT_BYTES = 64 * 1024 }; /* where no model is configured */

/* The first one that is asked with a prompt; NULL: none is. */
static const struct child_provider *first_model(const struct generations *generations)
{
	for (size_t i = 0; i < generations->provider_count; i++)
		if (generations->providers[i].settings->model)
			return generations->providers[i].settings;
	return NULL;
}

static void pack_messages(const struct prompt *prompt, struct buffer *pairs)
{
	pack_string(pairs, "messages");
	pack_array(pairs, prompt->count);
	for (size_t i = 0; i < prompt->count; i++) {
		pack_map(pairs, 2);
		pack_pair_string(pairs, "role", prompt->messages[i].role);
		pack_pair_text(pairs, "content", prompt->messages[i].content);
	}
}

int compose_reply_pack(const struct generations *generations, const struct compose_params *params,
    struct buffer *ret_pairs, struct error *ret_error)
{
	const struct child_provider *model = first_model(generations);
	enum provider_job job = provider_job_find(params->job);
	struct prompt_request request = {.question = params->question,
	    .history = params->history,
	    .examples = params->examples,
	    .schema = generations_prompt_schema(generations, params->database),
	    .max_bytes = model ? (size_t)model->max_prompt : DEFAULT_PROMPT_BYTES};
	struct prompt prompt = {0};
	int r;

	/* A repair has a statement and an error, which nobody gives here. */
	if (job == PROVIDER_JOB_COUNT || job == PROVIDER_REPAIR)
		return error_set(
		    ret_error, ERROR_BAD_REQUEST, "\"job\" must be sql, route or chat");
	request.kind = provider_job_prompt(job);
	r = prompt_compose(generations->config, &request, &prompt, ret_error);
	if (r == 0) {
		pack_map(ret_pairs, model ? 4 : 3);
		pack_pair_text(ret_pairs, "job", params->job);
		if (model)
			pack_pair_string(ret_pairs, "provider", model->name);
		pack_pair_int(ret_pairs, "bytes", (int64_t)prompt.text.size);
		pack_messages(&prompt, ret_pairs);
	}
	prompt_deinit(&prompt);
	return r;
}
