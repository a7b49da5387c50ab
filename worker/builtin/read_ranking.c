#include "worker/builtin/reading.h"

#include <stdio.h>

int reading_count_rows(struct reading *reading)
{
	reading->query.aggregate = AGGREGATE_COUNT;
	reading->query.counts_rows = true;
	return 0;
}

int reading_check_measure(struct reading *reading)
{
	const struct query *query = &reading->query;
	const struct snapshot_table *table = reading_table(reading, query->measure.table);
	const struct snapshot_column *column = &table->columns[query->measure.column];
	bool extreme =
	    query->aggregate == AGGREGATE_MINIMUM || query->aggregate == AGGREGATE_MAXIMUM;

	if (column_is_numeric(column) && !query_is_key(table, query->measure.column))
		return 0;
	if (extreme && column_is_date(column))
		return 0;
	return reading_decline(
	    reading, "%s.%s is nothing to calculate with", table->name, column->name);
}

int reading_set_order(struct reading *reading, struct query_column column, bool descending)
{
	reading->query.order = ORDER_COLUMN;
	reading->query.order_column = column;
	reading->query.descending = descending;
	reading->has_order = true;
	reading->wants_measure = false;
	if (reading->singular && !reading->query.limit[0])
		strcpy(reading->query.limit, "1");
	return 0;
}

/* Makes what was asked for (rows, or the values of a column) the groups of rows of a child. */
static int rank_by_aggregate(struct reading *reading, bool descending)
{
	struct query *query = &reading->query;

	if (query->group_count == 0) {
		query->groups[0] = (struct query_group){{query->table, 0}, true, PERIOD_NONE};
		query->group_count = 1;
	}
	query->order = ORDER_AGGREGATE;
	query->descending = descending;
	reading->has_order = true;
	reading->wants_measure = false;
	if (reading->singular && !query->limit[0])
		strcpy(query->limit, "1");
	return 0;
}

/* "which city has …": the values of a column of this table, or of one that it refers to. */
static int group_by_subject(struct reading *reading, size_t table)
{
	struct query *query = &reading->query;
	struct item *item = &reading->link.items[reading->subject];
	int r;

	query->table = reading->scope = reading->nearest = table;
	reading->has_table = true;
	r = resolve_column(reading, item, REACH_PARENTS, &query->groups[0].column);
	if (r)
		return r == READ_OTHERWISE ? reading_decline_item(reading, item) : r;
	query->group_count = 1;
	reading->subject = SIZE_MAX;
	return 0;
}

/* The rows of a table are counted for each row, or each value, of what was asked for. */
static int rank_by_rows(struct reading *reading, size_t table, bool descending)
{
	struct query *query = &reading->query;
	int r;

	if (query->aggregate != AGGREGATE_NONE)
		return reading_decline(reading, "only one thing can be calculated at a time");
	if (reading->subject != SIZE_MAX) {
		r = group_by_subject(reading, table);
		if (r)
			return r;
	} else {
		if (query->join == JOIN_NONE || query->other != table) {
			r = resolve_join(reading, table, descending ? JOIN_INNER : JOIN_LEFT);
			if (r)
				return r;
		}
		if (query->path.child != table)
			return reading_decline(reading, "each of %s has one of %s only",
			    reading_table(reading, query->table)->name,
			    reading_table(reading, table)->name);
		reading->scope = reading->nearest = table;
	}
	reading_count_rows(reading);
	return rank_by_aggregate(reading, descending);
}

/* "(total) order amount" where orders call it otherwise. */
static int resolve_other_amount(struct reading *reading)
{
	struct query_column *measure = &reading->query.measure;
	int r = resolve_table(reading, reading_item(reading, 0), &measure->table);

	if (r == 0)
		r = resolve_concept(reading, measure->table, CONCEPT_MONEY, &measure->column);
	if (r == 0)
		r = resolve_join(reading, measure->table, JOIN_INNER);
	if (r == 0)
		reading->at += 2;
	return r;
}

