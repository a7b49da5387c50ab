#include "worker/prompt_schema.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text/linking.h"
#include "worker/builtin/query_write.h"
#include "worker/prompt_fence.h"

enum {
	WHOLE_BYTES_MAX = 64 * 1024, /* a larger one never stands in a prompt whole */
	COMMENT_BYTES_MAX = 160,
	VALUE_BYTES_MAX = 40,
	LABELS_MAX = 16,
	SAMPLES_MAX = 4,
	LINKED_TABLES_MAX = 40, /* more of them confuse a small model */
	NARROW_COLUMNS_MAX = 24, /* of a table that is too wide */
	NOTE_BYTES = 64, /* what says that there is more */
};

struct prompt_schema {
	const struct snapshot *snapshot;
	struct linking *linking;
	bool share_values;
	bool is_whole; /* `whole` has all open tables */
	struct buffer whole;
};

/* ---- one table ---- */

/* As SQL has it. A name may be any text, too: one that would end a tag is not shown as it is. */
static void write_name(const char *name, struct buffer *buffer)
{
	CLEAN(buffer) struct buffer quoted = BUFFER_INIT;

	query_append_name(&quoted, name);
	prompt_fence_line(bytes_of_buffer(&quoted), quoted.size, buffer);
}

static void write_table_name(
    const struct snapshot *snapshot, const struct snapshot_table *table, struct buffer *buffer)
{
	if (snapshot_find_table(snapshot, NULL, table->name) != table) {
		write_name(table->schema, buffer);
		buffer_append_string(buffer, ".");
	}
	write_name(table->name, buffer);
}

static void write_values(
    const char *head, const char *const *values, size_t count, size_t max, struct buffer *buffer)
{
	buffer_append_string(buffer, head);
	for (size_t i = 0; i < count && i < max; i++) {
		struct bytes value = bytes_of_string(values[i]);

		buffer_append_string(buffer, i ? ", '" : "'");
		prompt_fence_line(value, VALUE_BYTES_MAX, buffer);
		buffer_append_string(buffer, "'");
	}
	if (count > max)
		buffer_append_string(buffer, ", ...");
}

/* Behind the column: what it means, and what can stand in it. */
static void write_notes(
    const struct snapshot_column *column, bool share_values, struct buffer *buffer)
{
	const char *between = " -- ";

	if (column->comment) {
		buffer_append_string(buffer, between);
		prompt_fence_line(bytes_of_string(column->comment), COMMENT_BYTES_MAX, buffer);
		between = "; ";
	}
	if (column->label_count > 0) {
		buffer_append_string(buffer, between);
		write_values("one of ", column->labels, column->label_count, LABELS_MAX, buffer);
	} else if (share_values && column->sample_count > 0) {
		buffer_append_string(buffer, between);
		write_values(
		    "such as ", column->samples, column->sample_count, SAMPLES_MAX, buffer);
	}
}

/* A key of one column stands with it; NULL: none. */
static const struct snapshot_foreign_key *single_key(
    const struct snapshot_table *table, size_t column)
{
	for (size_t i = 0; i < table->foreign_key_count; i++)
		if (table->foreign_keys[i].column_count == 1 &&
		    table->foreign_keys[i].columns[0] == column)
			return &table->foreign_keys[i];
	return NULL;
}

static void write_reference(
    const struct snapshot *snapshot, const struct snapshot_foreign_key *key, struct buffer *buffer)
{
	const struct snapshot_table *other =
	    snapshot_find_table(snapshot, key->ref_schema, key->ref_table);

	buffer_append_string(buffer, " REFERENCES ");
	if (other)
		write_table_name(snapshot, other, buffer);
	else
		write_name(key->ref_table, buffer);
	for (size_t i = 0; i < key->column_count; i++) {
		buffer_append_string(buffer, i ? ", " : "(");
		write_name(key->ref_columns[i], buffer);
	}
	buffer_append_string(buffer, ")");
}

static void write_column(const struct prompt_schema *schema, const struct snapshot_table *table,
    size_t index, struct buffer *buffer)
{
	const struct snapshot_column *column = &table->columns[index];
	const struct snapshot_foreign_key *key = single_key(table, index);

	buffer_append_string(buffer, "  ");
	write_name(column->name, buffer);
	buffer_append_string(buffer, " ");
	prompt_fence_line(bytes_of_string(column->type), strlen(column->type), buffer);
	if (table->primary_key_count == 1 && table->primary_key[0] == index)
		buffer_append_string(buffer, " PRIMARY KEY");
	if (key)
		write_reference(schema->snapshot, key, buffer);
	buffer_append_string(buffer, ",");
	write_notes(column, schema->share_values, buffer);
	buffer_append_string(buffer, "\n");
}

static void write_long_keys(
    const struct prompt_schema *schema, const struct snapshot_table *table, struct buffer *buffer)
{
	for (size_t i = 0; i < table->foreign_key_count; i++) {
		const struct snapshot_foreign_key *key = &table->foreign_keys[i];

		if (key->column_count < 2)
			continue;
		for (size_t k = 0; k < key->column_count; k++) {
			buffer_append_string(buffer, k ? ", " : "  FOREIGN KEY (");
			write_name(table->columns[key->columns[k]].name, buffer);
		}
		buffer_append_string(buffer, ")");
		write_reference(schema->snapshot, key, buffer);
		buffer_append_string(buffer, ",\n");
	}
}

