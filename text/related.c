#include "text/related.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokens.h"

static const struct {
	const char *word, *words;
} rows[] = {
#define RELATED(word, words) {word, words},
#include "text/related.def"
#undef RELATED
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct related_row {
	char *stem;
	struct buffer stems;
};

struct related {
	struct related_row rows[ROWS]; /* sorted */
};

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct related_row *)a)->stem, ((const struct related_row *)b)->stem);
}

static int compare_stem(const void *key, const void *row)
{
	return strcmp(key, ((const struct related_row *)row)->stem);
}

static void add_stem(struct related_row *row, struct bytes word)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;

	token_stem(word, &stem);
	buffer_append(&row->stems, buffer_string(&stem), stem.size + 1);
}

static void fill_row(struct related_row *row, const char *word, const char *words)
{
	struct buffer stem = BUFFER_INIT;

	token_stem(bytes_of_string(word), &stem);
	buffer_string(&stem);
	row->stem = stem.data;
	while (*words) {
		size_t size = strcspn(words, " ");

		add_stem(row, bytes_of(words, size));
		words += size + (words[size] == ' ');
	}
}

struct related *related_new(void)
{
	struct related *related = must_zalloc(sizeof(*related));

	for (size_t i = 0; i < ROWS; i++)
		fill_row(&related->rows[i], rows[i].word, rows[i].words);
	qsort(related->rows, ROWS, sizeof(related->rows[0]), compare_rows);
	return related;
}

void related_free(struct related *related)
{
	if (!related)
		return;
	for (size_t i = 0; i < ROWS; i++) {
		free(related->rows[i].stem);
		buffer_deinit(&related->rows[i].stems);
	}
	free(related);
}

struct bytes related_find(const struct related *related, const char *stem)
{
	const struct related_row *row =
	    bsearch(stem, related->rows, ROWS, sizeof(related->rows[0]), compare_stem);

	return row ? bytes_of_buffer(&row->stems) : bytes_of("", 0);
}
