#include "worker/builtin/link.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/identifier.h"

enum { ENTRIES_MAX = 512, NUMBER_DIGITS_MAX = 30 };

static const struct vocabulary_entry *entries_of(
    const struct link *link, size_t at, size_t *ret_count)
{
	const struct vocabulary_entry *entries;

	*ret_count = 0;
	if (at >= link->words.count || link->words.items[at].kind != TOKEN_WORD)
		return NULL;
	entries = vocabulary_find(link->vocabulary, link->words.items[at].stem, ret_count);
	if (*ret_count > ENTRIES_MAX)
		*ret_count = ENTRIES_MAX;
	return entries;
}

/* Whether the word at `at` is also word number `word` of the name that `like` belongs to. */
static bool names_word(
    const struct link *link, size_t at, const struct vocabulary_entry *like, unsigned word)
{
	size_t count;
	const struct vocabulary_entry *entries = entries_of(link, at, &count);

	for (size_t i = 0; i < count; i++)
		if (entries[i].kind == like->kind && entries[i].table == like->table &&
		    entries[i].column == like->column && entries[i].word == word)
			return true;
	return false;
}

/* From the entry's own word on: how many words of the question go on with the name, and up to
 * which word of the name. An abbreviation may stand for two words ("fname"). */
static size_t follow_name(const struct link *link, size_t at, const struct vocabulary_entry *entry,
    unsigned *ret_name_words)
{
	size_t matched = 1;
	unsigned word = entry->word;

	for (;;) {
		if (word + 1u < entry->words && names_word(link, at + matched, entry, word + 1))
			word++;
		else if (!names_word(link, at + matched, entry, word) ||
		         strcmp(link->words.items[at + matched].stem,
		             link->words.items[at + matched - 1].stem) == 0)
			break;
		matched++;
	}
	*ret_name_words = word + 1u;
	return matched;
}

/* "shipped" and "ordered" have the stems of ship and order, but name no table. */
static bool is_noun(const struct word *word)
{
	size_t size = strlen(word->folded);

	if (strcmp(word->folded, word->stem) == 0)
		return true;
	return !(size > 3 && strcmp(word->folded + size - 2, "ed") == 0) &&
	       !(size > 4 && strcmp(word->folded + size - 3, "ing") == 0);
}

static const struct snapshot_table *table_of(const struct link *link, size_t table)
{
	return &link->snapshot->tables[table];
}

/* Longest match of a table's whole name at `at`; fills ret_tables with those of that length. */
static size_t match_tables(
    const struct link *link, size_t at, size_t *ret_words, size_t ret_tables[LINK_REFS_MAX])
{
	size_t count, found = 0, longest = 0;
	const struct vocabulary_entry *entries = entries_of(link, at, &count);

	for (size_t i = 0; i < count; i++) {
		unsigned name_words;
		size_t matched;
		bool known = false;

		if (entries[i].kind != VOCABULARY_TABLE || entries[i].word != 0 ||
		    !snapshot_is_open(table_of(link, entries[i].table)))
			continue;
		matched = follow_name(link, at, &entries[i], &name_words);
		if (name_words != entries[i].words || matched < longest ||
		    !is_noun(&link->words.items[at + matched - 1]))
			continue;
		if (matched > longest)
			found = 0;
		longest = matched;
		for (size_t k = 0; k < found; k++)
			known = known || ret_tables[k] == entries[i].table;
		if (!known && found < LINK_REFS_MAX)
			ret_tables[found++] = entries[i].table;
	}
	*ret_words = longest;
	return found;
}

/* Whether all words of the name from `word` on only say what kind of thing the column holds. */
static bool rest_is_suffix(const struct snapshot_column *column, unsigned word)
{
	struct bytes words[IDENTIFIER_WORDS_MAX];
	size_t count = identifier_split(bytes_of_string(column->name), words);

	for (size_t i = word; i < count; i++) {
		char folded[16];

		if (words[i].size >= sizeof(folded))
			return false;
		for (size_t k = 0; k < words[i].size; k++)
			folded[k] = (char)tolower((unsigned char)words[i].data[k]);
		folded[words[i].size] = '\0';
		if (!grammar_is_suffix(folded))
			return false;
	}
	return true;
}

