#include "worker/builtin/reading.h"

#include <stdio.h>

/* ---- other tables: "with more than 5 orders", "without orders", "with the most orders" ---- */

static int compare_rows(
    struct reading *reading, size_t table, enum compare compare, const char *number)
{
	struct query *query = &reading->query;
	int r;

	if (reading->subject != SIZE_MAX)
		return READ_OTHERWISE;
	r = resolve_join(reading, table, JOIN_COUNT);
	if (r)
		return r;
	query->join_compare = compare;
	snprintf(query->join_count, sizeof(query->join_count), "%s", number);
	reading->scope = reading->nearest = table;
	return 0;
}

/* Values before the other table's noun: "with cancelled orders". */
static int read_other(struct reading *reading, enum compare compare, const char *number)
{
	size_t first = reading->at, table, after;
	int r;

	while (reading_item(reading, 0)->is_value || reading_is(reading, 0, CUE_STOP)) {
		if (reading_item(reading, 0)->is_table)
			break;
		reading->at++;
	}
	r = resolve_table(reading, reading_item(reading, 0), &table);
	if (r)
		return r;
	after = reading->at + 1;
	r = compare_rows(reading, table, compare, number);
	for (reading->at = first; r == 0 && reading->at < after - 1;) {
		if (reading_is(reading, 0, CUE_STOP))
			reading->at++;
		else
			r = read_value(reading);
	}
	reading->at = after;
	return r;
}

static int read_relation(struct reading *reading)
{
	enum compare compare = COMPARE_AT_LEAST;
	const char *number = "1";
	const struct item *item;

	while (reading_is(reading, 0, CUE_THAT))
		reading->at++;
	if (reading_is(reading, 0, CUE_WITHOUT)) {
		reading->at++;
		return read_other(reading, COMPARE_EQUAL, "0");
	}
	item = reading_item(reading, 0);
	if (!reading_is(reading, 0, CUE_WITH) &&
	    !(reading_is(reading, 0, CUE_EVENT) && item->cue->concept == CONCEPT_EVENT))
		return READ_OTHERWISE;
	reading->at++;
	reading_skip_stops(reading);
	item = reading_item(reading, 0);
	if (reading_is(reading, 0, CUE_MOST) || reading_is(reading, 0, CUE_EXTREME))
		return read_superlative(reading);
	if (reading_is(reading, 0, CUE_COMPARE) && item->cue->concept == CONCEPT_NONE) {
		compare = (enum compare)item->cue->value;
		reading->at++;
		item = reading_item(reading, 0);
		if (!item->is_number)
			return READ_OTHERWISE;
	} else if (item->is_number && reading_item(reading, 1)->is_table) {
		compare = COMPARE_EQUAL;
	}
	if (item->is_number) {
		number = item->number;
		reading->at++;
	}
	return read_other(reading, compare, number);
}

/* "of customer 42" */
static int add_parent_key(struct reading *reading, size_t table, const struct item *item)
{
	const struct snapshot_table *row = reading_table(reading, table);
	struct query_filter filter = {.shape = FILTER_TEST};
	CLEAN(buffer) struct buffer test = BUFFER_INIT;

	if (row->primary_key_count != 1 || strchr(item->number, '.') ||
	    row->columns[row->primary_key[0]].kind != COLUMN_INTEGER)
		return READ_OTHERWISE;
	buffer_printf(&test, "= %s", item->number);
	filter.column = (struct query_column){table, row->primary_key[0]};
	filter.test = must_strdup(buffer_string(&test));
	reading->at++;
	return reading_add_filter(reading, filter);
}

/* "of customers (in Berlin)": each row has one of the other table. */
static int read_parent(struct reading *reading)
{
	const struct item *next;
	struct query_path path;
	size_t table;
	int r;

	if (!reading_is(reading, 0, CUE_FROM) && !reading_is(reading, 0, CUE_OF) &&
	    !reading_is(reading, 0, CUE_BY) && !reading_is(reading, 0, CUE_FOR))
		return READ_OTHERWISE;
	reading->at++;
	reading_skip_stops(reading);
	r = resolve_table(reading, reading_item(reading, 0), &table);
	if (r)
		return r;
	next = reading_item(reading, 1);
	if (query_find_path(reading->link.snapshot, reading->query.table, table, &path) ||
	    path.parent != table || next->is_value || next->is_quoted)
		return READ_OTHERWISE;
	r = resolve_join(reading, table, JOIN_INNER);
	if (r)
		return r;
	reading->at++;
	reading->nearest = table;
	return next->is_number ? add_parent_key(reading, table, next) : 0;
}

/* ---- groups ---- */

