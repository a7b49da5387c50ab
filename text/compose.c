#include "text/compose.h"

#include <errno.h>
#include <stdlib.h>
#include <utf8proc.h>

/* Longest canonical decomposition of one character, with case folding before it. */
enum { DECOMPOSED_MAX = 12, SHORT_RUN = 24, CLASSES = 256 };

bool compose_is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

static unsigned combining_class(int32_t character)
{
	return (unsigned)utf8proc_get_property(character)->combining_class;
}

/* Stable, and fast for the few marks that real text has. */
static void order_short_run(int32_t *run, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		int32_t moved = run[i];
		unsigned class = combining_class(moved);
		size_t k = i;

		for (; k > 0 && combining_class(run[k - 1]) > class; k--)
			run[k] = run[k - 1];
		run[k] = moved;
	}
}

/* Stable too: counts the marks of each class and lays them out in that order. */
static void order_long_run(int32_t *run, size_t count)
{
	size_t starts[CLASSES + 1] = {0};
	int32_t *ordered = must_alloc(count * sizeof(*ordered));

	for (size_t i = 0; i < count; i++)
		starts[(combining_class(run[i]) & (CLASSES - 1)) + 1]++;
	for (size_t i = 1; i <= CLASSES; i++)
		starts[i] += starts[i - 1];
	for (size_t i = 0; i < count; i++)
		ordered[starts[combining_class(run[i]) & (CLASSES - 1)]++] = run[i];
	memcpy(run, ordered, count * sizeof(*run));
	free(ordered);
}

static void order_marks(int32_t *characters, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t end = i;

		while (end < count && combining_class(characters[end]) != 0)
			end++;
		if (end - i > SHORT_RUN)
			order_long_run(characters + i, end - i);
		else if (end - i > 1)
			order_short_run(characters + i, end - i);
		i = end + 1;
	}
}

/* Decomposes into a buffer of code points, which order_marks needs whole. */
static int decompose(struct bytes text, utf8proc_option_t options, struct buffer *points)
{
	const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text.data;
	size_t left = text.size;
	int boundary = 0;

	while (left > 0) {
		int32_t character;
		utf8proc_ssize_t size = utf8proc_iterate(at, (utf8proc_ssize_t)left, &character);
		int32_t *room;
		utf8proc_ssize_t made;

		if (size <= 0)
			return -EILSEQ;
		room = (int32_t *)(void *)buffer_reserve(points, DECOMPOSED_MAX * sizeof(*room));
		made = utf8proc_decompose_char(character, room, DECOMPOSED_MAX, options, &boundary);
		if (made < 0 || made > DECOMPOSED_MAX)
			return -EILSEQ;
		points->size += (size_t)made * sizeof(*room);
		at += size;
		left -= (size_t)size;
	}
	return 0;
}

int compose(struct bytes text, bool fold_case, struct buffer *buffer)
{
	utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
	CLEAN(buffer) struct buffer points = BUFFER_INIT;
	int32_t *characters;
	utf8proc_ssize_t size;
	size_t count;
	int r;

	if (text.size == 0)
		return 0;
	if (fold_case)
		options |= UTF8PROC_CASEFOLD;
	r = decompose(text, options, &points);
	if (r < 0)
		return r;
	count = points.size / sizeof(*characters);
	/* utf8proc_reencode writes in place and adds a NUL. */
	buffer_reserve(&points, sizeof(*characters));
	characters = (int32_t *)(void *)points.data;
	order_marks(characters, count);
	size = utf8proc_reencode(characters, (utf8proc_ssize_t)count, options);
	if (size < 0)
		return -EILSEQ;
	buffer_append(buffer, points.data, (size_t)size);
	return 0;
}
