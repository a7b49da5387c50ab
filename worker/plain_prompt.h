/*
 * The words in which a job is given to a model: a fixed part, which servers keep in their prefix
 * cache, then the schema, then the question as data. Pure.
 */
#pragma once

#include "text/vocabulary.h"
#include "worker/provider.h"

/* Appends both. The system part of one schema is the same bytes for every question. */
void plain_prompt_build(const struct provider_call *call, size_t schema_limit,
    struct buffer *ret_system, struct buffer *ret_user);
