/*
 * Questions that only make sense behind another: "and in 2024?", "what about France?". What they
 * name takes the place of what the question before named of its kind, or narrows that question
 * where it named none. All else is left as it is.
 */
#pragma once

#include "common/bytes.h"
#include "text/vocabulary.h"

/* Appends the question as it would be asked alone. history: encoded turns, or absent. */
void follow_up_resolve(struct bytes question, struct bytes history,
    const struct vocabulary *vocabulary, struct buffer *ret_question);
