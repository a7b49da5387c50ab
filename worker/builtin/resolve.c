#include "worker/builtin/reading.h"

#include <ctype.h>

#include "text/identifier.h"

bool column_is_numeric(const struct snapshot_column *column)
{
	return column->kind == COLUMN_INTEGER || column->kind == COLUMN_NUMBER;
}

bool column_is_date(const struct snapshot_column *column)
{
	return column->kind == COLUMN_DATE || column->kind == COLUMN_TIMESTAMP;
}

int resolve_table(struct reading *reading, const struct item *item, size_t *ret_table)
{
	size_t tables[LINK_REFS_MAX], count = link_tables(&reading->link, item, tables);

	if (count == 0)
		return READ_OTHERWISE;
	if (count > 1)
		return reading_decline(reading, "'%s' may mean the tables %s.%s and %s.%s",
		    reading_table(reading, tables[0])->name,
		    reading_table(reading, tables[0])->schema,
		    reading_table(reading, tables[0])->name,
		    reading_table(reading, tables[1])->schema,
		    reading_table(reading, tables[1])->name);
	*ret_table = tables[0];
	return 0;
}

int resolve_join(struct reading *reading, size_t table, enum query_join join)
{
	struct query *query = &reading->query;
	const char *from = reading_table(reading, query->table)->name;
	const char *to = reading_table(reading, table)->name;
	int found;

	if (table == query->table && join == JOIN_INNER)
		return 0;
	if (query->join != JOIN_NONE) {
		if (table == query->other && join == JOIN_INNER && query->join != JOIN_COUNT)
			return 0;
		return reading_decline(reading,
		    "the question needs %s besides %s and %s: that is more than one join", to, from,
		    reading_table(reading, query->other)->name);
	}
	found = query_find_path(reading->link.snapshot, query->table, table, &query->path);
	if (found == 1)
		return reading_decline(
		    reading, "no foreign key connects %s and %s directly", from, to);
	if (found)
		return reading_decline(reading,
		    "more than one foreign key connects %s and %s: I can't tell which is meant",
		    from, to);
	query->join = join;
	query->other = table;
	return 0;
}

static int decline_two_columns(
    struct reading *reading, const struct item *item, struct query_column a, struct query_column b)
{
	struct bytes raw = link_raw(&reading->link, item);

	return reading_decline(reading, "'%.*s' may mean %s.%s or %s.%s", (int)raw.size, raw.data,
	    reading_table(reading, a.table)->name,
	    reading_table(reading, a.table)->columns[a.column].name,
	    reading_table(reading, b.table)->name,
	    reading_table(reading, b.table)->columns[b.column].name);
}

/* The strongest match in one table, and how many are as strong. */
static size_t strongest_in(const struct link_column *columns, size_t count, size_t table,
    struct link_column *ret_best, struct query_column *ret_second)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		if (columns[i].table != table ||
		    (found && columns[i].strength < ret_best->strength))
			continue;
		if (found && columns[i].strength == ret_best->strength) {
			*ret_second = (struct query_column){columns[i].table, columns[i].column};
			found++;
			continue;
		}
		*ret_best = columns[i];
		found = 1;
	}
	return found;
}

int resolve_column_in(
    struct reading *reading, const struct item *item, size_t table, size_t *ret_column)
{
	struct link_column columns[LINK_REFS_MAX], best;
	struct query_column second;
	size_t count = link_columns(&reading->link, item, columns), found;

	found = strongest_in(columns, count, table, &best, &second);
	if (found == 0)
		return READ_OTHERWISE;
	if (found > 1)
		return decline_two_columns(
		    reading, item, (struct query_column){table, best.column}, second);
	*ret_column = best.column;
	return 0;
}

/* A whole name in the other table is likelier than a part of one in this. */
static int column_in_query(
    struct reading *reading, const struct item *item, struct query_column *ret_column)
{
	struct link_column columns[LINK_REFS_MAX], own, other;
	struct query_column second;
	size_t count = link_columns(&reading->link, item, columns), in_own, in_other = 0;
	const struct query *query = &reading->query;

	in_own = strongest_in(columns, count, query->table, &own, &second);
	if (in_own > 1)
		return decline_two_columns(
		    reading, item, (struct query_column){own.table, own.column}, second);
	if (query->join != JOIN_NONE)
		in_other = strongest_in(columns, count, query->other, &other, &second);
	if (in_other > 1)
		return decline_two_columns(
		    reading, item, (struct query_column){other.table, other.column}, second);
	if (in_own && in_other && own.strength == other.strength &&
	    reading->scope == query->other && !item->compound)
		return decline_two_columns(reading, item,
		    (struct query_column){own.table, own.column},
		    (struct query_column){other.table, other.column});
	if (in_other && (!in_own || other.strength > own.strength))
		own = other;
	else if (!in_own)
		return READ_OTHERWISE;
	*ret_column = (struct query_column){own.table, own.column};
	return 0;
}

