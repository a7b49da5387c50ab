#include "worker/builtin/reading.h"

bool reading_is_singular(const struct reading *reading, const struct item *item)
{
	const struct word *word = &reading->link.words.items[item->first + item->count - 1];
	size_t size = strlen(word->folded);

	return size < 2 || word->folded[size - 1] != 's' || strcmp(word->folded, word->stem) == 0;
}

static bool is_boolean(struct reading *reading, const struct item *item)
{
	struct link_column columns[LINK_REFS_MAX];
	size_t count = link_columns(&reading->link, item, columns);

	for (size_t i = 0; i < count; i++)
		if (reading_table(reading, columns[i].table)->columns[columns[i].column].kind ==
		    COLUMN_BOOLEAN)
			return true;
	return false;
}

static int set_table(struct reading *reading, size_t table, const struct item *item)
{
	reading->query.table = reading->scope = reading->nearest = table;
	reading->has_table = true;
	reading->singular = reading_is_singular(reading, item);
	return 0;
}

/* "order 17": the row with that key. */
static int read_key(struct reading *reading)
{
	const struct item *item = reading_item(reading, 0);
	const struct snapshot_table *table = reading_table(reading, reading->query.table);
	struct query_filter filter = {.shape = FILTER_TEST};
	struct buffer test = BUFFER_INIT;

	if (!item->is_number || item->is_date || !reading->singular)
		return READ_OTHERWISE;
	if (table->primary_key_count != 1 ||
	    table->columns[table->primary_key[0]].kind != COLUMN_INTEGER ||
	    strchr(item->number, '.'))
		return READ_OTHERWISE;
	buffer_printf(&test, "= %s", item->number);
	filter.column = (struct query_column){reading->query.table, table->primary_key[0]};
	filter.test = must_strdup(buffer_string(&test));
	buffer_deinit(&test);
	reading->at++;
	return reading_add_filter(reading, filter);
}

/* "customer orders": orders, each of which has a customer. */
static int read_noun(struct reading *reading)
{
	const struct item *item = reading_item(reading, 0), *next = reading_item(reading, 1);
	struct query_path path;
	size_t table, second;
	int r = resolve_table(reading, item, &table);

	if (r)
		return r;
	reading->at++;
	if (!next->is_table || next->cue)
		return set_table(reading, table, item);
	r = resolve_table(reading, next, &second);
	if (r)
		return r;
	if (query_find_path(reading->link.snapshot, table, second, &path) || path.child != second)
		return reading_decline_item(reading, next);
	reading->at++;
	return set_table(reading, second, next);
}

int read_subject(struct reading *reading)
{
	bool negated = false;
	int r;

	for (;;) {
		const struct item *item = reading_item(reading, 0);

		if (item->is_table && !(item->is_value && reading_item(reading, 1)->is_table))
			break;
		if (item->is_value || (item->is_column && is_boolean(reading, item))) {
			if (reading->pending_count == READ_PENDING_MAX)
				return READ_OTHERWISE;
			reading->pending[reading->pending_count].item = reading->at++;
			reading->pending[reading->pending_count++].negated = negated;
			negated = false;
			continue;
		}
		if (reading_is(reading, 0, CUE_NOT)) {
			negated = true;
		} else if (!reading_is(reading, 0, CUE_STOP) &&
		           !(reading_is(reading, 0, CUE_AND) && reading->pending_count) &&
		           !(reading_is(reading, 0, CUE_OR) && reading->pending_count)) {
			return READ_OTHERWISE;
		}
		reading->at++;
	}
	if (negated)
		return READ_OTHERWISE;
	r = read_noun(reading);
	if (r)
		return r;
	r = read_key(reading);
	if (r == READ_DECLINED)
		return r;
	return read_pending(reading);
}

static int need_subject(struct reading *reading)
{
	int r = read_subject(reading);

	return r == READ_OTHERWISE ? reading_decline_here(reading) : r;
}