static bool begins_alike(const char *column, const char *table)
{
	size_t size = strcspn(column, "_");

	return size >= 3 && strncasecmp(column, table, size < 4 ? size : size - 1) == 0;
}

/* 0, or how the words that matched stand for the column. */
static int column_strength(
    const struct link *link, const struct vocabulary_entry *entry, unsigned name_words)
{
	const struct snapshot_column *column;

	column = &table_of(link, entry->table)->columns[entry->column];
	if (entry->word == 0 && name_words == entry->words)
		return LINK_NAME;
	/* "name" is city_name of city, not its state_name; "date" is no birth_date. */
	if (entry->word > 0 && rest_is_suffix(column, entry->word) &&
	    !begins_alike(column->name, table_of(link, entry->table)->name))
		return 0;
	if (rest_is_suffix(column, name_words))
		return LINK_PART;
	return 0;
}

struct column_matches {
	size_t words, count;
	struct link_column *columns;
};

static void add_column(struct column_matches *matches, size_t words, struct link_column column)
{
	if (words < matches->words)
		return;
	if (words > matches->words)
		matches->count = 0;
	matches->words = words;
	for (size_t i = 0; i < matches->count; i++) {
		struct link_column *known = &matches->columns[i];

		if (known->table != column.table || known->column != column.column)
			continue;
		if (column.strength > known->strength)
			known->strength = column.strength;
		return;
	}
	if (matches->count < LINK_REFS_MAX)
		matches->columns[matches->count++] = column;
}

/* "hired" may stand for hire_date; "named" and "priced" are no columns name and price. */
static bool is_spoken_of(const struct link *link, size_t at, const struct vocabulary_entry *entry)
{
	const struct snapshot_column *column;
	const struct word *word = &link->words.items[at];

	column = &table_of(link, entry->table)->columns[entry->column];
	return is_noun(word) || column->kind == COLUMN_DATE || column->kind == COLUMN_TIMESTAMP ||
	       link_name_has_word(column->name, word->folded);
}

/* The columns named by the words at `at`; table SIZE_MAX: any. */
static void match_columns(
    const struct link *link, size_t at, size_t table, struct column_matches *matches)
{
	size_t count;
	const struct vocabulary_entry *entries = entries_of(link, at, &count);

	for (size_t i = 0; i < count; i++) {
		unsigned name_words;
		size_t matched;
		int strength;

		if (entries[i].kind != VOCABULARY_COLUMN ||
		    !snapshot_is_open(table_of(link, entries[i].table)) ||
		    (table != SIZE_MAX && entries[i].table != table))
			continue;
		matched = follow_name(link, at, &entries[i], &name_words);
		strength = column_strength(link, &entries[i], name_words);
		if (strength && is_spoken_of(link, at + matched - 1, &entries[i]))
			add_column(matches, matched,
			    (struct link_column){entries[i].table, (size_t)entries[i].column,
			        (enum link_strength)strength});
	}
}

/* A word that nothing is named by, but with which one column's comment begins. */
static void match_comments(const struct link *link, size_t at, struct column_matches *matches)
{
	size_t count;
	const struct vocabulary_entry *entries = entries_of(link, at, &count);

	for (size_t i = 0; i < count; i++) {
		if (entries[i].kind != VOCABULARY_COMMENT)
			return;
		if (entries[i].column < 0 || entries[i].word != 0 ||
		    !snapshot_is_open(table_of(link, entries[i].table)) ||
		    !is_noun(&link->words.items[at]))
			continue;
		add_column(matches, 1,
		    (struct link_column){
		        entries[i].table, (size_t)entries[i].column, LINK_COMMENT});
	}
	if (matches->count > 1)
		matches->count = matches->words = 0;
}

/* "reviews written (on …)" is no name of a date, though there is written_on. */
static bool is_part_of_date(
    const struct link *link, const struct link_column *match, const struct word *last)
{
	enum column_kind kind = table_of(link, match->table)->columns[match->column].kind;

	if (kind != COLUMN_DATE && kind != COLUMN_TIMESTAMP)
		return false;
	return match->strength < LINK_NAME || strcmp(last->folded, "on") == 0 ||
	       strcmp(last->folded, "at") == 0;
}

