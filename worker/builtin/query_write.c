#include "worker/builtin/query_write.h"

#include <stdlib.h>

static const char *const reserved[] = {
#define RESERVED(word) word,
#include "worker/builtin/reserved.def"
#undef RESERVED
};

/* How each aggregate is called in SQL, and in the name of its column. */
static const struct {
	const char *function, *alias;
} aggregates[] = {
    [AGGREGATE_NONE] = {"", ""},
    [AGGREGATE_COUNT] = {"count", "count"},
    [AGGREGATE_SUM] = {"sum", "total"},
    [AGGREGATE_AVERAGE] = {"avg", "average"},
    [AGGREGATE_MINIMUM] = {"min", "lowest"},
    [AGGREGATE_MAXIMUM] = {"max", "highest"},
};

static const char *const compares[] = {
    [COMPARE_EQUAL] = "=",
    [COMPARE_MORE] = ">",
    [COMPARE_AT_LEAST] = ">=",
    [COMPARE_LESS] = "<",
    [COMPARE_AT_MOST] = "<=",
};

static const char *const periods[] = {
    [PERIOD_NONE] = "",
    [PERIOD_DAY] = "day",
    [PERIOD_WEEK] = "week",
    [PERIOD_MONTH] = "month",
    [PERIOD_QUARTER] = "quarter",
    [PERIOD_YEAR] = "year",
};

struct writer {
	const struct query *query;
	struct buffer *sql;
	bool qualified;
};

static int compare_word(const void *key, const void *row)
{
	return strcmp(key, *(const char *const *)row);
}

static bool needs_quotes(const char *name)
{
	if (*name != '_' && (*name < 'a' || *name > 'z'))
		return true;
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
		return true;
	return bsearch(name, reserved, sizeof(reserved) / sizeof(reserved[0]), sizeof(reserved[0]),
	           compare_word) != NULL;
}