static bool is_of(const struct reading *reading)
{
	return reading_is(reading, 0, CUE_OF) || reading_is(reading, 0, CUE_FOR) ||
	       reading_is(reading, 0, CUE_FROM) || reading_is(reading, 0, CUE_IN) ||
	       reading_is(reading, 0, CUE_AT);
}

/* "… of products": what has the columns that were named. Without it the columns say it. */
static int read_owner(struct reading *reading, const struct item *column)
{
	size_t before = reading->at;
	int r;

	reading_skip_stops(reading);
	if (is_of(reading)) {
		reading->at++;
		r = read_subject(reading);
		if (r != READ_OTHERWISE)
			return r;
		reading->pending_count = 0;
	}
	reading->at = before;
	r = resolve_only_column(reading, column);
	return r == READ_OTHERWISE ? reading_decline_item(reading, column) : r;
}

/* "how many different cities do we have customers in" is beyond us; "distinct cities of customers"
 * is not. */
static int read_count(struct reading *reading)
{
	struct query *query = &reading->query;
	const struct item *item;
	int r;

	reading->at++;
	reading_skip_stops(reading);
	if (!reading_is(reading, 0, CUE_DISTINCT)) {
		reading_count_rows(reading);
		return need_subject(reading);
	}
	reading->at++;
	item = reading_item(reading, 0);
	if (!item->is_column || (item->is_table && !reading_is(reading, 1, CUE_OF) &&
	                            !reading_is(reading, 1, CUE_FROM))) {
		reading_count_rows(reading);
		return need_subject(reading);
	}
	reading->at++;
	r = read_owner(reading, item);
	if (r)
		return r;
	query->aggregate = AGGREGATE_COUNT;
	query->distinct = true;
	query->measure.table = query->table;
	r = resolve_column_in(reading, item, query->table, &query->measure.column);
	return r == READ_OTHERWISE ? reading_decline_item(reading, item) : r;
}

/* "sum of payments", where payments have one number; "total customers" counts them. */
static int read_total_rows(struct reading *reading)
{
	struct query *query = &reading->query;
	bool is_sum = reading->link.items[reading->at - 1].cue->phrase[0] == 's';
	size_t column;
	int r = need_subject(reading);

	if (r)
		return r;
	r = resolve_measure(reading, query->table, NULL, &column);
	if (is_sum && r)
		return r;
	if (!is_sum && r == 0)
		return reading_decline(reading, "say whether %s are to be counted or added up",
		    reading_table(reading, query->table)->name);
	if (!is_sum)
		return reading_count_rows(reading);
	query->aggregate = AGGREGATE_SUM;
	query->measure = (struct query_column){query->table, column};
	return 0;
}

/* "average order value": the table's money, by whatever name. */
static int read_amount(struct reading *reading, enum aggregate aggregate)
{
	struct query *query = &reading->query;
	int r = read_noun(reading);

	if (r)
		return r == READ_OTHERWISE ? reading_decline_here(reading) : r;
	reading->at++;
	r = resolve_concept(reading, query->table, CONCEPT_MONEY, &query->measure.column);
	if (r)
		return r == READ_OTHERWISE ? reading_decline(reading, "%s has no amount of money",
		                                 reading_table(reading, query->table)->name)
		                           : r;
	query->measure.table = query->table;
	query->aggregate = aggregate;
	return reading_check_measure(reading);
}

