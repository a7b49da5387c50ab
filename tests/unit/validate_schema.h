/*
 * The schemas that tests of the validator read: built in memory, no database.
 */
#pragma once

#include <string.h>

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

static inline void validate_schema_kinds(struct snapshot_table *table)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const char *name = table->columns[i].name;
		bool is_text = strcmp(name, "name") == 0 || strcmp(name, "city") == 0 ||
		               strcmp(name, "status") == 0;

		table->columns[i].kind = is_text ? COLUMN_TEXT : COLUMN_INTEGER;
		if (strcmp(name + (strlen(name) > 3 ? strlen(name) - 3 : 0), "_at") == 0)
			table->columns[i].kind = COLUMN_TIMESTAMP;
	}
}

static inline void validate_schema_objects(struct snapshot *snapshot, struct snapshot_objects *list,
    const char *schema, const char *name, const char *extension, bool shadows, bool pure)
{
	struct snapshot_object *items =
	    snapshot_alloc(snapshot, (list->count + 1) * sizeof(*items));

	if (list->count)
		memcpy(items, list->items, list->count * sizeof(*items));
	items[list->count++] = (struct snapshot_object){schema, name, extension, shadows, pure};
	list->items = items;
}

/* Views as PostgreSQL tells them: the body by pg_get_viewdef, and what it depends on. */
static inline void validate_schema_views(struct snapshot *snapshot)
{
	static const struct {
		const char *name, *body, *reads, *function, *extension;
		bool shadows, invoker;
	} views[] = {
	    {"v_plain", "SELECT id, total FROM orders;", "orders", NULL, NULL, false, false},
	    {"v_on_view", " SELECT v.id FROM v_plain v;", "v_plain", NULL, NULL, false, false},
	    {"v_clock", "SELECT now() AS n;", "orders", NULL, NULL, false, false},
	    {"v_lock", "SELECT pg_try_advisory_lock(1) FROM orders;", "orders", NULL, NULL, false,
	        false},
	    {"v_on_lock", "SELECT * FROM v_lock;", "v_lock", NULL, NULL, false, false},
	    {"v_secrets", "SELECT k FROM secrets;", "secrets", NULL, NULL, false, false},
	    {"v_round", "SELECT round(total, 2) FROM orders;", "orders", NULL, NULL, false, false},
	    {"v_own_round", "SELECT round(total, 2) FROM orders;", "orders", "round", NULL, true,
	        false},
	    {"v_pure", "SELECT f_pure(id) FROM orders;", "orders", "f_pure", NULL, false, false},
	    {"v_citext", "SELECT bit_or((name)::citext) FROM customers;", "customers", "bit_or",
	        "citext", true, false},
	    {"v_catalog", "SELECT relname FROM pg_class;", "orders", NULL, NULL, false, false},
	    {"v_catalog_invoker", "SELECT relname FROM pg_class;", "orders", NULL, NULL, false,
	        true},
	    {"v_guarded", "SELECT id FROM guarded;", "guarded", NULL, NULL, false, false},
	    {"v_guarded_invoker", "SELECT id FROM guarded;", "guarded", NULL, NULL, false, true},
	    {"v_long", NULL, "orders", NULL, NULL, false, false},
	    {"v_two", "SELECT 1; SELECT 2;", "orders", NULL, NULL, false, false},
	    {"v_parted", "SELECT id FROM sales.parted;", "orders", NULL, NULL, false, false},
	};
	static const char *const columns[] = {"id", "total", "n", NULL};

	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		struct snapshot_table *view = validate_schema_table(
		    snapshot, "public", views[i].name, TABLE_VIEW, true, columns);

		view->definition = views[i].body;
		view->invoker = views[i].invoker;
		validate_schema_objects(
		    snapshot, &view->reads, "public", views[i].reads, NULL, false, true);
		if (views[i].function)
			validate_schema_objects(snapshot, &view->functions, "public",
			    views[i].function, views[i].extension, views[i].shadows, true);
	}
	validate_schema_table(snapshot, "public", "guarded", TABLE_TABLE, true, columns)
	    ->row_security = true;
}

