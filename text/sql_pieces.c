#include "text/sql_pieces.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 24 };

static const struct sql_word sql_words[] = {
#define SQL_WORD(word, roles) {word, roles},
#include "text/sql_shape_words.def"
#undef SQL_WORD
};

static int compare_word(const void *key, const void *row)
{
	return strcmp(key, ((const struct sql_word *)row)->word);
}

static const struct sql_word *find_word(struct bytes raw)
{
	char key[WORD_MAX];

	if (raw.size >= sizeof(key))
		return NULL;
	for (size_t i = 0; i < raw.size; i++)
		key[i] = (char)tolower((unsigned char)raw.data[i]);
	key[raw.size] = '\0';
	return bsearch(key, sql_words, sizeof(sql_words) / sizeof(sql_words[0]),
	    sizeof(sql_words[0]), compare_word);
}

static bool is_name_byte(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

/* Behind white space and comments; an open comment takes the rest. */
static size_t skip_blank(struct bytes text, size_t at)
{
	while (at < text.size) {
		const char *here = text.data + at, *end = NULL;
		size_t left = text.size - at;

		if (isspace((unsigned char)*here)) {
			at++;
			continue;
		}
		if (left >= 2 && memcmp(here, "--", 2) == 0)
			end = memchr(here, '\n', left);
		else if (left >= 2 && memcmp(here, "/*", 2) == 0)
			end = (end = memmem(here + 2, left - 2, "*/", 2)) ? end + 2 : NULL;
		else
			return at;
		at = end ? (size_t)(end - text.data) : text.size;
	}
	return at;
}

/* The end of what a quote opens, behind the closing one; 0 where it is not closed. */
static size_t quoted_end(struct bytes text, size_t at, char close)
{
	const char *found = memchr(text.data + at + 1, close, text.size - at - 1);

	return found ? (size_t)(found - text.data) + 1 : 0;
}

/* A kind of quote that is not closed once is closed nowhere behind that. */
struct unclosed {
	char kinds[4];
};

static bool take_quoted(
    struct bytes text, size_t *at, struct sql_piece *piece, struct unclosed *unclosed)
{
	char open = text.data[*at];
	size_t end;

	if ((open != '\'' && open != '"' && open != '`') || strchr(unclosed->kinds, open))
		return false;
	/* customer's: an apostrophe. It stays a symbol, which is no sign of SQL. */
	if (open == '\'' && *at > 0 && isalnum((unsigned char)text.data[*at - 1]) &&
	    !piece->space_before)
		return false;
	end = quoted_end(text, *at, open);
	if (end == 0) {
		unclosed->kinds[strlen(unclosed->kinds)] = open;
		return false;
	}
	piece->kind = open == '\'' ? KIND_STRING : KIND_NAME;
	piece->raw = bytes_of(text.data + *at + 1, end - *at - 2);
	*at = end;
	return true;
}

static void take_plain(struct bytes text, size_t *at, struct sql_piece *piece)
{
	size_t end = *at + 1;
	char first = text.data[*at];

	if (isdigit((unsigned char)first)) {
		piece->kind = KIND_NUMBER;
		while (end < text.size && (is_name_byte(text.data[end]) || text.data[end] == '.'))
			end++;
	} else if (is_name_byte(first)) {
		piece->kind = KIND_WORD;
		piece->upper = true;
		while (end < text.size && is_name_byte(text.data[end]))
			end++;
		for (size_t i = *at; i < end; i++)
			if (islower((unsigned char)text.data[i]))
				piece->upper = false;
	} else {
		piece->kind = KIND_SYMBOL;
	}
	piece->raw = bytes_of(text.data + *at, end - *at);
	if (piece->kind == KIND_WORD)
		piece->known = find_word(piece->raw);
	*at = end;
}

void sql_pieces_read(struct bytes text, struct sql_pieces *ret_pieces)
{
	struct unclosed unclosed = {{0}};
	size_t at = 0;

	ret_pieces->count = 0;
	while (ret_pieces->count < SQL_PIECES_MAX) {
		size_t start = skip_blank(text, at);
		struct sql_piece piece = {.space_before = start > at || at == 0};

		at = start;
		if (at >= text.size)
			break;
		if (!take_quoted(text, &at, &piece, &unclosed))
			take_plain(text, &at, &piece);
		ret_pieces->items[ret_pieces->count++] = piece;
	}
	ret_pieces->items[ret_pieces->count] = (struct sql_piece){.kind = KIND_END};
}