/* "total order amount" of rows that are known: an aggregate over a child, or over the groups. */
static int rank_by_measure(struct reading *reading, enum aggregate aggregate, bool descending)
{
	struct query *query = &reading->query;
	const struct item *item = reading_item(reading, 0);
	int r;

	if (query->aggregate != AGGREGATE_NONE || !reading->has_table)
		return reading_decline_here(reading);
	if (item->is_table && reading_is(reading, 1, CUE_AMOUNT)) {
		r = resolve_other_amount(reading);
	} else {
		r = item->is_column ? resolve_column(reading, item, REACH_CHILDREN, &query->measure)
		                    : READ_OTHERWISE;
		reading->at += r == 0;
	}
	if (r)
		return r == READ_OTHERWISE ? reading_decline_here(reading) : r;
	if (query->measure.table == query->table) {
		/* "by total price" of single rows: the price itself, unless it is a column's name.
		 */
		if (aggregate != AGGREGATE_NONE)
			return reading_decline(
			    reading, "say for which rows it is to be calculated");
		return reading_set_order(reading, query->measure, descending);
	}
	if (aggregate == AGGREGATE_NONE)
		return reading_decline(reading,
		    "say whether the total, the average or an extreme of %s.%s is meant",
		    reading_table(reading, query->measure.table)->name,
		    reading_table(reading, query->measure.table)
		        ->columns[query->measure.column]
		        .name);
	query->aggregate = aggregate;
	reading->scope = query->measure.table;
	r = reading_check_measure(reading);
	return r ? r : rank_by_aggregate(reading, descending);
}

static int read_ranked_rows(struct reading *reading, bool descending)
{
	size_t table;
	int r;

	reading_skip_stops(reading);
	r = resolve_table(reading, reading_item(reading, 0), &table);
	if (r)
		return r == READ_OTHERWISE ? reading_decline_here(reading) : r;
	reading->at++;
	return rank_by_rows(reading, table, descending);
}

int read_ranking(struct reading *reading, bool descending)
{
	const struct item *item;

	reading_skip_stops(reading);
	item = reading_item(reading, 0);
	if (reading_is(reading, 0, CUE_COUNT_OF)) {
		reading->at++;
		return read_ranked_rows(reading, descending);
	}
	if (item->cue && item->cue->cue == CUE_AGGREGATE &&
	    (!item->is_column || reading_item(reading, 1)->is_column ||
	        reading_item(reading, 1)->is_table)) {
		enum aggregate aggregate = (enum aggregate)item->cue->value;

		reading->at++;
		reading_skip_stops(reading);
		return rank_by_measure(reading, aggregate, descending);
	}
	if (!item->is_column)
		return READ_OTHERWISE;
	return rank_by_measure(reading, AGGREGATE_NONE, descending);
}

/* The table is known: "(is the) cheapest", "(with the) highest price", "(has the) most orders". */
int read_superlative(struct reading *reading)
{
	const struct cue_row *cue = reading_item(reading, 0)->cue;
	struct query_column column = {reading->query.table, 0};
	bool descending;
	int r;

	if (!cue ||
	    (cue->cue != CUE_MOST && cue->cue != CUE_EXTREME && cue->cue != CUE_SUPERLATIVE))
		return READ_OTHERWISE;
	if (reading->has_order)
		return reading_decline(reading, "it can be put in one order only");
	descending = cue->value == AGGREGATE_MAXIMUM;
	reading->at++;
	if (cue->cue == CUE_MOST)
		return read_ranked_rows(reading, descending);
	if (!reading->has_table)
		return reading_decline_here(reading);
	if (cue->cue == CUE_EXTREME) {
		r = read_ranking(reading, descending);
		return r == READ_OTHERWISE ? reading_decline_here(reading) : r;
	}
	r = resolve_concept(reading, reading->query.table, cue->concept, &column.column);
	if (r)
		return r == READ_OTHERWISE
		           ? reading_decline(reading, "%s has no column for '%s'",
		                 reading_table(reading, column.table)->name, cue->phrase)
		           : r;
	return reading_set_order(reading, column, descending);
}