static bool is_in_reach(struct reading *reading, size_t table, enum resolve_reach reach)
{
	struct query_path path;

	if (query_find_path(reading->link.snapshot, reading->query.table, table, &path) == 1)
		return false;
	return (path.child == table) == (reach == REACH_CHILDREN);
}

int resolve_column(struct reading *reading, const struct item *item, enum resolve_reach reach,
    struct query_column *ret_column)
{
	struct link_column columns[LINK_REFS_MAX];
	struct query_column first = {0}, second;
	enum link_strength strength = 0;
	size_t count, found = 0;
	int r = column_in_query(reading, item, ret_column);

	if (r != READ_OTHERWISE)
		return r;
	count = link_columns(&reading->link, item, columns);
	for (size_t i = 0; i < count; i++) {
		if (!is_in_reach(reading, columns[i].table, reach) ||
		    columns[i].strength < strength)
			continue;
		second = (struct query_column){columns[i].table, columns[i].column};
		found = columns[i].strength > strength ? 1 : found + 1;
		if (found == 1)
			first = second;
		strength = columns[i].strength;
	}
	if (found == 0)
		return READ_OTHERWISE;
	if (found > 1)
		return decline_two_columns(reading, item, first, second);
	r = resolve_join(reading, first.table, JOIN_INNER);
	if (r == 0)
		*ret_column = first;
	return r;
}

int resolve_only_column(struct reading *reading, const struct item *item)
{
	struct link_column columns[LINK_REFS_MAX];
	size_t count = link_columns(&reading->link, item, columns), found = 0, first = 0,
	       second = 0;
	enum link_strength strength = 0;

	for (size_t i = 0; i < count; i++) {
		if (columns[i].strength < strength)
			continue;
		found = columns[i].strength > strength ? 1 : found + 1;
		strength = columns[i].strength;
		*(found == 1 ? &first : &second) = i;
	}
	if (found == 0)
		return READ_OTHERWISE;
	if (found > 1)
		return decline_two_columns(reading, item,
		    (struct query_column){columns[first].table, columns[first].column},
		    (struct query_column){columns[second].table, columns[second].column});
	reading->query.table = reading->scope = reading->nearest = columns[first].table;
	reading->has_table = true;
	return 0;
}

/* Whether the column's first word is the table's own: loaned_on of loans. */
static bool is_named_after(const char *column, const char *table)
{
	CLEAN(buffer) struct buffer ours = BUFFER_INIT, theirs = BUFFER_INIT;
	struct bytes words[IDENTIFIER_WORDS_MAX];

	if (identifier_split(bytes_of_string(column), words) == 0)
		return false;
	token_stem(words[0], &ours);
	if (identifier_split(bytes_of_string(table), words) != 1)
		return false;
	token_stem(words[0], &theirs);
	return bytes_equal(bytes_of_buffer(&ours), bytes_of_buffer(&theirs));
}

/* The date at which a row came to be: the only one, or the one named after the table. */
static int main_date(struct reading *reading, size_t table, bool births, size_t *ret_column)
{
	static const char *const words[] = {"placed", "ordered", "created"};
	const struct snapshot_table *row = reading_table(reading, table);
	size_t dates = 0, only = 0;

	for (size_t i = 0; i < row->column_count; i++) {
		if (!column_is_date(&row->columns[i]) ||
		    (!births && link_name_has_word(row->columns[i].name, "birth")))
			continue;
		dates++;
		only = i;
	}
	for (size_t i = 0; dates > 1 && i < row->column_count; i++) {
		if (!column_is_date(&row->columns[i]) ||
		    !is_named_after(row->columns[i].name, row->name))
			continue;
		dates = 1;
		only = i;
	}
	for (size_t n = 0; n < sizeof(words) / sizeof(words[0]); n++)
		for (size_t i = 0; dates > 1 && i < row->column_count; i++)
			if (column_is_date(&row->columns[i]) &&
			    link_name_has_word(row->columns[i].name, words[n])) {
				dates = 1;
				only = i;
			}
	if (dates == 0)
		return reading_decline(reading, "%s has no date", row->name);
	if (dates > 1)
		return reading_decline(
		    reading, "%s has several dates: say which one is meant", row->name);
	*ret_column = only;
	return 0;
}

static bool is_of_concept(const struct snapshot_table *table, size_t column, enum concept concept)
{
	const struct snapshot_column *row = &table->columns[column];

	if (query_is_key(table, column))
		return false;
	if (concept == CONCEPT_BIRTH || concept >= CONCEPT_CREATED)
		return column_is_date(row);
	return column_is_numeric(row);
}

