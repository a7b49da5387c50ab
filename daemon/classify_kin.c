#include "daemon/classify_kin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "text/tokens.h"

enum {
	WORDS_MAX = 10, /* of a row */
	SLOTS = 4096, /* a power of two, above twice the words of all rows */
	SLOTS_USED_MAX = SLOTS / 2,
};

static const char *const rows[] = {
#define KIN(words) words,
#include "daemon/classify_kin.def"
#undef KIN
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const char *stems[ROWS][WORDS_MAX];
static unsigned char stem_counts[ROWS];

/* A word of a row: open addressing by the stem; rows with one stem stand in a row of slots. */
struct slot {
	const char *stem; /* NULL: empty */
	uint16_t row;
};

static struct slot slots[SLOTS];

static size_t first_slot(const char *stem)
{
	return (size_t)XXH3_64bits(stem, strlen(stem)) & (SLOTS - 1);
}

static void add_word(uint16_t row, struct bytes word, struct buffer *stem, size_t *used)
{
	size_t at;

	if (stem_counts[row] == WORDS_MAX || ++*used > SLOTS_USED_MAX)
		abort();
	token_stem(word, stem);
	stems[row][stem_counts[row]] = must_strdup(buffer_string(stem));
	at = first_slot(buffer_string(stem));
	while (slots[at].stem)
		at = (at + 1) & (SLOTS - 1);
	slots[at] = (struct slot){stems[row][stem_counts[row]++], row};
}

static void make_slots(void)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;
	size_t used = 0;

	for (uint16_t row = 0; row < ROWS; row++) {
		const char *words = rows[row];

		while (*words) {
			size_t size = strcspn(words, " ");

			add_word(row, bytes_of(words, size), &stem, &used);
			words += size + (words[size] == ' ');
		}
	}
}

static const struct vocabulary_entry *stronger(
    const struct vocabulary *vocabulary, const char *stem, const struct vocabulary_entry *best)
{
	size_t count;
	const struct vocabulary_entry *found = vocabulary_find(vocabulary, stem, &count);

	if (count == 0 || found->kind > VOCABULARY_COLUMN)
		return best;
	return !best || found->weight > best->weight ? found : best;
}

const struct vocabulary_entry *kin_find(const struct vocabulary *vocabulary, const char *stem)
{
	const struct vocabulary_entry *best = NULL;
	static bool is_made;

	if (!is_made)
		make_slots();
	is_made = true;
	for (size_t at = first_slot(stem); slots[at].stem; at = (at + 1) & (SLOTS - 1)) {
		const struct slot *slot = &slots[at];

		if (strcmp(slot->stem, stem) != 0)
			continue;
		for (size_t i = 0; i < stem_counts[slot->row]; i++)
			best = stronger(vocabulary, stems[slot->row][i], best);
	}
	return best;
}
