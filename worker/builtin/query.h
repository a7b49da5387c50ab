/*
 * What a question was understood to ask, before it is SQL: one table, at most one other that a
 * foreign key reaches, and what is selected, filtered, grouped and ordered.
 * Filled by the reading (read.h), written by query_write.
 */
#pragma once

#include <stdbool.h>

#include "text/snapshot.h"
#include "worker/builtin/grammar.h"

enum { QUERY_FILTERS_MAX = 12, QUERY_COLUMNS_MAX = 12, QUERY_GROUPS_MAX = 2 };

struct query_column {
	size_t table, column;
};

struct query_filter {
	struct query_column column;
	enum { FILTER_TEST, FILTER_RANGE, FILTER_IS_BOOLEAN, FILTER_NOT_BOOLEAN } shape;
	char *test; /* SQL behind the column: = 'x', IS NULL, >= DATE …; heap */
	char *until; /* of a range: < DATE … */
};

/* How a foreign key connects two tables; the child holds it. */
struct query_path {
	size_t child, parent;
	const struct snapshot_foreign_key *key;
};

struct query_group {
	struct query_column column;
	bool whole_row; /* one group for each row of column.table, shown by its name */
	enum period period; /* PERIOD_NONE: the value itself */
};

enum query_join {
	JOIN_NONE,
	JOIN_INNER,
	JOIN_LEFT, /* rows without a partner count as 0 */
	JOIN_COUNT, /* only how many rows there are is compared: a condition on the table's rows */
};

struct query {
	const struct snapshot *snapshot;
	size_t table;
	enum query_join join;
	size_t other;
	struct query_path path;
	enum compare join_compare; /* of JOIN_COUNT */
	char join_count[40];

	enum aggregate aggregate;
	bool counts_rows; /* COUNT of rows, not of a column */
	bool distinct;
	struct query_column measure; /* of an aggregate over a column */

	bool names_only; /* show what rows are known by, not all their columns */
	size_t column_count;
	struct query_column columns[QUERY_COLUMNS_MAX];
	size_t filter_count;
	struct query_filter filters[QUERY_FILTERS_MAX];
	size_t group_count;
	struct query_group groups[QUERY_GROUPS_MAX];

	bool has_having; /* of the groups only those whose aggregate compares so with the number */
	enum compare having_compare;
	char having_number[40];

	enum { ORDER_NONE, ORDER_COLUMN, ORDER_AGGREGATE, ORDER_GROUP } order;
	struct query_column order_column;
	bool descending;
	char limit[12]; /* empty: none */
};

void query_filter_deinit(struct query_filter *filter);
void query_deinit(struct query *query);

/* 0, 1 where no foreign key connects them, 2 where several do. */
int query_find_path(
    const struct snapshot *snapshot, size_t a, size_t b, struct query_path *ret_path);
/* Whether the column is an identifier: of the primary key, or of a foreign one. */
bool query_is_key(const struct snapshot_table *table, size_t column);
/* The columns that people know a row by, at most 2; the primary key where there are no such. */
size_t query_name_columns(const struct snapshot_table *table, size_t ret_columns[2]);