int resolve_concept(struct reading *reading, size_t table, enum concept concept, size_t *ret_column)
{
	const struct snapshot_table *row = reading_table(reading, table);
	const char *word;

	if (concept == CONCEPT_AGE) {
		if (resolve_concept(reading, table, CONCEPT_BIRTH, ret_column) == 0)
			return 0;
		concept = CONCEPT_RECENT;
	}
	if (concept == CONCEPT_EVENT || concept == CONCEPT_RECENT)
		return main_date(reading, table, concept == CONCEPT_EVENT, ret_column);
	for (size_t n = 0; (word = grammar_concept_word(concept, n)); n++) {
		size_t found = 0, first = 0;

		for (size_t i = 0; i < row->column_count; i++) {
			if (!is_of_concept(row, i, concept) ||
			    !link_name_has_word(row->columns[i].name, word))
				continue;
			if (found++ == 0)
				first = i;
		}
		if (found > 1)
			return reading_decline(reading,
			    "%s has more than one column that could be meant: say which one",
			    row->name);
		if (found == 0)
			continue;
		*ret_column = first;
		return 0;
	}
	return READ_OTHERWISE;
}

/* "gram" is in "weight in grams", not in "in kilograms". */
static bool has_word_start(const char *text, const char *word)
{
	for (const char *at = text; (at = strcasestr(at, word)); at++)
		if (at == text || !isalpha((unsigned char)at[-1]))
			return true;
	return false;
}

bool resolve_unit_fits(const struct snapshot_column *column, const char *unit)
{
	static const char *const currencies[] = {"eur", "usd", "gbp"};
	static const char *const words[][2] = {
	    {"euro", "eur"}, {"dollar", "usd"}, {"pound", "gbp"}};
	const char *comment = column->comment ? column->comment : "";

	if (!grammar_is_currency(unit))
		return has_word_start(column->name, unit) || has_word_start(comment, unit);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		bool said = strcasestr(comment, words[i][0]) ||
		            link_name_has_word(column->name, currencies[i]);

		if (said && strcmp(unit, words[i][1]) != 0)
			return false;
	}
	return column_is_numeric(column);
}

int resolve_measure(struct reading *reading, size_t table, const char *unit, size_t *ret_column)
{
	const struct snapshot_table *row = reading_table(reading, table);
	size_t found = 0, only = 0;

	if (unit && grammar_is_currency(unit))
		return resolve_concept(reading, table, CONCEPT_MONEY, ret_column);
	for (size_t i = 0; i < row->column_count; i++) {
		if (!column_is_numeric(&row->columns[i]) || query_is_key(row, i) ||
		    (unit && !resolve_unit_fits(&row->columns[i], unit)))
			continue;
		found++;
		only = i;
	}
	if (found != 1)
		return reading_decline(reading, "say which number of %s is meant", row->name);
	*ret_column = only;
	return 0;
}

static bool hint_names(
    struct reading *reading, const struct item *hint, const struct link_value *value)
{
	struct link_column columns[LINK_REFS_MAX];
	size_t tables[LINK_REFS_MAX], count = link_tables(&reading->link, hint, tables);

	for (size_t i = 0; i < count; i++)
		if (tables[i] == value->table)
			return true;
	count = link_columns(&reading->link, hint, columns);
	for (size_t i = 0; i < count; i++)
		if (columns[i].table == value->table && columns[i].column == value->column)
			return true;
	return false;
}

/* 0: in the query's own table, 1: in its other one, 2: one key away, 3: out of reach. */
static int value_distance(struct reading *reading, const struct link_value *value)
{
	const struct query *query = &reading->query;

	if (value->table == query->table)
		return 0;
	if (query->join != JOIN_NONE && value->table == query->other)
		return 1;
	return is_in_reach(reading, value->table, REACH_PARENTS) ? 2 : 3;
}

int resolve_value(struct reading *reading, const struct item *item, const struct item *hint,
    struct link_value *ret_value)
{
	struct link_value values[LINK_REFS_MAX], best = {0}, second = {0};
	size_t count = link_values(&reading->link, item, values), found = 0;
	int nearest = 3, r;

	for (size_t i = 0; i < count; i++) {
		int distance = value_distance(reading, &values[i]);

		if (distance == 3 || (hint && !hint_names(reading, hint, &values[i])) ||
		    (distance == 2 && nearest < 2))
			continue;
		if (distance < 2 && nearest == 2)
			found = 0;
		nearest = distance < nearest ? distance : nearest;
		*(found++ == 0 ? &best : &second) = values[i];
	}
	if (found == 0)
		return count && !hint
		           ? reading_decline(reading,
		                 "'%s' is a value of %s, which the question does not reach",
		                 values[0].text, reading_table(reading, values[0].table)->name)
		           : READ_OTHERWISE;
	if (found > 1)
		return decline_two_columns(reading, item,
		    (struct query_column){best.table, best.column},
		    (struct query_column){second.table, second.column});
	r = nearest == 2 ? resolve_join(reading, best.table, JOIN_INNER) : 0;
	if (r == 0)
		*ret_value = best;
	return r;
}