struct valued_column {
	size_t column;
	float worth;
};

static int compare_worth(const void *a, const void *b)
{
	const struct valued_column *left = a, *right = b;

	if (left->worth != right->worth)
		return left->worth < right->worth ? 1 : -1;
	return (left->column > right->column) - (left->column < right->column);
}

/* Which columns of a wide table are shown: its keys, then those that the question is about. */
static void choose_columns(const struct prompt_schema *schema, size_t index,
    const struct linking_ranks *ranks, bool *ret_shown)
{
	const struct snapshot_table *table = &schema->snapshot->tables[index];
	struct valued_column *columns = must_alloc((table->column_count + 1) * sizeof(*columns));

	for (size_t i = 0; i < table->column_count; i++)
		columns[i] = (struct valued_column){
		    i, snapshot_is_in_key(table, i)
		           ? INFINITY
		           : linking_column_worth(schema->linking, ranks, index, i)};
	if (table->column_count > 0)
		qsort(columns, table->column_count, sizeof(*columns), compare_worth);
	for (size_t i = 0; i < table->column_count; i++)
		ret_shown[columns[i].column] = i < NARROW_COLUMNS_MAX;
	free(columns);
}

/* ranks NULL: all columns. */
static void write_table(const struct prompt_schema *schema, size_t index,
    const struct linking_ranks *ranks, struct buffer *buffer)
{
	const struct snapshot_table *table = &schema->snapshot->tables[index];
	bool *shown = must_zalloc(table->column_count + 1);

	if (ranks)
		choose_columns(schema, index, ranks, shown);
	buffer_append_string(buffer, "CREATE TABLE ");
	write_table_name(schema->snapshot, table, buffer);
	buffer_append_string(buffer, " (");
	if (table->comment) {
		buffer_append_string(buffer, " -- ");
		prompt_fence_line(bytes_of_string(table->comment), COMMENT_BYTES_MAX, buffer);
	}
	buffer_append_string(buffer, "\n");
	for (size_t i = 0; i < table->column_count; i++)
		if (!ranks || shown[i])
			write_column(schema, table, i, buffer);
	free(shown);
	write_long_keys(schema, table, buffer);
	buffer_append_string(buffer, ");\n");
}

/* ---- the schema ---- */

static void write_whole(struct prompt_schema *schema)
{
	schema->is_whole = true;
	for (size_t i = 0; i < schema->snapshot->table_count && schema->is_whole; i++) {
		if (snapshot_is_open(&schema->snapshot->tables[i]))
			write_table(schema, i, NULL, &schema->whole);
		schema->is_whole = schema->whole.size <= WHOLE_BYTES_MAX;
	}
	if (!schema->is_whole)
		buffer_deinit(&schema->whole);
}

struct prompt_schema *prompt_schema_new(const struct vocabulary *vocabulary, bool share_values)
{
	struct prompt_schema *schema = must_zalloc(sizeof(*schema));

	schema->snapshot = vocabulary_snapshot(vocabulary);
	schema->linking = linking_new(vocabulary);
	schema->share_values = share_values;
	write_whole(schema);
	return schema;
}

void prompt_schema_free(struct prompt_schema *schema)
{
	if (!schema)
		return;
	linking_free(schema->linking);
	buffer_deinit(&schema->whole);
	free(schema);
}

/* The table whole, or else narrow, or else not. False: not. */
static bool write_fitting(const struct prompt_schema *schema, size_t table,
    const struct linking_ranks *ranks, size_t left, struct buffer *buffer)
{
	size_t before = buffer->size;

	write_table(schema, table, NULL, buffer);
	if (buffer->size - before <= left)
		return true;
	buffer->size = before;
	write_table(schema, table, ranks, buffer);
	if (buffer->size - before <= left)
		return true;
	buffer->size = before;
	return false;
}

static void write_linked(const struct prompt_schema *schema, struct bytes question,
    size_t max_bytes, struct buffer *buffer)
{
	size_t start = buffer->size, shown = 0, open = 0;
	struct linking_ranks ranks;

	linking_rank(schema->linking, question, &ranks);
	for (size_t i = 0; i < ranks.count && shown < LINKED_TABLES_MAX; i++) {
		size_t table = ranks.tables[i].table;

		if (snapshot_is_open(&schema->snapshot->tables[table]))
			shown += write_fitting(
			    schema, table, &ranks, max_bytes - (buffer->size - start), buffer);
	}
	linking_ranks_deinit(&ranks);
	for (size_t i = 0; i < schema->snapshot->table_count; i++)
		open += snapshot_is_open(&schema->snapshot->tables[i]);
	if (open > shown)
		buffer_printf(buffer, "-- and %zu more tables\n", open - shown);
}

void prompt_schema_write(const struct prompt_schema *schema, struct bytes question,
    size_t max_bytes, struct buffer *buffer)
{
	if (schema->is_whole && schema->whole.size <= max_bytes)
		buffer_append_bytes(buffer, bytes_of_buffer(&schema->whole));
	else if (max_bytes > NOTE_BYTES)
		write_linked(schema, question, max_bytes - NOTE_BYTES, buffer);
}
