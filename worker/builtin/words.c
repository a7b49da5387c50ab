#include "worker/builtin/words.h"

#include <stdlib.h>

static void add_word(
    struct words *words, const struct token *token, const char *folded, size_t size)
{
	struct word *word;
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;
	char *copy;

	if (words->count == WORDS_MAX)
		return;
	copy = must_alloc(size + 1);
	memcpy(copy, folded, size);
	copy[size] = '\0';
	word = &words->items[words->count++];
	*word = (struct word){token->kind, copy, NULL, token->raw};
	if (token->kind == TOKEN_WORD)
		token_stem(bytes_of(copy, size), &stem);
	word->stem = must_strdup(token->kind == TOKEN_WORD ? buffer_string(&stem) : copy);
}

/* One letter never stands alone: "e-mail" stays whole. */
static void add_token(struct words *words, const struct token *token)
{
	const char *from = token->folded;

	while (token->kind == TOKEN_WORD) {
		size_t size = strcspn(from, "_-");

		if (!from[size] || size < 2)
			break;
		add_word(words, token, from, size);
		from += size + 1;
	}
	if (*from || token->kind == TOKEN_QUOTED)
		add_word(words, token, from, strlen(from));
}

void words_init(struct words *words, struct bytes text)
{
	struct tokens tokens;

	words->count = 0;
	tokens_split(text, WORDS_MAX, &tokens);
	for (size_t i = 0; i < tokens.count; i++)
		add_token(words, &tokens.items[i]);
	tokens_free(&tokens);
}

void words_deinit(struct words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		free((void *)(uintptr_t)words->items[i].folded);
		free((void *)(uintptr_t)words->items[i].stem);
	}
	words->count = 0;
}
