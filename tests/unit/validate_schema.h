/*
 * The schemas that tests of the validator read: built in memory, no database.
 */
#pragma once

#include "text/snapshot.h"

static inline struct snapshot_table *validate_schema_table(struct snapshot *snapshot,
    const char *schema, const char *name, enum table_kind kind, bool readable,
    const char *const *columns)
{
	struct snapshot_table *table = &snapshot->tables[snapshot->table_count++];
	size_t count = 0;

	while (columns[count])
		count++;
	table->schema = schema;
	table->name = name;
	table->kind = kind;
	table->readable = readable;
	table->row_estimate = -1;
	table->column_count = count;
	table->columns = snapshot_alloc(snapshot, count * sizeof(*table->columns));
	for (size_t i = 0; i < count; i++) {
		table->columns[i].name = columns[i];
		table->columns[i].type = "text";
	}
	return table;
}

/* customers, orders and items that may be read; secrets that may not; a view. */
static inline struct snapshot *validate_schema_new(void)
{
	static const char *const schemas[] = {"public", "sales"};
	static const char *const functions[] = {"f_write", "round", "citext"};
	static const char *const operators[] = {"@#@", "!~*"};
	static const char *const cast_types[] = {"evil", "macaddr"};
	static const char *const nothing[] = {"id", NULL};
	static const char *const customers[] = {"id", "name", "city", "created_at", NULL};
	static const char *const orders[] = {
	    "id", "customer_id", "total", "status", "placed_at", NULL};
	static const char *const items[] = {"id", "order_id", "sku", "qty", "price", NULL};
	static const char *const secrets[] = {"k", "v", NULL};
	static const char *const tickets[] = {"id", "state", NULL};
	CLEAN(buffer) struct buffer sorted = BUFFER_INIT;
	struct snapshot *snapshot = snapshot_new("app");
	struct snapshot_table *table;

	snapshot->tables = snapshot_alloc(snapshot, 16 * sizeof(*snapshot->tables));
	validate_schema_table(snapshot, "public", "customers", TABLE_TABLE, true, customers);
	validate_schema_table(snapshot, "public", "orders", TABLE_PARTITIONED, true, orders);
	validate_schema_table(snapshot, "public", "items", TABLE_TABLE, true, items);
	validate_schema_table(snapshot, "public", "secrets", TABLE_TABLE, false, secrets);
	validate_schema_table(snapshot, "public", "v_side", TABLE_VIEW, true, nothing);
	validate_schema_table(snapshot, "public", "m_side", TABLE_MATERIALIZED_VIEW, true, nothing);
	validate_schema_table(snapshot, "public", "far", TABLE_FOREIGN, true, nothing);
	validate_schema_table(snapshot, "public", "pg_shadow", TABLE_TABLE, true, nothing);
	validate_schema_table(snapshot, "sales", "Été", TABLE_TABLE, true, nothing);
	validate_schema_table(snapshot, "sales", "orders", TABLE_TABLE, true, nothing);
	validate_schema_table(snapshot, "other", "hidden", TABLE_TABLE, true, nothing);
	table = validate_schema_table(snapshot, "sales", "tickets", TABLE_TABLE, true, tickets);
	table->columns[1].kind = COLUMN_ENUM;
	table->columns[1].type = "ticket_state";

#define SET_LIST(list, count, names)                                      \
	do {                                                              \
		snapshot->count = sizeof(names) / sizeof(names[0]);       \
		snapshot->list = snapshot_alloc(snapshot, sizeof(names)); \
		for (size_t i = 0; i < snapshot->count; i++)              \
			snapshot->list[i] = names[i];                     \
	} while (0)
	SET_LIST(schemas, schema_count, schemas);
	SET_LIST(functions, function_count, functions);
	SET_LIST(operators, operator_count, operators);
	SET_LIST(cast_types, cast_type_count, cast_types);
#undef SET_LIST
	snapshot_encode(snapshot, &sorted);
	return snapshot;
}
