#include "worker/sql_tokens.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool starts(struct bytes sql, size_t at, const char *two)
{
	return sql.size - at >= 2 && sql.data[at] == two[0] && sql.data[at + 1] == two[1];
}

static bool is_word_byte(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

static bool is_digit(char byte)
{
	return isdigit((unsigned char)byte);
}

static bool is_operator_byte(char byte)
{
	return byte && strchr("~!@#^&|`?+-*/%<>=:", byte);
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

size_t sql_skip_blank(struct bytes sql, size_t at)
{
	while (at < sql.size) {
		if (isspace((unsigned char)sql.data[at])) {
			at++;
		} else if (starts(sql, at, "--")) {
			while (at < sql.size && sql.data[at] != '\n' && sql.data[at] != '\r')
				at++;
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
	if (end == sql.size || sql.data[end] != '$' || is_digit(sql.data[at + 1]))
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

/* With a word that follows at once, which the grammar refuses. */
static size_t skip_number(struct bytes sql, size_t at)
{
	while (at < sql.size && (is_word_byte(sql.data[at]) || sql.data[at] == '.'))
		at++;
	return at;
}

/* A comment ends it. */
static size_t skip_operator(struct bytes sql, size_t at)
{
	do
		at++;
	while (at < sql.size && is_operator_byte(sql.data[at]) && !starts(sql, at, "--") &&
	       !starts(sql, at, "/*"));
	return at;
}

size_t sql_skip_token(struct bytes sql, size_t at)
{
	char byte = sql.data[at];

	if (byte == '\'' || byte == '"')
		return skip_quoted(sql, at, false);
	if (byte == '$')
		return skip_dollar(sql, at);
	if (is_digit(byte) || (byte == '.' && at + 1 < sql.size && is_digit(sql.data[at + 1])))
		return skip_number(sql, at);
	if (is_word_byte(byte))
		return skip_word(sql, at);
	return is_operator_byte(byte) ? skip_operator(sql, at) : at + 1;
}