/* "order status": a table's name, then a column of it. Returns how many words the table has. */
static size_t match_compound(const struct link *link, size_t at, struct column_matches *matches)
{
	size_t tables[LINK_REFS_MAX], table_words, count, before = matches->words;
	struct link_column columns[LINK_REFS_MAX];

	count = match_tables(link, at, &table_words, tables);
	for (size_t i = 0; i < count; i++) {
		struct column_matches inner = {.columns = columns};
		const struct word *last;

		match_columns(link, at + table_words, tables[i], &inner);
		if (inner.count == 0)
			continue;
		last = &link->words.items[at + table_words + inner.words - 1];
		if (!is_noun(last))
			continue; /* "employees hired …" */
		for (size_t k = 0; k < inner.count; k++)
			if (!is_part_of_date(link, &columns[k], last))
				add_column(matches, table_words + inner.words, columns[k]);
	}
	return matches->words > before ? table_words : 0;
}

static bool has_whole_name(const struct column_matches *matches)
{
	for (size_t i = 0; i < matches->count; i++)
		if (matches->columns[i].strength == LINK_NAME)
			return true;
	return false;
}

static size_t all_columns(const struct link *link, size_t at, struct column_matches *matches)
{
	size_t compound;

	match_columns(link, at, SIZE_MAX, matches);
	compound = match_compound(link, at, matches);
	if (matches->count == 0)
		match_comments(link, at, matches);
	return compound;
}

/* The words of a stored value compared with those of the question; a plural s is no difference. */
static size_t match_text(const struct link *link, size_t at, const char *text)
{
	struct words value;
	size_t matched = 0;

	words_init(&value, bytes_of_string(text));
	while (matched < value.count && at + matched < link->words.count) {
		const struct word *word = &link->words.items[at + matched];
		const char *theirs = word->folded, *ours = value.items[matched].folded;
		size_t size = strlen(ours);

		if (word->kind == TOKEN_QUOTED)
			break;
		if (strcmp(theirs, ours) != 0 && !(size > 2 && strncmp(theirs, ours, size) == 0 &&
		                                     strcmp(theirs + size, "s") == 0))
			break;
		matched++;
	}
	if (matched != value.count)
		matched = 0;
	words_deinit(&value);
	return matched;
}

static const char *value_text(
    const struct link *link, const struct vocabulary_entry *entry, bool *ret_is_label)
{
	const struct snapshot_column *column;

	if (entry->kind != VOCABULARY_LABEL && entry->kind != VOCABULARY_VALUE)
		return NULL;
	column = &table_of(link, entry->table)->columns[entry->column];
	*ret_is_label = entry->kind == VOCABULARY_LABEL;
	if (!snapshot_is_open(table_of(link, entry->table)))
		return NULL;
	if (*ret_is_label)
		return entry->label < column->label_count ? column->labels[entry->label] : NULL;
	return entry->label < column->sample_count ? column->samples[entry->label] : NULL;
}

/* Values that begin at `at`: found by its own word, or by the next where it is none ("The …"). */
static size_t match_values(const struct link *link, size_t at, size_t *ret_words,
    struct link_value ret_values[LINK_REFS_MAX])
{
	size_t found = 0, longest = 0;

	for (size_t k = 0; k < 2; k++) {
		size_t count;
		const struct vocabulary_entry *entries = entries_of(link, at + k, &count);

		for (size_t i = 0; i < count; i++) {
			struct link_value value = {
			    entries[i].table, (size_t)entries[i].column, NULL, false};
			size_t matched;
			bool known = false;

			value.text = value_text(link, &entries[i], &value.is_label);
			matched = value.text ? match_text(link, at, value.text) : 0;
			if (matched == 0 || matched < longest)
				continue;
			if (matched > longest)
				found = 0;
			longest = matched;
			for (size_t n = 0; n < found; n++)
				known = known || (ret_values[n].table == value.table &&
				                     ret_values[n].column == value.column);
			if (!known && found < LINK_REFS_MAX)
				ret_values[found++] = value;
		}
	}
	*ret_words = longest;
	return found;
}