void query_append_name(struct buffer *sql, const char *name)
{
	if (!needs_quotes(name)) {
		buffer_append_string(sql, name);
		return;
	}
	buffer_append_string(sql, "\"");
	for (; *name; name++)
		buffer_append(sql, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
	buffer_append_string(sql, "\"");
}

void query_append_literal(struct buffer *buffer, struct bytes text)
{
	buffer_append_string(buffer, "'");
	for (size_t i = 0; i < text.size; i++)
		buffer_append(buffer, text.data[i] == '\'' ? "''" : text.data + i,
		    text.data[i] == '\'' ? 2 : 1);
	buffer_append_string(buffer, "'");
}

const char *query_compare_sql(enum compare compare)
{
	return compares[compare];
}

static const struct snapshot_table *table_of(const struct writer *writer, size_t table)
{
	return &writer->query->snapshot->tables[table];
}

static bool is_reached_bare(const struct snapshot *snapshot, const struct snapshot_table *table)
{
	return snapshot_find_table(snapshot, NULL, table->name) == table;
}

static void append_table(struct writer *writer, size_t table)
{
	const struct snapshot_table *row = table_of(writer, table);

	if (!is_reached_bare(writer->query->snapshot, row)) {
		query_append_name(writer->sql, row->schema);
		buffer_append_string(writer->sql, ".");
	}
	query_append_name(writer->sql, row->name);
}

static void append_column(struct writer *writer, struct query_column column)
{
	if (writer->qualified) {
		query_append_name(writer->sql, table_of(writer, column.table)->name);
		buffer_append_string(writer->sql, ".");
	}
	query_append_name(writer->sql, table_of(writer, column.table)->columns[column.column].name);
}

/* The join's condition, always qualified. */
static void append_path(struct writer *writer)
{
	const struct query_path *path = &writer->query->path;

	for (size_t i = 0; i < path->key->column_count; i++) {
		const struct snapshot_table *parent = table_of(writer, path->parent);

		if (i > 0)
			buffer_append_string(writer->sql, " AND ");
		append_column(writer, (struct query_column){path->child, path->key->columns[i]});
		buffer_append_string(writer->sql, " = ");
		query_append_name(writer->sql, parent->name);
		buffer_append_string(writer->sql, ".");
		query_append_name(writer->sql, path->key->ref_columns[i]);
	}
}

static void append_filter(struct writer *writer, const struct query_filter *filter)
{
	if (filter->shape == FILTER_NOT_BOOLEAN)
		buffer_append_string(writer->sql, "NOT ");
	append_column(writer, filter->column);
	if (filter->shape == FILTER_TEST || filter->shape == FILTER_RANGE) {
		buffer_append_string(writer->sql, " ");
		buffer_append_string(writer->sql, filter->test);
	}
	if (filter->shape != FILTER_RANGE)
		return;
	buffer_append_string(writer->sql, " AND ");
	append_column(writer, filter->column);
	buffer_append_string(writer->sql, " ");
	buffer_append_string(writer->sql, filter->until);
}

/* A left join keeps rows without a partner only if its filters stand with the join. */
static bool stands_inside(const struct query *query, const struct query_filter *filter)
{
	return filter->column.table == query->other &&
	       (query->join == JOIN_COUNT || query->join == JOIN_LEFT);
}

static void append_inside_filters(struct writer *writer)
{
	const struct query *query = writer->query;

	for (size_t i = 0; i < query->filter_count; i++) {
		if (!stands_inside(query, &query->filters[i]))
			continue;
		buffer_append_string(writer->sql, " AND ");
		append_filter(writer, &query->filters[i]);
	}
}

static void append_join_count(struct writer *writer)
{
	const struct query *query = writer->query;
	bool none = query->join_compare == COMPARE_EQUAL && strcmp(query->join_count, "0") == 0;
	bool some = query->join_compare == COMPARE_AT_LEAST && strcmp(query->join_count, "1") == 0;

	buffer_append_string(writer->sql, none   ? "NOT EXISTS (SELECT 1"
	                                  : some ? "EXISTS (SELECT 1"
	                                         : "(SELECT count(*)");
	buffer_append_string(writer->sql, " FROM ");
	append_table(writer, query->other);
	buffer_append_string(writer->sql, " WHERE ");
	append_path(writer);
	append_inside_filters(writer);
	buffer_append_string(writer->sql, ")");
	if (!none && !some)
		buffer_printf(
		    writer->sql, " %s %s", compares[query->join_compare], query->join_count);
}

static void append_from(struct writer *writer)
{
	const struct query *query = writer->query;

	buffer_append_string(writer->sql, " FROM ");
	append_table(writer, query->table);
	if (query->join != JOIN_INNER && query->join != JOIN_LEFT)
		return;
	buffer_append_string(writer->sql, query->join == JOIN_LEFT ? " LEFT JOIN " : " JOIN ");
	append_table(writer, query->other);
	buffer_append_string(writer->sql, " ON ");
	append_path(writer);
	append_inside_filters(writer);
}

static void append_where(struct writer *writer)
{
	const struct query *query = writer->query;
	const char *before = " WHERE ";

	for (size_t i = 0; i < query->filter_count; i++) {
		if (stands_inside(query, &query->filters[i]))
			continue;
		buffer_append_string(writer->sql, before);
		append_filter(writer, &query->filters[i]);
		before = " AND ";
	}
	if (query->join != JOIN_COUNT)
		return;
	buffer_append_string(writer->sql, before);
	append_join_count(writer);
}

static void append_group_value(struct writer *writer, const struct query_group *group)
{
	if (group->period == PERIOD_YEAR)
		buffer_append_string(writer->sql, "extract(year FROM ");
	else if (group->period != PERIOD_NONE)
		buffer_printf(writer->sql, "date_trunc('%s', ", periods[group->period]);
	append_column(writer, group->column);
	if (group->period == PERIOD_YEAR)
		buffer_append_string(writer->sql, ")::integer");
	else if (group->period != PERIOD_NONE)
		buffer_append_string(writer->sql, ")::date");
}

static size_t primary_key_of(const struct snapshot_table *table, const size_t **ret_columns)
{
	*ret_columns = table->primary_key;
	return table->primary_key_count;
}

/* The columns of a group: what is shown of it, or (for_identity) what tells it from others. */
static void append_group(struct writer *writer, const struct query_group *group, bool for_identity)
{
	const struct snapshot_table *table = table_of(writer, group->column.table);
	const size_t *columns;
	size_t names[2], count;

	if (!group->whole_row) {
		append_group_value(writer, group);
		return;
	}
	count = query_name_columns(table, names);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_string(writer->sql, ", ");
		append_column(writer, (struct query_column){group->column.table, names[i]});
	}
	if (!for_identity || (count == 1 && table->columns[names[0]].unique))
		return;
	count = primary_key_of(table, &columns);
	for (size_t i = 0; i < count; i++) {
		buffer_append_string(writer->sql, ", ");
		append_column(writer, (struct query_column){group->column.table, columns[i]});
	}
}

static void append_aggregate_alias(struct writer *writer)
{
	const struct query *query = writer->query;
	const char *alias = aggregates[query->aggregate].alias, *name;
	CLEAN(buffer) struct buffer whole = BUFFER_INIT;

	if (query->aggregate == AGGREGATE_COUNT) {
		buffer_append_string(writer->sql, alias);
		return;
	}
	name = table_of(writer, query->measure.table)->columns[query->measure.column].name;
	if (strncmp(name, alias, strlen(alias)) != 0)
		buffer_printf(&whole, "%s_", alias);
	buffer_printf(&whole, "%.50s", name);
	query_append_name(writer->sql, buffer_string(&whole));
}

static void append_aggregate_call(struct writer *writer)
{
	const struct query *query = writer->query;

	buffer_printf(writer->sql, "%s(", aggregates[query->aggregate].function);
	if (query->counts_rows && query->join == JOIN_LEFT)
		append_column(
		    writer, (struct query_column){query->path.child, query->path.key->columns[0]});
	else if (query->counts_rows)
		buffer_append_string(writer->sql, "*");
	if (query->distinct)
		buffer_append_string(writer->sql, "DISTINCT ");
	if (!query->counts_rows)
		append_column(writer, query->measure);
	buffer_append_string(writer->sql, ")");
}