static int add_group(struct reading *reading, struct query_group group)
{
	struct query *query = &reading->query;

	if (query->group_count == QUERY_GROUPS_MAX)
		return reading_decline(reading, "it can be grouped by two things only");
	query->groups[query->group_count++] = group;
	return 0;
}

static int group_by_period(struct reading *reading, enum period period)
{
	struct query *query = &reading->query;
	size_t table = query->counts_rows ? query->table : query->measure.table;
	struct query_group group = {{table, 0}, false, period};
	int r = resolve_concept(reading, table, CONCEPT_EVENT, &group.column.column);

	return r ? r : add_group(reading, group);
}

/* "cities per state" with a state_name and no key to the table of states. */
static int group_by_own_part(
    struct reading *reading, const struct item *item, struct query_column *ret_column)
{
	struct query_path path;
	size_t table, column;

	if (resolve_table(reading, item, &table) ||
	    query_find_path(reading->link.snapshot, reading->query.table, table, &path) != 1 ||
	    resolve_column_in(reading, item, reading->query.table, &column))
		return READ_OTHERWISE;
	*ret_column = (struct query_column){reading->query.table, column};
	return 0;
}

/* A column, the rows of another table, or a period. */
static int read_group_key(struct reading *reading)
{
	const struct item *item = reading_item(reading, 0);
	struct query_group group = {0};
	size_t table;
	int r = READ_OTHERWISE;

	if (item->is_column) {
		r = resolve_column(reading, item, REACH_PARENTS, &group.column);
		if (r == READ_DECLINED && !item->is_table)
			return r;
	}
	if (r && reading_is(reading, 0, CUE_PERIOD)) {
		r = group_by_period(reading, (enum period)item->cue->value);
		reading->at += r == 0;
		return r;
	}
	if (r && item->is_table && !item->is_column)
		r = group_by_own_part(reading, item, &group.column);
	if (r && item->is_table) {
		r = resolve_table(reading, item, &table);
		if (r == 0 && table != reading->query.table)
			r = resolve_join(reading, table, JOIN_INNER);
		if (r)
			return r;
		group = (struct query_group){{table, 0}, true, PERIOD_NONE};
		if (table != reading->query.table && reading->query.path.parent != table)
			return reading_decline(reading, "each of %s has many of %s",
			    reading_table(reading, reading->query.table)->name,
			    reading_table(reading, table)->name);
	}
	if (r)
		return r;
	reading->at++;
	return add_group(reading, group);
}

static int read_groups(struct reading *reading)
{
	int r = read_group_key(reading);

	if (r)
		return r == READ_OTHERWISE ? reading_decline_item(reading, reading_item(reading, 0))
		                           : r;
	if (reading_is(reading, 0, CUE_AND) || reading_is(reading, 0, CUE_COMMA)) {
		struct query query = reading->query;

		reading->at++;
		if (reading_is(reading, 0, CUE_PER) || reading_is(reading, 0, CUE_BY))
			reading->at++;
		reading_skip_stops(reading);
		r = reading_item(reading, 0)->is_column || reading_item(reading, 0)->is_table ||
		            reading_is(reading, 0, CUE_PERIOD)
		        ? read_group_key(reading)
		        : READ_OTHERWISE;
		if (r == READ_DECLINED)
			return r;
		if (r == READ_OTHERWISE) {
			reading->at--;
			reading->query = query;
		}
	}
	return 0;
}

/* "orders by customers from Germany" may be one number, or one for each customer. */
static bool is_unclear_group(const struct reading *reading)
{
	static const enum cue narrowing[] = {
	    CUE_FROM, CUE_IN, CUE_WITH, CUE_WHERE, CUE_THAT, CUE_EVENT, CUE_LIVE, CUE_AT, CUE_OF};
	const struct item *item = reading_item(reading, 1);

	if (!reading_is(reading, 0, CUE_BY) || !item->is_table ||
	    reading_is_singular(reading, item))
		return false;
	for (size_t i = 0; i < sizeof(narrowing) / sizeof(narrowing[0]); i++)
		if (reading_is(reading, 2, narrowing[i]))
			return true;
	return false;
}

