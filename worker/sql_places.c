#include "worker/sql_places.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool starts(struct bytes sql, size_t at, const char *two)
{
	return sql.size - at >= 2 && sql.data[at] == two[0] && sql.data[at + 1] == two[1];
}

static bool is_word_byte(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

/* Comments of this kind nest. */
static size_t skip_comment(struct bytes sql, size_t at)
{
	unsigned level = 0;

	while (at < sql.size) {
		if (starts(sql, at, "/*")) {
			level++;
			at += 2;
		} else if (starts(sql, at, "*/")) {
			at += 2;
			if (--level == 0)
				return at;
		} else {
			at++;
		}
	}
	return at;
}

static size_t skip_blank(struct bytes sql, size_t at)
{
	while (at < sql.size) {
		const char *end;

		if (isspace((unsigned char)sql.data[at])) {
			at++;
		} else if (starts(sql, at, "--")) {
			end = memchr(sql.data + at, '\n', sql.size - at);
			at = end ? (size_t)(end - sql.data) : sql.size;
		} else if (starts(sql, at, "/*")) {
			at = skip_comment(sql, at);
		} else {
			break;
		}
	}
	return at;
}

/* Behind the closing quote; a doubled one is read as two strings side by side. */
static size_t skip_quoted(struct bytes sql, size_t at, bool escapes)
{
	char quote = sql.data[at++];

	for (; at < sql.size && sql.data[at] != quote; at++)
		if (escapes && sql.data[at] == '\\' && at + 1 < sql.size)
			at++;
	return at < sql.size ? at + 1 : at;
}

/* $tag$ … $tag$; a lone $ is one byte. */
static size_t skip_dollar(struct bytes sql, size_t at)
{
	size_t end = at + 1;
	const char *close;

	while (end < sql.size && is_word_byte(sql.data[end]))
		end++;
	if (end == sql.size || sql.data[end] != '$' || isdigit((unsigned char)sql.data[at + 1]))
		return at + 1;
	end++;
	close = memmem(sql.data + end, sql.size - end, sql.data + at, end - at);
	return close ? (size_t)(close - sql.data) + end - at : sql.size;
}

static size_t skip_word(struct bytes sql, size_t at)
{
	size_t start = at;

	while (at < sql.size && (is_word_byte(sql.data[at]) || sql.data[at] == '$'))
		at++;
	if (at - start == 1 && at < sql.size && sql.data[at] == '\'')
		return skip_quoted(sql, at, (sql.data[start] | 32) == 'e');
	return at;
}

static size_t skip_token(struct bytes sql, size_t at)
{
	switch (sql.data[at]) {
	case '\'':
	case '"':
		return skip_quoted(sql, at, false);
	case '$':
		return skip_dollar(sql, at);
	default:
		return is_word_byte(sql.data[at]) ? skip_word(sql, at) : at + 1;
	}
}

size_t sql_places_start(struct bytes sql, size_t at)
{
	at = skip_blank(sql, at);
	while (at < sql.size && sql.data[at] == ';')
		at = skip_blank(sql, at + 1);
	return at;
}

static bool is_word(struct bytes sql, size_t at, const char *word)
{
	size_t size = strlen(word);

	return at < sql.size && skip_token(sql, at) == at + size &&
	       strncasecmp(sql.data + at, word, size) == 0;
}

long sql_places_locking(struct bytes sql, long at)
{
	static const char *const strengths[] = {"update", "share", "no", "key"};

	for (size_t place = skip_blank(sql, (size_t)at); place < sql.size;
	     place = skip_blank(sql, skip_token(sql, place))) {
		if (!is_word(sql, place, "for"))
			continue;
		for (size_t i = 0; i < sizeof(strengths) / sizeof(strengths[0]); i++)
			if (is_word(sql, skip_blank(sql, place + 3), strengths[i]))
				return (long)place;
	}
	return at;
}

long sql_places_too_deep(struct bytes sql, unsigned levels)
{
	unsigned open = 0;

	for (size_t at = skip_blank(sql, 0); at < sql.size;
	     at = skip_blank(sql, skip_token(sql, at))) {
		if (sql.data[at] == '(' || sql.data[at] == '[') {
			if (open++ == levels)
				return (long)at;
		} else if ((sql.data[at] == ')' || sql.data[at] == ']') && open > 0) {
			open--;
		}
	}
	return -1;
}