/* ---- groups of which only some are wanted ---- */

/* "more than", or nothing, which is exactly. */
static bool read_compare(struct reading *reading, enum compare *ret_compare)
{
	const struct item *item = reading_item(reading, 0);

	*ret_compare = COMPARE_EQUAL;
	if (!reading_is(reading, 0, CUE_COMPARE))
		return item->is_number && !item->is_date;
	if (item->cue->concept != CONCEPT_NONE)
		return false;
	*ret_compare = (enum compare)item->cue->value;
	reading->at++;
	return true;
}

static int set_having(struct reading *reading, enum compare compare, const char *number)
{
	struct query *query = &reading->query;
	bool few = compare == COMPARE_LESS || compare == COMPARE_AT_MOST;

	/* Who has nothing to add up has no group, and yet a total below anything. */
	if (few && query->aggregate == AGGREGATE_SUM)
		return reading_decline(reading, "say whether those with none are meant");
	query->has_having = true;
	query->having_compare = compare;
	snprintf(query->having_number, sizeof(query->having_number), "%s", number);
	return 0;
}

/* Values that are there; nothing is no city. */
static int leave_out_null(struct reading *reading, struct query_column column)
{
	struct query_filter filter = {.column = column, .shape = FILTER_TEST};

	if (!reading_column(reading, column)->nullable)
		return 0;
	filter.test = must_strdup("IS NOT NULL");
	return reading_add_filter(reading, filter);
}

int read_group_count(struct reading *reading)
{
	enum compare compare;
	const char *number;
	bool has = false;
	size_t table;
	int r;

	if (reading->subject == SIZE_MAX || reading->wants_measure)
		return READ_OTHERWISE;
	for (; reading_is(reading, 0, CUE_WITH) || reading_is(reading, 0, CUE_THAT) ||
	       reading_is(reading, 0, CUE_STOP);
	     reading->at++)
		has = has || reading_is(reading, 0, CUE_WITH);
	if (!has || !read_compare(reading, &compare) || !reading_item(reading, 0)->is_number)
		return READ_OTHERWISE;
	number = reading_item(reading, 0)->number;
	if (strspn(number, "0123456789") != strlen(number) || strspn(number, "0") == strlen(number))
		return READ_OTHERWISE;
	reading->at++;
	r = resolve_table(reading, reading_item(reading, 0), &table);
	if (r)
		return r;
	reading->at++;
	r = group_by_subject(reading, table);
	if (r == 0)
		r = leave_out_null(reading, reading->query.groups[0].column);
	if (r)
		return r;
	reading_count_rows(reading);
	return set_having(reading, compare, number);
}

/* Whether only rows were asked for so far, narrowed or not. */
static bool asks_for_rows(const struct reading *reading)
{
	const struct query *query = &reading->query;

	return query->aggregate == AGGREGATE_NONE && query->group_count == 0 &&
	       query->column_count == 0 && !query->distinct && !query->limit[0] &&
	       !reading->has_order && !reading->wants_measure && query->join == JOIN_NONE;
}

int read_group_measure(struct reading *reading)
{
	struct query *query = &reading->query;
	enum compare compare;
	const char *number;
	int r;

	if (!reading_is(reading, 0, CUE_WITH) || !asks_for_rows(reading))
		return READ_OTHERWISE;
	reading->at++;
	reading_skip_stops(reading);
	if (!reading_is(reading, 0, CUE_AGGREGATE))
		return READ_OTHERWISE;
	r = read_ranking(reading, true);
	if (r)
		return r;
	query->order = ORDER_NONE;
	query->limit[0] = '\0';
	reading->has_order = false;
	while (reading_is(reading, 0, CUE_OF) || reading_is(reading, 0, CUE_STOP))
		reading->at++;
	if (query->group_count == 0 || !read_compare(reading, &compare))
		return reading_decline_here(reading);
	r = reading_take_number(reading, query->measure, &number);
	if (r)
		return r == READ_OTHERWISE ? reading_decline_here(reading) : r;
	return set_having(reading, compare, number);
}