/* "per", "by" with an aggregate; a verb may end it: "did each customer place". */
static int read_group(struct reading *reading)
{
	const struct item *item = reading_item(reading, 0);
	bool asks;
	int r;

	if (!reading_is(reading, 0, CUE_PER) && !reading_is(reading, 0, CUE_BY))
		return READ_OTHERWISE;
	if (reading_is(reading, 0, CUE_BY) &&
	    (reading->wants_measure || reading->query.aggregate == AGGREGATE_NONE ||
	        reading_item(reading, 1)->is_value || reading_item(reading, 1)->is_quoted))
		return READ_OTHERWISE;
	if (reading->query.aggregate == AGGREGATE_NONE) {
		/* "orders per month" is how many. */
		if (strcmp(item->cue->phrase, "per") != 0 || reading->query.column_count > 0 ||
		    reading->query.limit[0] || reading->has_order || reading->query.names_only)
			return reading_decline(
			    reading, "say what is to be calculated '%s' it", item->cue->phrase);
		reading->query.aggregate = AGGREGATE_COUNT;
		reading->query.counts_rows = true;
	}
	if (is_unclear_group(reading))
		return reading_decline(
		    reading, "say 'per' for a result for each, 'of' for all together");
	asks = strcmp(item->cue->phrase, "does each") == 0 ||
	       strcmp(item->cue->phrase, "did each") == 0;
	reading->at++;
	reading_skip_stops(reading);
	r = read_groups(reading);
	if (r == 0 && asks &&
	    (reading_is(reading, 0, CUE_VERB) || reading_is(reading, 0, CUE_WITH)))
		reading->at++;
	return r;
}

/* ---- order ---- */

static int read_direction(struct reading *reading)
{
	if (!reading_is(reading, 0, CUE_DIRECTION))
		return READ_OTHERWISE;
	if (reading->query.order == ORDER_NONE)
		return reading_decline(reading, "say what it is to be sorted by");
	reading->query.descending = reading_item(reading, 0)->cue->value == AGGREGATE_MAXIMUM;
	reading->at++;
	return 0;
}

/* What was calculated can be sorted by; its words are those of the request. */
static int sort_by_aggregate(struct reading *reading)
{
	struct query *query = &reading->query;
	const struct item *item = reading_item(reading, 0);
	size_t table, column;

	if (query->aggregate == AGGREGATE_NONE || query->group_count == 0)
		return READ_OTHERWISE;
	if (reading_is(reading, 0, CUE_COUNT_OF)) {
		if (!query->counts_rows)
			return READ_OTHERWISE;
		reading->at++;
		if (resolve_table(reading, reading_item(reading, 0), &table) == 0) {
			if (table != query->table && query->join == JOIN_NONE)
				return READ_OTHERWISE;
			reading->at++;
		}
	} else {
		if (item->cue && item->cue->cue == CUE_AGGREGATE) {
			if (item->cue->value != (int)query->aggregate)
				return READ_OTHERWISE;
			reading->at++;
		}
		if (query->counts_rows ||
		    resolve_column_in(
		        reading, reading_item(reading, 0), query->measure.table, &column) ||
		    column != query->measure.column)
			return READ_OTHERWISE;
		reading->at++;
	}
	query->order = ORDER_AGGREGATE;
	reading->has_order = true;
	return 0;
}

static int read_sort(struct reading *reading)
{
	struct query *query = &reading->query;
	const struct item *item;
	struct query_column column;
	int r;

	if (!reading_is(reading, 0, CUE_SORT) &&
	    !(reading_is(reading, 0, CUE_BY) && query->aggregate == AGGREGATE_NONE &&
	        !reading->wants_measure))
		return READ_OTHERWISE;
	reading->at++;
	reading_skip_stops(reading);
	item = reading_item(reading, 0);
	if (reading->has_order)
		return reading_decline(reading, "it can be put in one order only");
	r = sort_by_aggregate(reading);
	if (r != READ_OTHERWISE)
		return r;
	if (item->is_column) {
		r = resolve_column(reading, item, REACH_PARENTS, &column);
	} else {
		column.table = query->table;
		r = reading_is(reading, 0, CUE_DATE)
		        ? resolve_concept(reading, query->table, CONCEPT_EVENT, &column.column)
		        : READ_OTHERWISE;
	}
	if (r)
		return r;
	if (query->aggregate != AGGREGATE_NONE) {
		if (query->group_count != 1 || query->groups[0].whole_row ||
		    query->groups[0].column.table != column.table ||
		    query->groups[0].column.column != column.column)
			return READ_OTHERWISE;
		query->order = ORDER_GROUP;
	} else {
		query->order = ORDER_COLUMN;
		query->order_column = column;
	}
	reading->has_order = true;
	reading->at++;
	return 0;
}

/* "top 5 customers by …" */
static int read_measure(struct reading *reading)
{
	if (!reading->wants_measure ||
	    !(reading_is(reading, 0, CUE_BY) || reading_is(reading, 0, CUE_WITH)))
		return READ_OTHERWISE;
	reading->at++;
	reading_skip_stops(reading);
	if (reading_is(reading, 0, CUE_MOST) || reading_is(reading, 0, CUE_EXTREME))
		return read_superlative(reading);
	return read_ranking(reading, reading->query.descending);
}

/* "which product is the cheapest" */
static int read_is_superlative(struct reading *reading)
{
	while (reading_is(reading, 0, CUE_IS) || reading_is(reading, 0, CUE_STOP) ||
	       reading_is(reading, 0, CUE_WITH) || reading_is(reading, 0, CUE_THAT))
		reading->at++;
	return read_superlative(reading);
}

