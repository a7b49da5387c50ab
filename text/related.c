#include "text/related.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokens.h"

static const struct {
	const char *words, *others;
} rows[] = {
#define ALIKE(words)           {words, words},
#define RELATED(words, others) {words, others},
#include "text/related.def"
#undef ALIKE
#undef RELATED
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct related_pair {
	uint32_t from, to; /* stems: offsets in texts */
	uint32_t place; /* how many come first in the table */
};

struct related_row {
	uint32_t stem, first, size; /* in texts, in lists */
};

struct related {
	struct buffer texts; /* stems, each with its NUL */
	struct buffer lists; /* the stems that are related to one, row by row */
	struct related_row *rows; /* sorted by stem */
	size_t count;
};

struct pairs {
	struct buffer *texts;
	struct related_pair *items;
	size_t count, capacity;
};

/* The next word and what is behind it; an empty one where there is none. */
static struct bytes next_word(const char **words)
{
	size_t size = strcspn(*words, " ");
	struct bytes word = bytes_of(*words, size);

	*words += size + ((*words)[size] == ' ');
	return word;
}

static uint32_t add_stem(struct buffer *texts, struct bytes word)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;
	uint32_t at = (uint32_t)texts->size;

	token_stem(word, &stem);
	buffer_append(texts, buffer_string(&stem), stem.size + 1);
	return at;
}

static void add_pair(struct pairs *pairs, uint32_t from, uint32_t to)
{
	if (strcmp(pairs->texts->data + from, pairs->texts->data + to) == 0)
		return;
	if (pairs->count == pairs->capacity) {
		pairs->capacity = pairs->capacity * 2 + 1024;
		pairs->items = must_realloc(pairs->items, pairs->capacity * sizeof(*pairs->items));
	}
	pairs->items[pairs->count] = (struct related_pair){from, to, (uint32_t)pairs->count};
	pairs->count++;
}

static void add_row(struct pairs *pairs, const char *words, const char *others)
{
	while (*words) {
		uint32_t from = add_stem(pairs->texts, next_word(&words));
		const char *left = others;

		while (*left)
			add_pair(pairs, from, add_stem(pairs->texts, next_word(&left)));
	}
}

static int compare_pairs(const void *a, const void *b, void *texts)
{
	const struct related_pair *left = a, *right = b;
	int order = strcmp((const char *)texts + left->from, (const char *)texts + right->from);

	if (order != 0)
		return order;
	return (left->place > right->place) - (left->place < right->place);
}

static bool has_stem(const struct buffer *lists, size_t first, const char *stem)
{
	for (size_t at = first; at < lists->size; at += strlen(lists->data + at) + 1)
		if (strcmp(lists->data + at, stem) == 0)
			return true;
	return false;
}

/* Pairs of one word become its row, each stem once. */
static void collect(struct related *related, const struct pairs *pairs)
{
	const char *texts = related->texts.data;

	related->rows = must_alloc((pairs->count + 1) * sizeof(*related->rows));
	for (size_t i = 0; i < pairs->count; i++) {
		const struct related_pair *pair = &pairs->items[i];
		struct related_row *row = related->rows + related->count;
		const char *to = texts + pair->to;

		if (related->count > 0 && strcmp(texts + row[-1].stem, texts + pair->from) == 0)
			row--;
		else
			related->rows[related->count++] =
			    (struct related_row){pair->from, (uint32_t)related->lists.size, 0};
		if (!has_stem(&related->lists, row->first, to))
			buffer_append(&related->lists, to, strlen(to) + 1);
		row->size = (uint32_t)related->lists.size - row->first;
	}
}

struct related *related_new(void)
{
	struct related *related = must_zalloc(sizeof(*related));
	struct pairs pairs = {.texts = &related->texts};

	for (size_t i = 0; i < ROWS; i++)
		add_row(&pairs, rows[i].words, rows[i].others);
	qsort_r(pairs.items, pairs.count, sizeof(*pairs.items), compare_pairs, related->texts.data);
	collect(related, &pairs);
	free(pairs.items);
	return related;
}

void related_free(struct related *related)
{
	if (!related)
		return;
	buffer_deinit(&related->texts);
	buffer_deinit(&related->lists);
	free(related->rows);
	free(related);
}

struct bytes related_find(const struct related *related, const char *stem)
{
	size_t low = 0, high = related->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct related_row *row = &related->rows[middle];
		int order = strcmp(stem, related->texts.data + row->stem);

		if (order == 0)
			return bytes_of(related->lists.data + row->first, row->size);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return bytes_of("", 0);
}