/* "average price of products", "total amount", "latest order date" */
static int read_aggregate(struct reading *reading, enum aggregate aggregate)
{
	struct query *query = &reading->query;
	const struct item *item;
	int r;

	reading->at++;
	reading_skip_stops(reading);
	item = reading_item(reading, 0);
	if (aggregate == AGGREGATE_SUM && item->is_table && !item->is_column &&
	    !reading_is(reading, 1, CUE_AMOUNT))
		return read_total_rows(reading);
	if (item->is_table && reading_is(reading, 1, CUE_AMOUNT))
		return read_amount(reading, aggregate);
	if (!item->is_column && !reading_is(reading, 0, CUE_AMOUNT))
		return reading_decline_here(reading);
	reading->at++;
	r = read_owner(reading, item);
	if (r)
		return r;
	query->aggregate = aggregate;
	query->measure.table = query->table;
	r = resolve_column_in(reading, item, query->table, &query->measure.column);
	if (r == READ_OTHERWISE && item->cue && item->cue->cue == CUE_AMOUNT)
		r = resolve_concept(reading, query->table, CONCEPT_MONEY, &query->measure.column);
	if (r == READ_OTHERWISE)
		r = resolve_column(reading, item, REACH_CHILDREN, &query->measure);
	if (r)
		return r == READ_OTHERWISE ? reading_decline_item(reading, item) : r;
	reading->scope = query->measure.table;
	return reading_check_measure(reading);
}

static int set_limit(struct reading *reading, const char *number)
{
	if (strlen(number) > 6 || strchr(number, '.') || strspn(number, "0") == strlen(number))
		return reading_decline(reading, "%s is no number of rows", number);
	strcpy(reading->query.limit, number);
	return 0;
}

/* A number of rows, where one stands here. */
static int read_row_limit(struct reading *reading)
{
	const struct item *item = reading_item(reading, 0);
	int r;

	if (!item->is_number || item->is_date || reading->query.limit[0])
		return 0;
	r = set_limit(reading, item->number);
	reading->at += r == 0;
	return r;
}

/* "5 cheapest products", "cheapest product", "latest 3 orders" */
static int read_superlative_rows(struct reading *reading)
{
	struct query_column column = {0};
	const struct cue_row *cue;
	int r;

	r = read_row_limit(reading);
	if (r)
		return r;
	cue = reading_item(reading, 0)->cue;
	reading->at++;
	r = read_row_limit(reading);
	if (r == 0)
		r = need_subject(reading);
	if (r)
		return r;
	reading->query.names_only = true;
	column.table = reading->query.table;
	r = resolve_concept(reading, column.table, cue->concept, &column.column);
	if (r == READ_OTHERWISE)
		return reading_decline(reading, "%s has no column for '%s'",
		    reading_table(reading, column.table)->name, cue->phrase);
	return r ? r : reading_set_order(reading, column, cue->value == AGGREGATE_MAXIMUM);
}

/* "top 5 customers by …", "top 5 countries by number of customers" */
static int read_top(struct reading *reading)
{
	const struct item *item;
	int r;

	reading->query.descending = reading_item(reading, 0)->cue->value == AGGREGATE_MAXIMUM;
	reading->at++;
	r = read_row_limit(reading);
	if (r)
		return r;
	if (reading_is(reading, 0, CUE_SUPERLATIVE))
		return read_superlative_rows(reading);
	reading->wants_measure = true;
	item = reading_item(reading, 0);
	if (item->is_column && !item->is_table) {
		reading->subject = reading->at++;
		reading->singular = reading_is_singular(reading, item);
		return 0;
	}
	return need_subject(reading);
}

static int add_columns(struct reading *reading, const size_t *items, size_t count)
{
	struct query *query = &reading->query;

	for (size_t i = 0; i < count; i++) {
		const struct item *item = &reading->link.items[items[i]];
		int r;

		if (query->column_count == QUERY_COLUMNS_MAX)
			return reading_decline(reading, "too many columns");
		r = resolve_column(
		    reading, item, REACH_PARENTS, &query->columns[query->column_count]);
		if (r)
			return r == READ_OTHERWISE ? reading_decline_item(reading, item) : r;
		query->column_count++;
	}
	return 0;
}

/* "name, price and brand": the items; how many, 0 where none begins here. */
static size_t list_columns(struct reading *reading, size_t items[QUERY_COLUMNS_MAX])
{
	size_t count = 0, before;

	for (;;) {
		const struct item *item = reading_item(reading, 0);

		if (!item->is_column || count == QUERY_COLUMNS_MAX)
			break;
		items[count++] = reading->at++;
		before = reading->at;
		while (reading_is(reading, 0, CUE_COMMA) || reading_is(reading, 0, CUE_AND) ||
		       reading_is(reading, 0, CUE_STOP))
			reading->at++;
		if (!reading_item(reading, 0)->is_column) {
			reading->at = before;
			break;
		}
	}
	return count;
}

