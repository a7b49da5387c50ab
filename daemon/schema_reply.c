#include "daemon/schema_reply.h"

#include "common/pack.h"
#include "text/snapshot.h"

static const char *const kind_names[] = {
    [TABLE_TABLE] = "table",
    [TABLE_VIEW] = "view",
    [TABLE_MATERIALIZED_VIEW] = "materialized view",
    [TABLE_FOREIGN] = "foreign table",
    [TABLE_PARTITIONED] = "partitioned table",
};

static void pack_column(const struct snapshot_column *column, struct buffer *message)
{
	pack_map(message, 3u + (column->comment != NULL) + (column->label_count > 0));
	pack_pair_string(message, "name", column->name);
	pack_pair_string(message, "type", column->type);
	pack_pair_bool(message, "nullable", column->nullable);
	if (column->comment)
		pack_pair_string(message, "comment", column->comment);
	if (column->label_count == 0)
		return;
	pack_string(message, "labels");
	pack_array(message, column->label_count);
	for (size_t i = 0; i < column->label_count; i++)
		pack_string(message, column->labels[i]);
}

static void pack_column_names(
    const struct snapshot_table *table, const size_t *columns, size_t count, struct buffer *message)
{
	pack_array(message, count);
	for (size_t i = 0; i < count; i++)
		pack_string(message, table->columns[columns[i]].name);
}

static void pack_foreign_key(const struct snapshot_table *table,
    const struct snapshot_foreign_key *key, struct buffer *message)
{
	pack_map(message, 2);
	pack_string(message, "columns");
	pack_column_names(table, key->columns, key->column_count, message);
	pack_string(message, "references");
	pack_map(message, 3);
	pack_pair_string(message, "schema", key->ref_schema);
	pack_pair_string(message, "table", key->ref_table);
	pack_string(message, "columns");
	pack_array(message, key->column_count);
	for (size_t i = 0; i < key->column_count; i++)
		pack_string(message, key->ref_columns[i]);
}

static void pack_table(const struct snapshot_table *table, struct buffer *message)
{
	pack_map(message, 6u + (table->comment != NULL) + (table->refusal != NULL));
	pack_pair_string(message, "name", table->name);
	pack_pair_string(message, "kind", kind_names[table->kind]);
	if (table->comment)
		pack_pair_string(message, "comment", table->comment);
	if (table->refusal)
		pack_pair_string(message, "not_allowed", table->refusal);
	pack_pair_int(message, "row_estimate", table->row_estimate);
	pack_string(message, "columns");
	pack_array(message, table->column_count);
	for (size_t i = 0; i < table->column_count; i++)
		pack_column(&table->columns[i], message);
	pack_string(message, "primary_key");
	pack_column_names(table, table->primary_key, table->primary_key_count, message);
	pack_string(message, "foreign_keys");
	pack_array(message, table->foreign_key_count);
	for (size_t i = 0; i < table->foreign_key_count; i++)
		pack_foreign_key(table, &table->foreign_keys[i], message);
}

/* "table" names it in any schema, "schema.table" in one. */
static bool is_wanted(const struct snapshot_table *table, struct bytes wanted)
{
	size_t schema_size = strlen(table->schema);

	if (!wanted.data || bytes_equal_string(wanted, table->name))
		return true;
	return wanted.size > schema_size + 1 && wanted.data[schema_size] == '.' &&
	       memcmp(wanted.data, table->schema, schema_size) == 0 &&
	       bytes_equal_string(
	           bytes_of(wanted.data + schema_size + 1, wanted.size - schema_size - 1),
	           table->name);
}

/* How many of a schema's tables are wanted and readable. */
static uint32_t pack_schema_tables(const struct snapshot *snapshot, const char *schema,
    struct bytes wanted, struct buffer *message)
{
	size_t at = pack_array_begin(message);
	uint32_t count = 0;

	for (size_t i = 0; i < snapshot->table_count; i++) {
		const struct snapshot_table *table = &snapshot->tables[i];

		if (strcmp(table->schema, schema) != 0 || !table->readable ||
		    !is_wanted(table, wanted))
			continue;
		pack_table(table, message);
		count++;
	}
	pack_array_end(message, at, count);
	return count;
}

int schema_reply_pack(const struct snapshot *snapshot, struct bytes table, struct buffer *message,
    struct error *ret_error)
{
	uint32_t found = 0;

	pack_map(message, 3);
	pack_pair_string(message, "database", snapshot->database);
	pack_pair_string(message, "version", snapshot->version);
	pack_string(message, "schemas");
	pack_array(message, snapshot->schema_count);
	for (size_t i = 0; i < snapshot->schema_count; i++) {
		pack_map(message, 2);
		pack_pair_string(message, "name", snapshot->schemas[i]);
		pack_string(message, "tables");
		found += pack_schema_tables(snapshot, snapshot->schemas[i], table, message);
	}
	if (found == 0 && table.data)
		return error_set(ret_error, ERROR_BAD_REQUEST,
		    "there is no readable table \"%.*s\" in database \"%s\"", (int)table.size,
		    table.data, snapshot->database);
	return 0;
}
