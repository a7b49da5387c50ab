/*
 * Completions that were of the shape asked for, kept under the exact prompt, model and parameters
 * (entries of type llm, in the shared segment). What is read is checked like a new one.
 */
#pragma once

#include "worker/provider.h"

/* True: the call's answer, age and cache_key are filled. */
bool completion_cache_answer(
    const struct provider *provider, struct provider_call *call, struct bytes key);
/* To be read before the server is asked: after a flush, what was asked for before is not kept. */
uint32_t completion_cache_generation(
    const struct provider *provider, const struct provider_call *call);
/* Fills the call's cache_key where it is kept. */
void completion_cache_keep(const struct provider *provider, struct provider_call *call,
    uint32_t generation, struct bytes key, struct bytes completion, int64_t took_us);