/* customers, orders and items that may be read; secrets that may not; a view. */
static inline struct snapshot *validate_schema_new(void)
{
	static const char *const schemas[] = {"public", "sales"};
	static const struct snapshot_object functions[] = {
	    {"public", "f_write", NULL, false, false},
	    {"public", "round", NULL, true, true},
	    {"public", "citext", "citext", false, true},
	    {"public", "f_pure", NULL, false, true},
	    {"public", "bit_or", "citext", true, true},
	    {"public", "pg_sleep", NULL, true, false},
	};
	static const struct snapshot_object operators[] = {
	    {"public", "@#@", NULL, false, false},
	    {"public", "!~*", "citext", true, true},
	    {"public", "^@", "citext", true, true},
	};
	static const struct snapshot_object types[] = {
	    {"public", "citext", "citext", false, true},
	    {"public", "evil", NULL, false, true},
	};
	static const struct snapshot_object cast_types[] = {
	    {"public", "evil", NULL, false, false},
	    {"pg_catalog", "macaddr", NULL, true, true},
	    {"pg_catalog", "inet", "citext", true, true},
	    {"public", "citext", "citext", false, true},
	};
	/* A few of those that take one argument. */
	static const char *const catalog_calls[] = {"abs", "age", "current_setting", "date",
	    "length", "lo_create", "lower", "name", "nextval", "now", "pg_advisory_lock",
	    "pg_get_functiondef", "pg_notify", "pg_read_file", "pg_sleep", "pg_try_advisory_lock",
	    "random", "row_to_json", "set_config", "setseed", "timestamptz", "to_json", "version"};
	static const char *const nothing[] = {"id", NULL};
	static const char *const odd[] = {"nextval", "age", "name", NULL};
	static const char *const customers[] = {"id", "name", "city", "created_at", NULL};
	static const char *const orders[] = {
	    "id", "customer_id", "total", "status", "placed_at", NULL};
	static const char *const items[] = {"id", "order_id", "sku", "qty", "price", NULL};
	static const char *const secrets[] = {"k", "v", NULL};
	static const char *const tickets[] = {"id", "state", NULL};
	CLEAN(buffer) struct buffer sorted = BUFFER_INIT;
	struct snapshot *snapshot = snapshot_new("app");
	struct snapshot_table *table;

	snapshot->tables = snapshot_alloc(snapshot, 40 * sizeof(*snapshot->tables));
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
	validate_schema_table(snapshot, "sales", "odd", TABLE_TABLE, true, odd);
	for (size_t i = 0; i < snapshot->table_count; i++)
		validate_schema_kinds(&snapshot->tables[i]);
	validate_schema_views(snapshot);
	table = validate_schema_table(snapshot, "sales", "tickets", TABLE_TABLE, true, tickets);
	table->columns[1].kind = COLUMN_ENUM;
	table->columns[1].type = "ticket_state";
	table =
	    validate_schema_table(snapshot, "sales", "parted", TABLE_PARTITIONED, true, nothing);
	table->foreign_parts = true;
	table = validate_schema_table(snapshot, "sales", "moody", TABLE_TABLE, true, tickets);
	table->columns[1].kind = COLUMN_ENUM;
	table->columns[1].type = "mood";
	validate_schema_objects(
	    snapshot, &table->functions, "public", "mood_text", NULL, false, false);
	table = validate_schema_table(snapshot, "sales", "checked", TABLE_TABLE, true, nothing);
	validate_schema_objects(snapshot, &table->functions, "public", "f_pure", NULL, false, true);

#define SET_LIST(list, count, names)                                      \
	do {                                                              \
		snapshot->count = sizeof(names) / sizeof(names[0]);       \
		snapshot->list = snapshot_alloc(snapshot, sizeof(names)); \
		for (size_t i = 0; i < snapshot->count; i++)              \
			snapshot->list[i] = names[i];                     \
	} while (0)
	SET_LIST(schemas, schema_count, schemas);
	SET_LIST(catalog_calls, catalog_call_count, catalog_calls);
	SET_LIST(functions.items, functions.count, functions);
	SET_LIST(operators.items, operators.count, operators);
	SET_LIST(types.items, types.count, types);
	SET_LIST(cast_types.items, cast_types.count, cast_types);
#undef SET_LIST
	snapshot_encode(snapshot, &sorted);
	return snapshot;
}
