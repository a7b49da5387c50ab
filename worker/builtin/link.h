/*
 * Cuts a question into items, each the longest run of words that means something: a cue of the
 * grammar, a table, a column, a value of the schema, a number, a date, a quoted text. An item
 * may mean several of these; who reads it takes what fits its place.
 */
#pragma once

#include "text/vocabulary.h"
#include "worker/builtin/dates.h"
#include "worker/builtin/grammar.h"
#include "worker/builtin/words.h"

enum { LINK_REFS_MAX = 24 };

/* How sure it is that words mean a column; stronger ones hide weaker ones. */
enum link_strength { LINK_COMMENT = 1, LINK_PART, LINK_NAME };

struct link_column {
	size_t table, column;
	enum link_strength strength;
};
struct link_value {
	size_t table, column;
	const char *text; /* as stored; the snapshot's */
	bool is_label;
};

struct item {
	size_t first, count; /* its words */
	const struct cue_row *cue; /* NULL: none */
	bool is_table, is_column, is_value, is_date, is_number, is_quoted;
	size_t compound; /* how many of its words name the column's table; 0: none do */
	struct date_range date;
	char number[40]; /* as SQL writes it */
};

struct link {
	const struct vocabulary *vocabulary;
	const struct snapshot *snapshot;
	struct words words;
	struct item items[WORDS_MAX];
	size_t item_count;
};

/* 0, or 1 where there are too many words. The text must outlive the link. */
int link_init(struct link *link, const struct vocabulary *vocabulary, struct bytes text);
void link_deinit(struct link *link);

/* All that the words from `first` may mean; each returns how many, at most LINK_REFS_MAX. */
size_t link_tables(
    const struct link *link, const struct item *item, size_t ret_tables[LINK_REFS_MAX]);
size_t link_columns(const struct link *link, const struct item *item,
    struct link_column ret_columns[LINK_REFS_MAX]);
size_t link_values(
    const struct link *link, const struct item *item, struct link_value ret_values[LINK_REFS_MAX]);

/* The item's words as they stand in the question, for messages. */
struct bytes link_raw(const struct link *link, const struct item *item);
/* Whether the word, as it is in a name or comment, says the same as the folded one. */
bool link_name_has_word(const char *name, const char *folded);
