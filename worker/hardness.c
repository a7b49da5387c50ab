#include "worker/hardness.h"

#include "text/tokens.h"

enum {
	WORDS_LOOKED_AT = 256,
	TABLES_MAX = 16, /* more are hard in any case */
	/* Any one of these alone is hard; one less of each of two is, too. */
	HARD_TABLES = 3,
	HARD_AGGREGATES = 3,
	HARD_WORDS = 40,
};

static bool is_aggregate(const char *folded)
{
	static const char *const words[] = {"average", "avg", "mean", "median", "total", "sum",
	    "count", "most", "least", "highest", "lowest", "top", "per", "each", "every", "ratio",
	    "percentage", "percent", "share", "growth", "rank", "ranking", "cumulative", "running",
	    "compare", "compared", "versus", "trend"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(folded, words[i]) == 0)
			return true;
	return false;
}

/* Notes the table that the word names, if it is a whole name and not noted yet. */
static unsigned note_table(const struct vocabulary *vocabulary, const char *stem,
    uint32_t tables[static TABLES_MAX], unsigned count)
{
	size_t entries;
	const struct vocabulary_entry *entry = vocabulary_find(vocabulary, stem, &entries);

	for (; entries > 0; entry++, entries--) {
		unsigned known = 0;

		if (entry->kind != VOCABULARY_TABLE || entry->words != 1)
			continue;
		while (known < count && tables[known] != entry->table)
			known++;
		if (known == count && count < TABLES_MAX)
			tables[count++] = entry->table;
		break;
	}
	return count;
}

struct hardness hardness_measure(struct bytes question, const struct vocabulary *vocabulary)
{
	struct hardness hardness = {0};
	uint32_t tables[TABLES_MAX];
	struct tokens tokens;

	tokens_split(question, WORDS_LOOKED_AT, &tokens);
	for (size_t i = 0; i < tokens.count; i++) {
		const struct token *token = &tokens.items[i];

		if (token->kind != TOKEN_WORD)
			continue;
		hardness.words++;
		hardness.aggregates += is_aggregate(token->folded);
		if (vocabulary)
			hardness.tables =
			    note_table(vocabulary, token->stem, tables, hardness.tables);
	}
	tokens_free(&tokens);
	return hardness;
}

bool hardness_is_hard(const struct hardness *hardness)
{
	unsigned nearly = (unsigned)(hardness->tables >= HARD_TABLES - 1) +
	                  (unsigned)(hardness->aggregates >= HARD_AGGREGATES - 1) +
	                  (unsigned)(hardness->words >= HARD_WORDS / 2);

	return hardness->failures > 0 || hardness->tables >= HARD_TABLES ||
	       hardness->aggregates >= HARD_AGGREGATES || hardness->words >= HARD_WORDS ||
	       nearly >= 2;
}
