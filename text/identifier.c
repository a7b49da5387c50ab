#include "text/identifier.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

struct abbreviation {
	const char *brief;
	const char *expanded;
};

static const struct abbreviation abbreviations[] = {
#define ABBREVIATION(brief, expanded) {brief, expanded},
#include "text/abbreviations.def"
#undef ABBREVIATION
};

enum {
	ABBREVIATIONS = sizeof(abbreviations) / sizeof(abbreviations[0]),
	ABBREVIATION_BYTES_MAX = 12
};

enum shape { SHAPE_NONE, SHAPE_LOWER, SHAPE_UPPER, SHAPE_DIGIT };

/* What the character at `at` is to a split, and its size. */
static enum shape shape_at(struct bytes text, size_t at, size_t *ret_size)
{
	unsigned char byte = (unsigned char)text.data[at];
	int32_t character;
	utf8proc_ssize_t size;
	utf8proc_category_t category;

	*ret_size = 1;
	if (byte < 0x80) {
		if (byte >= '0' && byte <= '9')
			return SHAPE_DIGIT;
		if (byte >= 'a' && byte <= 'z')
			return SHAPE_LOWER;
		return byte >= 'A' && byte <= 'Z' ? SHAPE_UPPER : SHAPE_NONE;
	}
	size = utf8proc_iterate((const utf8proc_uint8_t *)text.data + at,
	    (utf8proc_ssize_t)(text.size - at), &character);
	if (size <= 0)
		return SHAPE_NONE;
	*ret_size = (size_t)size;
	category = utf8proc_category(character);
	if (category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT)
		return SHAPE_UPPER;
	if (category >= UTF8PROC_CATEGORY_LL && category <= UTF8PROC_CATEGORY_ME)
		return SHAPE_LOWER;
	return category == UTF8PROC_CATEGORY_ND ? SHAPE_DIGIT : SHAPE_NONE;
}

static enum shape shape_behind(struct bytes text, size_t at, size_t *ret_size)
{
	*ret_size = 0;
	return at < text.size ? shape_at(text, at, ret_size) : SHAPE_NONE;
}

/* At the last capital of a run: does it begin the next word (HTTPServer), or is the run an
 * abbreviation in the plural (customerIDs)? */
static bool capital_starts_word(struct bytes text, size_t behind)
{
	size_t size, next_size;

	if (shape_behind(text, behind, &size) != SHAPE_LOWER)
		return false;
	return text.data[behind] != 's' ||
	       shape_behind(text, behind + size, &next_size) == SHAPE_LOWER;
}

/* Whether a word ends between two characters of these shapes. */
static bool is_boundary(struct bytes text, enum shape last, enum shape shape, size_t behind)
{
	if (last == SHAPE_NONE)
		return false;
	if (last == SHAPE_DIGIT || shape == SHAPE_DIGIT)
		return last != shape;
	if (last == SHAPE_LOWER)
		return shape == SHAPE_UPPER;
	return shape == SHAPE_UPPER && capital_starts_word(text, behind);
}

size_t identifier_split(struct bytes identifier, struct bytes ret_words[IDENTIFIER_WORDS_MAX])
{
	enum shape last = SHAPE_NONE;
	size_t count = 0, start = 0, size;

	for (size_t at = 0; at < identifier.size; at += size) {
		enum shape shape = shape_at(identifier, at, &size);
		bool ends = last != SHAPE_NONE && shape == SHAPE_NONE;

		if (ends || is_boundary(identifier, last, shape, at + size)) {
			ret_words[count++] = bytes_of(identifier.data + start, at - start);
			if (count == IDENTIFIER_WORDS_MAX)
				return count;
			last = SHAPE_NONE;
		}
		if (last == SHAPE_NONE)
			start = at;
		last = shape;
	}
	if (last != SHAPE_NONE)
		ret_words[count++] = bytes_of(identifier.data + start, identifier.size - start);
	return count;
}

static int compare_brief(const void *key, const void *row)
{
	return strcasecmp(key, ((const struct abbreviation *)row)->brief);
}

/* The table is in strcasecmp order; tests/unit/test_identifier.c holds it. */
const char *identifier_expand(struct bytes word)
{
	char key[ABBREVIATION_BYTES_MAX + 1];
	const struct abbreviation *found;

	if (word.size == 0 || word.size > ABBREVIATION_BYTES_MAX)
		return NULL;
	memcpy(key, word.data, word.size);
	key[word.size] = '\0';
	found = bsearch(key, abbreviations, ABBREVIATIONS, sizeof(abbreviations[0]), compare_brief);
	return found ? found->expanded : NULL;
}
