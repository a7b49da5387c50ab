/*
 * A question as a bounded list of words: tokens, with those that are joined by _ or - taken
 * apart ("order_items", "highest-rated").
 */
#pragma once

#include "text/tokens.h"

enum { WORDS_MAX = 128 };

struct word {
	enum token_kind kind;
	const char *folded, *stem; /* its own */
	struct bytes raw; /* of the whole token */
};

struct words {
	size_t count; /* WORDS_MAX: there may have been more */
	struct word items[WORDS_MAX];
};

/* The text must outlive the words. */
void words_init(struct words *words, struct bytes text);
void words_deinit(struct words *words);