static void append_aggregate(struct writer *writer)
{
	append_aggregate_call(writer);
	buffer_append_string(writer->sql, " AS ");
	append_aggregate_alias(writer);
}

static void append_having(struct writer *writer)
{
	const struct query *query = writer->query;

	if (!query->has_having)
		return;
	buffer_append_string(writer->sql, " HAVING ");
	append_aggregate_call(writer);
	buffer_printf(writer->sql, " %s %s", compares[query->having_compare], query->having_number);
}

static void append_row_columns(struct writer *writer)
{
	const struct query *query = writer->query;
	const struct snapshot_table *table = table_of(writer, query->table);
	size_t names[2], count = 0;

	if (query->distinct)
		buffer_append_string(writer->sql, "DISTINCT ");
	for (size_t i = 0; i < query->column_count; i++) {
		buffer_append_string(writer->sql, i > 0 ? ", " : "");
		append_column(writer, query->columns[i]);
	}
	if (query->column_count > 0)
		return;
	if (query->names_only)
		count = query_name_columns(table, names);
	if (count == 0 || query_is_key(table, names[0])) {
		if (writer->qualified) {
			query_append_name(writer->sql, table->name);
			buffer_append_string(writer->sql, ".");
		}
		buffer_append_string(writer->sql, "*");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		buffer_append_string(writer->sql, i > 0 ? ", " : "");
		append_column(writer, (struct query_column){query->table, names[i]});
	}
	if (query->order == ORDER_COLUMN && query->order_column.column != names[0]) {
		buffer_append_string(writer->sql, ", ");
		append_column(writer, query->order_column);
	}
}

static void append_select(struct writer *writer)
{
	const struct query *query = writer->query;
	const char *between = "";

	for (size_t i = 0; i < query->group_count; i++) {
		const struct query_group *group = &query->groups[i];

		buffer_append_string(writer->sql, between);
		append_group(writer, group, false);
		if (group->period != PERIOD_NONE)
			buffer_printf(writer->sql, " AS %s", periods[group->period]);
		between = ", ";
	}
	buffer_append_string(writer->sql, between);
	if (query->aggregate == AGGREGATE_NONE)
		append_row_columns(writer);
	else
		append_aggregate(writer);
}

static void append_groups(struct writer *writer, const char *before)
{
	for (size_t i = 0; i < writer->query->group_count; i++) {
		buffer_append_string(writer->sql, i == 0 ? before : ", ");
		append_group(writer, &writer->query->groups[i], true);
	}
}

/* Rows that are equal in what was asked for come in the order of their key. */
static void append_order(struct writer *writer)
{
	const struct query *query = writer->query;
	const char *direction = query->descending ? " DESC NULLS LAST" : "";
	const char *between = " ORDER BY ";
	const size_t *columns;
	size_t count;

	if (query->order == ORDER_AGGREGATE) {
		buffer_append_string(writer->sql, between);
		append_aggregate_alias(writer);
		buffer_append_string(
		    writer->sql, query->counts_rows && query->descending ? " DESC" : direction);
		between = ", ";
	} else if (query->order == ORDER_COLUMN) {
		buffer_append_string(writer->sql, between);
		append_column(writer, query->order_column);
		buffer_append_string(writer->sql, direction);
		between = ", ";
	} else if (query->order == ORDER_GROUP) {
		buffer_append_string(writer->sql, between);
		append_group(writer, &query->groups[0], false);
		buffer_append_string(writer->sql, direction);
		between = ", ";
	}
	if (query->group_count > 0)
		append_groups(writer, between);
	if (query->aggregate != AGGREGATE_NONE)
		return;
	if (query->distinct) {
		for (size_t i = 0; i < query->column_count; i++) {
			buffer_append_string(writer->sql, between);
			append_column(writer, query->columns[i]);
			between = ", ";
		}
		return;
	}
	count = primary_key_of(table_of(writer, query->table), &columns);
	for (size_t i = 0; i < count; i++) {
		if (query->order == ORDER_COLUMN && query->order_column.table == query->table &&
		    query->order_column.column == columns[i])
			continue;
		buffer_append_string(writer->sql, between);
		append_column(writer, (struct query_column){query->table, columns[i]});
		between = ", ";
	}
}

void query_write(const struct query *query, struct buffer *ret_sql)
{
	struct writer writer = {query, ret_sql, query->join != JOIN_NONE};

	buffer_append_string(ret_sql, "SELECT ");
	append_select(&writer);
	append_from(&writer);
	append_where(&writer);
	if (query->group_count > 0)
		append_groups(&writer, " GROUP BY ");
	append_having(&writer);
	append_order(&writer);
	if (query->limit[0])
		buffer_printf(ret_sql, " LIMIT %s", query->limit);
}