static int read_limit(struct reading *reading)
{
	const struct item *item = reading_item(reading, 1);

	if (!reading_is(reading, 0, CUE_LIMIT) || !item->is_number || reading->query.limit[0] ||
	    strlen(item->number) > 6 || strchr(item->number, '.'))
		return READ_OTHERWISE;
	strcpy(reading->query.limit, item->number);
	reading->at += 2;
	return 0;
}

/* "customers and their emails" */
static int read_more_columns(struct reading *reading)
{
	struct query *query = &reading->query;
	size_t names[2], count;

	if (!reading_is(reading, 0, CUE_THEIR) || query->aggregate != AGGREGATE_NONE)
		return READ_OTHERWISE;
	reading->at++;
	count = query_name_columns(reading_table(reading, query->table), names);
	for (size_t i = 0; query->column_count == 0 && i < count; i++)
		query->columns[i] = (struct query_column){query->table, names[i]};
	query->column_count = count;
	for (;;) {
		const struct item *item = reading_item(reading, 0);
		int r;

		if (query->column_count == QUERY_COLUMNS_MAX)
			return reading_decline(reading, "too many columns");
		r = item->is_column ? resolve_column(reading, item, REACH_PARENTS,
		                          &query->columns[query->column_count])
		                    : READ_OTHERWISE;
		if (r)
			return r == READ_OTHERWISE ? reading_decline_item(reading, item) : r;
		for (size_t i = 0; i < query->column_count; i++)
			if (query->columns[i].column ==
			        query->columns[query->column_count].column &&
			    query->columns[i].table == query->columns[query->column_count].table)
				query->column_count--;
		query->column_count++;
		reading->at++;
		if (!(reading_is(reading, 0, CUE_AND) || reading_is(reading, 0, CUE_COMMA)) ||
		    !reading_item(reading, 1)->is_column)
			return 0;
		reading->at++;
	}
}

/* Words that only tie the rest together; "or" never is one. */
static int read_tie(struct reading *reading)
{
	static const enum cue ties[] = {CUE_STOP, CUE_COMMA, CUE_AND, CUE_IS, CUE_THAT};
	bool last = reading->at + 1 >= reading->link.item_count;

	for (size_t i = 0; i < sizeof(ties) / sizeof(ties[0]); i++) {
		if (!reading_is(reading, 0, ties[i]) || (last && ties[i] != CUE_STOP))
			continue;
		reading->at++;
		return 0;
	}
	if (reading_is(reading, 0, CUE_LIVE) &&
	    (reading_is(reading, 1, CUE_IN) || reading_is(reading, 1, CUE_FROM) ||
	        reading_is(reading, 1, CUE_AT))) {
		reading->at++;
		return 0;
	}
	/* "how many orders were placed": that is what orders are. */
	if (reading_is(reading, 0, CUE_EVENT) &&
	    reading_item(reading, 0)->cue->concept == CONCEPT_EVENT &&
	    !reading_item(reading, 0)->is_value) {
		reading->at++;
		return 0;
	}
	return READ_OTHERWISE;
}

/* Tries one rule; where the words are not its own, all is as before. */
static int try_rule(struct reading *reading, int (*rule)(struct reading *))
{
	size_t at = reading->at, scope = reading->scope, nearest = reading->nearest;
	struct query query = reading->query;
	int r = rule(reading);

	if (r != READ_OTHERWISE)
		return r;
	for (size_t i = query.filter_count; i < reading->query.filter_count; i++)
		query_filter_deinit(&reading->query.filters[i]);
	reading->at = at;
	reading->scope = scope;
	reading->nearest = nearest;
	reading->query = query;
	return r;
}

int read_tail(struct reading *reading)
{
	static int (*const rules[])(struct reading *) = {read_measure, read_group_count,
	    read_is_superlative, read_date, read_relation, read_group, read_sort, read_direction,
	    read_limit, read_more_columns, read_column_test, read_comparison, read_value,
	    read_parent, read_group_measure, read_tie};
	/* As long as no table is known, only what may name one is of use. */
	enum { RULES = sizeof(rules) / sizeof(rules[0]), RULES_WITHOUT_TABLE = 3 };

	while (reading->at < reading->link.item_count) {
		size_t rule_count = reading->has_table ? RULES : RULES_WITHOUT_TABLE;
		int r = READ_OTHERWISE;

		for (size_t i = 0; i < rule_count && r == READ_OTHERWISE; i++)
			r = try_rule(reading, rules[i]);
		if (r)
			return r == READ_OTHERWISE
			           ? reading_decline_item(reading, reading_item(reading, 0))
			           : r;
	}
	return 0;
}