/* "names and prices of products", "product names", "the distinct cities of customers" */
static int read_columns(struct reading *reading)
{
	size_t items[QUERY_COLUMNS_MAX], before = reading->at, count;
	const struct item *first;
	int r;

	if (reading_is(reading, 0, CUE_DISTINCT)) {
		reading->query.distinct = true;
		reading->at++;
	}
	first = reading_item(reading, 0);
	count = first->is_column ? list_columns(reading, items) : 0;
	if (count == 0 || (count == 1 && !first->compound &&
	                      ((first->is_table && !is_of(reading)) || is_boolean(reading, first) ||
	                          (first->is_value && reading_item(reading, 0)->is_table)))) {
		reading->at = before;
		reading->query.distinct = false;
		return READ_OTHERWISE;
	}
	if (count == 1 && !first->compound && !is_of(reading) && !first->is_table) {
		/* "which city has the most customers": the tail says whose. */
		reading->subject = items[0];
		reading->singular = reading_is_singular(reading, first);
		return 0;
	}
	r = read_owner(reading, first);
	return r ? r : add_columns(reading, items, count);
}

static int read_rows(struct reading *reading, bool by_name)
{
	const struct item *item = reading_item(reading, 0), *next = reading_item(reading, 1);
	int r;

	if (reading_is(reading, 0, CUE_TOP)) {
		reading->query.names_only = true;
		return read_top(reading);
	}
	if ((item->cue && item->cue->cue == CUE_SUPERLATIVE) ||
	    (item->is_number && next->cue && next->cue->cue == CUE_SUPERLATIVE))
		return read_superlative_rows(reading);
	r = read_columns(reading);
	if (r != READ_OTHERWISE)
		return r;
	reading->query.names_only = by_name;
	r = read_row_limit(reading);
	if (r)
		return r;
	if (reading_is(reading, 0, CUE_DISTINCT))
		reading->at++;
	r = need_subject(reading);
	if (r == 0 && reading_item(reading, 0)->cue &&
	    strcmp(reading_item(reading, 0)->cue->phrase, "count") == 0) {
		reading->at++;
		return reading_count_rows(reading);
	}
	return r;
}

/* "latest order date" is a date; "newest product price" is no price we could tell. */
static bool is_date_item(const struct reading *reading, size_t ahead)
{
	struct link_column columns[LINK_REFS_MAX];
	size_t count = link_columns(&reading->link, reading_item(reading, ahead), columns);

	for (size_t i = 0; i < count; i++)
		if (!column_is_date(
		        &reading_table(reading, columns[i].table)->columns[columns[i].column]))
			return false;
	return count > 0;
}

int read_request(struct reading *reading)
{
	bool by_name = false;
	const struct item *item;

	for (;; reading->at++) {
		item = reading_item(reading, 0);
		if (reading_is(reading, 0, CUE_WHICH))
			by_name = true;
		else if (!reading_is(reading, 0, CUE_LEAD) && !reading_is(reading, 0, CUE_WHAT) &&
		         !reading_is(reading, 0, CUE_STOP) && !reading_is(reading, 0, CUE_IS))
			break;
	}
	if (reading_is(reading, 0, CUE_COUNT_OF))
		return read_count(reading);
	if (item->cue && (item->cue->cue == CUE_AGGREGATE || item->cue->cue == CUE_EXTREME))
		return read_aggregate(reading, (enum aggregate)item->cue->value);
	if (item->cue && item->cue->concept == CONCEPT_RECENT && is_date_item(reading, 1))
		return read_aggregate(reading, (enum aggregate)item->cue->value);
	return read_rows(reading, by_name);
}
