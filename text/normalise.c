#include "text/normalise.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <utf8proc.h>

#include "text/compose.h"

/*
 * A wrong collapse makes one key of two different texts, a missed one costs a hit: in doubt
 * white space stays. Quotes are read as SQL does, but an apostrophe is none.
 */
struct quote {
	const char *open;
	const char *close;
};

static const struct quote quotes[] = {
    {"'", "'"},
    {"\"", "\""},
    {"`", "`"},
    {"“", "”"},
    {"‘", "’"},
    {"„", "“"},
    {"«", "»"},
};
enum { QUOTES = sizeof(quotes) / sizeof(quotes[0]), DOLLAR_TAG_MAX = 64 };

/* Words before which ' opens a literal even without a blank; SQL allows LIKE's%'. */
static const char *const literal_words[] = {"all", "and", "any", "as", "b", "between", "by", "date",
    "e", "else", "escape", "ilike", "in", "interval", "is", "like", "n", "not", "or", "select",
    "some", "text", "then", "time", "timestamp", "to", "u", "values", "when", "x"};
static const char *const contractions[] = {"s", "t", "re", "ve", "ll", "d", "m"};

struct scan {
	const char *at, *begin, *end;
	bool unclosed[QUOTES]; /* no closing one of this kind is left: looked for once */
	bool line_comment; /* "--" was seen since the last line end */
};

bool normalise_is_space(int32_t character)
{
	if (character < 0x80)
		return character == ' ' || (character >= '\t' && character <= '\r');
	switch (utf8proc_category(character)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return true;
	default:
		return character == 0x85;
	}
}

/* The size of the white-space character at `at`, 0 if there is none. */
static size_t space_size(const char *at, const char *end)
{
	int32_t character;
	utf8proc_ssize_t size;

	if ((unsigned char)*at < 0x80)
		return normalise_is_space(*at) ? 1 : 0;
	size = utf8proc_iterate((const utf8proc_uint8_t *)at, end - at, &character);
	return size > 0 && normalise_is_space(character) ? (size_t)size : 0;
}

bool normalise_is_blank(struct bytes text)
{
	size_t at = 0;

	while (at < text.size) {
		size_t size = space_size(text.data + at, text.data + text.size);

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

static bool starts_with(const char *at, const char *end, const char *prefix)
{
	size_t size = strlen(prefix);

	return (size_t)(end - at) >= size && memcmp(at, prefix, size) == 0;
}

static bool is_word_byte(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

static bool is_listed(const char *const *words, size_t count, const char *begin, const char *end)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i]) == (size_t)(end - begin) &&
		    strncasecmp(words[i], begin, (size_t)(end - begin)) == 0)
			return true;
	return false;
}

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* don't, customer's, customers': a ' behind a word that no SQL literal could follow. */
static bool is_apostrophe(const struct scan *scan)
{
	const char *word = scan->at, *after = scan->at + 1;

	while (word > scan->begin && scan->at - word < 16 && is_word_byte(word[-1]))
		word--;
	if (word == scan->at || is_listed(literal_words, LENGTH(literal_words), word, scan->at))
		return false;
	if (after == scan->end || space_size(after, scan->end) > 0)
		return tolower((unsigned char)scan->at[-1]) == 's';
	while (after < scan->end && after - scan->at < 4 && is_word_byte(*after))
		after++;
	return is_listed(contractions, LENGTH(contractions), scan->at + 1, after) &&
	       (after == scan->end || *after != '\'');
}

/* The end of the quoted text that starts at scan->at with quotes[kind], or NULL. */
static const char *quote_end(struct scan *scan, size_t kind)
{
	const struct quote *quote = &quotes[kind];
	const char *at = scan->at + strlen(quote->open);
	size_t close_size = strlen(quote->close);

	if (scan->unclosed[kind])
		return NULL;
	for (; at < scan->end; at++)
		if (*at == quote->close[0] && starts_with(at, scan->end, quote->close))
			return at + close_size;
	scan->unclosed[kind] = true;
	return NULL;
}

