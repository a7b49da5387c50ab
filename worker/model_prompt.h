/*
 * One job as a request to a model server: the model for it, its messages (system, the turns
 * before, the question), the body, and the key of its completion in the cache. No connection.
 */
#pragma once

#include "common/error.h"
#include "worker/model_wire.h"
#include "worker/provider.h"

struct model_prompt {
	struct buffer body;
	struct buffer key; /* exact prompt, model and parameters */
	int64_t tokens; /* of all messages, rather too many */
	const char *model; /* that is asked for; the configuration's */
};

/* 0; ERROR_TOO_LARGE where the prompt is over max_prompt. context_tokens, the largest so far
 * for this server, grows where more is needed: another value makes it load the model again. */
int model_prompt_init(struct model_prompt *prompt, const struct child_provider *settings,
    const struct model_wire *wire, const struct provider_call *call, int64_t *context_tokens,
    struct error *ret_error);
void model_prompt_deinit(struct model_prompt *prompt);
