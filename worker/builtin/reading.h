/*
 * The state of one reading: where in the question it is, and the query so far. What words mean
 * in that state: columns, values, dates and joins (resolve_…); asking and narrowing are read by
 * read_request.c and read_tail.c. All functions return 0 when they understood, READ_OTHERWISE
 * when the words are not theirs (nothing is changed then), READ_DECLINED with the error set.
 */
#pragma once

#include "common/error.h"
#include "worker/builtin/link.h"
#include "worker/builtin/query.h"

enum { READ_OTHERWISE = 1, READ_DECLINED = 2, READ_PENDING_MAX = 6 };

struct reading {
	struct link link;
	size_t at; /* the next item */
	struct query query;
	bool has_table;
	bool singular; /* one row was asked for: "which product" */
	bool wants_measure; /* "top 5 customers": by what is still to come */
	bool has_order;
	bool each_did; /* "did each customer": a verb may follow */
	size_t subject; /* a column as what is asked for ("which city"), or SIZE_MAX */
	size_t scope; /* the table whose rows are told apart: what was asked for, or its children */
	size_t nearest; /* the table that was mentioned last */
	size_t pending_count; /* values before the noun they belong to */
	struct {
		size_t item;
		bool negated;
	} pending[READ_PENDING_MAX];
	struct error *error;
};

/* The item `ahead` of the next one; one that means nothing behind the end. */
const struct item *reading_item(const struct reading *reading, size_t ahead);
bool reading_is(const struct reading *reading, size_t ahead, enum cue cue);
/* Whether one thing is named: "which product", "the cheapest product". */
bool reading_is_singular(const struct reading *reading, const struct item *item);
/* Only cues that say nothing. */
void reading_skip_stops(struct reading *reading);
int reading_decline(struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Declines because of an item: it is unknown, or it stands where it says nothing to us. */
int reading_decline_item(struct reading *reading, const struct item *item);
const struct snapshot_column *reading_column(
    const struct reading *reading, struct query_column column);
const struct snapshot_table *reading_table(const struct reading *reading, size_t table);

/* The item's table; READ_OTHERWISE where it is none. */
int resolve_table(struct reading *reading, const struct item *item, size_t *ret_table);
/* Lets the query read a second table. */
int resolve_join(struct reading *reading, size_t table, enum query_join join);
/* In a table only: its name, else a part of it. */
int resolve_column_in(
    struct reading *reading, const struct item *item, size_t table, size_t *ret_column);
enum resolve_reach { REACH_PARENTS, REACH_CHILDREN };
/* In the query's tables, else in one that a foreign key reaches; joins that. */
int resolve_column(struct reading *reading, const struct item *item, enum resolve_reach reach,
    struct query_column *ret_column);
/* Without a table so far: the one column of that name in all tables. Sets the table. */
int resolve_only_column(struct reading *reading, const struct item *item);
/* The column of a table that a concept means. */
int resolve_concept(
    struct reading *reading, size_t table, enum concept concept, size_t *ret_column);
/* The one number that rows of the table are measured by; a unit may narrow it. */
int resolve_measure(struct reading *reading, size_t table, const char *unit, size_t *ret_column);
/* Whether the unit fits what the column's name and comment say. */
bool resolve_unit_fits(const struct snapshot_column *column, const char *unit);
/* A value of a column in reach; hint NULL, or an item that names its table or column. */
int resolve_value(struct reading *reading, const struct item *item, const struct item *hint,
    struct link_value *ret_value);

bool column_is_numeric(const struct snapshot_column *column);
bool column_is_date(const struct snapshot_column *column);

/* Adds a filter; takes the strings. */
int reading_add_filter(struct reading *reading, struct query_filter filter);

int reading_add_compare(
    struct reading *reading, struct query_column column, enum compare compare, const char *number);
/* Orders the rows by a column of theirs; one row where one was asked for. */
int reading_set_order(struct reading *reading, struct query_column column, bool descending);
/* What is asked for is how many rows there are. */
int reading_count_rows(struct reading *reading);
/* Declines because of the next item. */
int reading_decline_here(struct reading *reading);
/* Sums and averages of identifiers say nothing; extremes of texts are a matter of taste. */
int reading_check_measure(struct reading *reading);

/* What is asked for: the beginning of the question. */
int read_request(struct reading *reading);
/* A noun and what stands before it: "cancelled orders", "order 17". */
int read_subject(struct reading *reading);
/* "number of orders", "total order amount", "price": what rows are ranked by. */
int read_ranking(struct reading *reading, bool descending);
/* "cities that have more than 10 customers", "products with an average rating above 4" */
int read_group_count(struct reading *reading);
int read_group_measure(struct reading *reading);
/* A number to compare the column's values with; a unit must be the column's. */
int reading_take_number(
    struct reading *reading, struct query_column column, const char **ret_number);
/* "highest price", "cheapest", "most orders" of a table that is known. */
int read_superlative(struct reading *reading);

/* What narrows, groups or orders it: everything after. */
int read_tail(struct reading *reading);

/* Filters: [verb or column] preposition date. */
int read_date(struct reading *reading);
int read_column_test(struct reading *reading);
int read_comparison(struct reading *reading);
int read_value(struct reading *reading);
/* Makes the filters of the values that stood before the noun. */
int read_pending(struct reading *reading);
