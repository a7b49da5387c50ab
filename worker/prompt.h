/*
 * What a model is sent: a template filled with the part of the schema that the question is about,
 * verified examples, the conversation and the question, within a size. Pure. A template's first
 * part is byte-identical from question to question, so that servers reuse their prefix cache.
 * All that is not ours stands between tags that it can't close: it is data, not orders.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/error.h"
#include "worker/prompt_schema.h"

enum prompt_kind {
#define PROMPT(ID, name, needed, help) PROMPT_##ID,
#include "common/prompts.def"
	PROMPT_COUNT
};

enum {
	PROMPT_SCHEMA_BYTES = 16 * 1024, /* about 4,000 tokens */
	PROMPT_HISTORY_BYTES = 8 * 1024,
	PROMPT_HISTORY_TURNS = 20,
	PROMPT_EXAMPLES_BYTES = 4 * 1024,
	PROMPT_MESSAGES_MAX = PROMPT_HISTORY_TURNS + 2,
};

struct prompt_request {
	enum prompt_kind kind;
	struct bytes question;
	struct bytes history; /* as in generate; data NULL: none */
	struct bytes examples; /* as in generate: question, SQL, question, SQL …, best first */
	struct bytes sql, error; /* PROMPT_REPAIR: what was refused, and why */
	const struct prompt_schema *schema; /* NULL: none */
	size_t max_bytes; /* of all messages together */
};

struct prompt_message {
	const char *role; /* system, user or assistant */
	struct bytes content;
};

/* Zero-initialise; may be used again. */
struct prompt {
	struct buffer text; /* all that the views point into */
	size_t count;
	struct prompt_message messages[PROMPT_MESSAGES_MAX];
};

/* Templates are the configuration's (child_config.prompts), or the built-in ones where it has
 * none; config NULL: the built-in ones.
 * 0, or ERROR_TOO_LARGE where not even the question fits. */
int prompt_compose(const struct child_config *config, const struct prompt_request *request,
    struct prompt *ret_prompt, struct error *ret_error);
void prompt_deinit(struct prompt *prompt);

/* "sql", "route", … */
const char *prompt_name(enum prompt_kind kind);