/* $tag$ … $tag$; a tag that is not closed may be looked for again, at most to its own length. */
static const char *dollar_end(const struct scan *scan)
{
	const char *tag_end = scan->at + 1;
	size_t tag_size;

	while (tag_end < scan->end && tag_end - scan->at < DOLLAR_TAG_MAX && is_word_byte(*tag_end))
		tag_end++;
	if (tag_end == scan->end || *tag_end != '$' || isdigit((unsigned char)scan->at[1]))
		return NULL;
	tag_size = (size_t)(++tag_end - scan->at);
	const char *close = memmem(tag_end, (size_t)(scan->end - tag_end), scan->at, tag_size);
	return close ? close + tag_size : scan->end;
}

static const char *find_quoted(struct scan *scan)
{
	if (*scan->at == '$')
		return dollar_end(scan);
	for (size_t i = 0; i < QUOTES; i++) {
		if (!starts_with(scan->at, scan->end, quotes[i].open))
			continue;
		if (*scan->at == '\'' && is_apostrophe(scan))
			return NULL;
		return quote_end(scan, i);
	}
	return NULL;
}

/* One run of white space becomes a blank; a line end where it has a meaning; nothing at the ends.
 */
static void put_space(struct scan *scan, size_t start, struct buffer *buffer)
{
	bool has_line_end = false, keep;
	size_t size;

	for (; scan->at < scan->end && (size = space_size(scan->at, scan->end)) > 0;
	     scan->at += size)
		has_line_end = has_line_end || *scan->at == '\n' || *scan->at == '\r';
	if (scan->at == scan->end || buffer->size == start)
		return;
	/* 'a' LF 'b' is one literal in SQL, 'a' 'b' is none. */
	keep = scan->line_comment || (*scan->at == '\'' && buffer->data[buffer->size - 1] == '\'');
	buffer_append(buffer, has_line_end && keep ? "\n" : " ", 1);
	if (has_line_end)
		scan->line_comment = false;
}

/* Bytes that can begin white space, a quote or a comment; all others are copied as they come. */
static const bool is_special[256] = {
    ['\t' ... '\r'] = true,
    [' '] = true,
    ['"'] = true,
    ['$'] = true,
    ['\''] = true,
    ['-'] = true,
    ['`'] = true,
    [0xc2] = true, /* no-break blank, next line, « */
    [0xe1 ... 0xe3] = true, /* blanks of other widths, “ ‘ „ */
};

static void copy_plain(struct scan *scan, struct buffer *buffer)
{
	const char *start = scan->at;

	while (scan->at < scan->end && !is_special[(unsigned char)*scan->at])
		scan->at++;
	buffer_append(buffer, start, (size_t)(scan->at - start));
}

/* One character that may mean something, or a whole quoted text. */
static void copy_special(struct scan *scan, struct buffer *buffer)
{
	const char *start = scan->at, *quoted_end;

	if (starts_with(start, scan->end, "--"))
		scan->line_comment = true;
	quoted_end = find_quoted(scan);
	scan->at = quoted_end ? quoted_end : start + 1;
	buffer_append(buffer, start, (size_t)(scan->at - start));
}

static void collapse(struct bytes text, struct buffer *buffer)
{
	struct scan scan = {.at = text.data, .begin = text.data, .end = text.data + text.size};
	size_t start = buffer->size;

	buffer_reserve(buffer, text.size);
	for (;;) {
		copy_plain(&scan, buffer);
		if (scan.at == scan.end)
			return;
		if (space_size(scan.at, scan.end) > 0)
			put_space(&scan, start, buffer);
		else
			copy_special(&scan, buffer);
	}
}

int normalise(struct bytes text, struct buffer *buffer)
{
	CLEAN(buffer) struct buffer composed = BUFFER_INIT;
	int r;

	if (!compose_is_ascii(text)) {
		if (!bytes_are_utf8(text))
			return -EILSEQ;
		r = compose(text, false, &composed);
		if (r < 0)
			return r;
		text = bytes_of_buffer(&composed);
	}
	collapse(text, buffer);
	return 0;
}