/* "1,000" is 1000; false for what SQL could not read as one number. */
static bool read_number(const struct word *word, char ret_number[40])
{
	const char *text = word->kind == TOKEN_NUMBER ? word->folded : grammar_number(word->folded);
	size_t size = 0, digits = 0, dots = 0;

	if (!text || word->kind == TOKEN_QUOTED)
		return false;
	for (; *text; text++) {
		if (*text == ',')
			continue;
		digits += *text >= '0' && *text <= '9';
		dots += *text == '.';
		if ((*text != '.' && (*text < '0' || *text > '9')) || dots > 1 ||
		    digits > NUMBER_DIGITS_MAX)
			return false;
		ret_number[size++] = *text;
	}
	ret_number[size] = '\0';
	return digits > 0;
}

static void cut_item(struct link *link, size_t at, struct item *item)
{
	size_t tables[LINK_REFS_MAX], cue_words = 0, table_words = 0, value_words = 0, date_words;
	struct link_column columns[LINK_REFS_MAX];
	struct link_value values[LINK_REFS_MAX];
	struct column_matches matches = {.columns = columns};

	*item = (struct item){.first = at, .count = 1};
	if (link->words.items[at].kind == TOKEN_QUOTED) {
		item->is_quoted = true;
		return;
	}
	item->cue = grammar_cue(link->words.items, link->words.count, at, &cue_words);
	match_tables(link, at, &table_words, tables);
	item->compound = all_columns(link, at, &matches);
	match_values(link, at, &value_words, values);
	date_words = dates_match(link->words.items, link->words.count, at, &item->date);
	if (cue_words > item->count)
		item->count = cue_words;
	if (table_words > item->count)
		item->count = table_words;
	if (matches.words > item->count)
		item->count = matches.words;
	if (value_words > item->count)
		item->count = value_words;
	if (date_words > item->count)
		item->count = date_words;
	item->cue = cue_words == item->count ? item->cue : NULL;
	item->is_table = table_words == item->count;
	item->is_column = matches.words == item->count &&
	                  !(item->is_table && !has_whole_name(&matches)); /* loans, loaned_on */
	item->is_value = value_words == item->count;
	item->is_date = date_words == item->count;
	item->is_number = item->count == 1 && read_number(&link->words.items[at], item->number);
}

int link_init(struct link *link, const struct vocabulary *vocabulary, struct bytes text)
{
	link->vocabulary = vocabulary;
	link->snapshot = vocabulary_snapshot(vocabulary);
	link->item_count = 0;
	words_init(&link->words, text);
	if (link->words.count == WORDS_MAX)
		return 1;
	for (size_t at = 0; at < link->words.count;) {
		struct item *item = &link->items[link->item_count++];

		cut_item(link, at, item);
		at += item->count;
	}
	return 0;
}

void link_deinit(struct link *link)
{
	words_deinit(&link->words);
}

size_t link_tables(
    const struct link *link, const struct item *item, size_t ret_tables[LINK_REFS_MAX])
{
	size_t words;

	return item->is_table ? match_tables(link, item->first, &words, ret_tables) : 0;
}

size_t link_columns(
    const struct link *link, const struct item *item, struct link_column ret_columns[LINK_REFS_MAX])
{
	struct column_matches matches = {.columns = ret_columns};

	if (item->is_column || item->is_table)
		all_columns(link, item->first, &matches);
	return matches.words == item->count ? matches.count : 0;
}

size_t link_values(
    const struct link *link, const struct item *item, struct link_value ret_values[LINK_REFS_MAX])
{
	size_t words;

	return item->is_value ? match_values(link, item->first, &words, ret_values) : 0;
}

struct bytes link_raw(const struct link *link, const struct item *item)
{
	const struct word *first = &link->words.items[item->first];
	const struct word *last = &link->words.items[item->first + item->count - 1];

	return bytes_of(
	    first->raw.data, (size_t)(last->raw.data + last->raw.size - first->raw.data));
}

bool link_name_has_word(const char *name, const char *folded)
{
	struct bytes words[IDENTIFIER_WORDS_MAX];
	size_t count = identifier_split(bytes_of_string(name), words), size = strlen(folded);

	for (size_t i = 0; i < count; i++) {
		const char *expanded = identifier_expand(words[i]);

		if (expanded && strcmp(expanded, folded) == 0)
			return true;
		if (words[i].size == size && strncasecmp(words[i].data, folded, size) == 0)
			return true;
	}
	return false;
}
