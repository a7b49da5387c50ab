/*
 * Splits a text into words, numbers, quoted strings and symbols, with case-folded and stemmed
 * forms (English, Snowball). Linear in the text; one arena per tokens object. One thread: the
 * stemmer is the process's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"

enum token_kind {
	TOKEN_WORD, /* letters, with digits, _, ' and - inside: "don't", "e-mail", "q3" */
	TOKEN_NUMBER, /* digits with . and , and - between them: "1,000", "2024-05-01", "3.5" */
	TOKEN_QUOTED, /* inside '…', "…", “…”, ‘…’; raw without the quotes */
	TOKEN_SYMBOL, /* one other visible character */
};

struct token {
	enum token_kind kind;
	struct bytes raw; /* into the text */
	const char *folded; /* NFC, case-folded, NUL-terminated; possessive 's removed */
	const char *stem; /* of a word; the same as folded where there is none */
	size_t at; /* byte offset in the text; of the opening quote where quoted */
	bool space_before;
	bool capital; /* starts with an upper-case letter */
};

struct tokens {
	size_t count;
	struct token *items;
	void *arena;
};

/* Reads at most max_tokens (0: all); more are left out. The text must outlive the tokens. */
void tokens_split(struct bytes text, size_t max_tokens, struct tokens *ret_tokens);
void tokens_free(struct tokens *tokens);

/* Folds and stems one word by itself; the buffer then holds the stem and nothing else. For who
 * builds tables of stems. */
void token_stem(struct bytes word, struct buffer *ret_stem);
