/*
 * The text of prompts before anything is filled in: the configured files', or the built-in ones
 * (etc/prompts/, compiled in).
 */
#pragma once

#include "common/child.h"
#include "worker/prompt.h"

enum prompt_placeholder {
#define PROMPT_PLACEHOLDER(ID, name, fixed, help) PLACEHOLDER_##ID,
#include "common/prompts.def"
	PLACEHOLDER_COUNT
};

/* Two parts, with a line of --- between them; without one all is the user's part. */
struct prompt_template {
	struct bytes system, user;
};

struct prompt_template prompt_template_get(
    const struct child_config *config, enum prompt_kind kind);
/* The next placeholder at or behind *at: its place, *at behind it. False: none. What is in braces
 * and no placeholder is text. */
bool prompt_template_next(
    struct bytes text, size_t *at, size_t *ret_place, enum prompt_placeholder *ret_placeholder);
bool prompt_template_has(struct bytes text, enum prompt_placeholder placeholder);
