/* What names mean: functions, operators, types and relations against the tables of this folder
 * and the schema snapshot. */
#include <stdlib.h>
#include <string.h>

#include "worker/validate_tree.h"

#define CATALOG_SCHEMA "pg_catalog"

enum purity { PURE, CLOCK, CLOCK_IF_ONE, SESSION, VOLATILE, CATALOG_READ };
#define PURITY_PURE         PURE
#define PURITY_CLOCK        CLOCK
#define PURITY_CLOCK_IF_ONE CLOCK_IF_ONE
#define PURITY_SESSION      SESSION
#define PURITY_VOLATILE     VOLATILE
#define PURITY_CATALOG      CATALOG_READ

static const char *const not_cacheable[] = {
    [CLOCK] = "it depends on the time",
    [SESSION] = "it depends on the session",
    [VOLATILE] = "it gives another value each time",
    [CATALOG_READ] = "it reads the catalogs",
};

static const struct allowed_function {
	const char *name;
	enum purity purity;
} allowed_functions[] = {
#define FUNCTION(name, purity) {#name, PURITY_##purity},
#include "worker/allowed_functions.def"
#undef FUNCTION
};

static const char *const allowed_operators[] = {
#define OPERATOR(name) name,
#include "worker/allowed_operators.def"
#undef OPERATOR
};

static const struct allowed_cast {
	const char *name, *sql;
} allowed_casts[] = {
#define CAST(name, sql) {#name, sql},
#include "worker/allowed_casts.def"
#undef CAST
};

static const struct verdict_relation allowed_catalogs[] = {
#define CATALOG(schema, name) {#schema, #name},
#include "worker/allowed_catalogs.def"
#undef CATALOG
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_foreign_function(const struct validation *validation, const char *name)
{
	const struct snapshot *snapshot = validation->snapshot;

	return snapshot && is_listed(snapshot->functions, snapshot->function_count, name);
}

static bool is_foreign_operator(const struct validation *validation, const char *name)
{
	const struct snapshot *snapshot = validation->snapshot;

	return snapshot && is_listed(snapshot->operators, snapshot->operator_count, name);
}

static bool is_foreign_cast(const struct validation *validation, const char *name)
{
	const struct snapshot *snapshot = validation->snapshot;

	return snapshot && is_listed(snapshot->cast_types, snapshot->cast_type_count, name);
}

bool name_is_foreign_call(const struct validation *validation, const char *name)
{
	return is_foreign_function(validation, name) || is_foreign_cast(validation, name);
}

static const struct allowed_function *function_find(const char *name)
{
	for (size_t i = 0; i < COUNT(allowed_functions); i++)
		if (strcmp(allowed_functions[i].name, name) == 0)
			return &allowed_functions[i];
	return NULL;
}

static const struct allowed_cast *cast_find(const char *name)
{
	for (size_t i = 0; i < COUNT(allowed_casts); i++)
		if (strcmp(allowed_casts[i].name, name) == 0)
			return &allowed_casts[i];
	return NULL;
}

static void note_purity(struct validation *validation, enum purity purity, size_t argument_count)
{
	if (purity == CLOCK_IF_ONE)
		purity = argument_count == 1 ? CLOCK : PURE;
	if (purity == CATALOG_READ)
		validation->verdict->reads_catalog = true;
	if (purity != PURE)
		validation_not_cacheable(validation, not_cacheable[purity]);
}

bool name_check_function(
    struct validation *validation, const char *schema, const char *name, size_t argument_count)
{
	const struct allowed_function *function = function_find(name);
	size_t place = validation_place(validation);

	if (schema && strcmp(schema, CATALOG_SCHEMA) != 0)
		return validation_refuse(validation, CHECK_FUNCTION,
		    "function \"%s.%s\" at character %zu is not allowed; use a function of "
		    "PostgreSQL itself, without a schema",
		    schema, name, place);
	if (!function)
		return validation_refuse(validation, CHECK_FUNCTION,
		    "function \"%s\" at character %zu is not allowed; leave it out or use one "
		    "that only computes",
		    name, place);
	/* name(x) may be a cast to the type of that name. */
	if (!schema && name_is_foreign_call(validation, name))
		return validation_refuse(validation, CHECK_FUNCTION,
		    "function \"%s\" at character %zu may be one that this database defines "
		    "itself; write pg_catalog.%s for PostgreSQL's own",
		    name, place, name);
	note_purity(validation, function->purity, argument_count);
	return true;
}

static bool is_column(const struct snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->table_count; i++)
		if (snapshot_find_column(&snapshot->tables[i], name) >= 0)
			return true;
	return false;
}

/* Functions with output columns of these names are allowed. */
static bool is_output_name(const char *name)
{
	static const char *const names[] = {"key", "value"};

	return is_listed(names, COUNT(names), name);
}

bool name_check_attribute(struct validation *validation, const char *name)
{
	const struct allowed_function *function = function_find(name);
	bool foreign = name_is_foreign_call(validation, name);

	if (!foreign && function) {
		note_purity(validation, function->purity, 1);
		return true;
	}
	/* A column of the name does not prove that this value has it, and PostgreSQL's own
	 * functions that do more than compute are called like that. */
	if (!foreign && strncmp(name, "pg_", 3) != 0 && strncmp(name, "lo_", 3) != 0 &&
	    (is_output_name(name) ||
	        (validation->snapshot && is_column(validation->snapshot, name))))
		return true;
	return validation_refuse(validation, CHECK_FUNCTION,
	    "\"(…).%s\" at character %zu is not allowed, because it can call a function; name the "
	    "column without parentheses, as in t.%s",
	    name, validation_place(validation), name);
}

bool name_check_implied_operator(struct validation *validation, const char *name)
{
	if (!is_foreign_operator(validation, name))
		return true;
	return validation_refuse(validation, CHECK_OPERATOR,
	    "operator %s, implied at character %zu, may be one that this database defines itself; "
	    "write the comparison with OPERATOR(pg_catalog.%s)",
	    name, validation_place(validation), name);
}

bool name_check_operator(struct validation *validation, const char *schema, const char *name)
{
	size_t place = validation_place(validation);

	if (schema && strcmp(schema, CATALOG_SCHEMA) != 0)
		return validation_refuse(validation, CHECK_OPERATOR,
		    "operator %s.%s at character %zu is not allowed; use an operator of PostgreSQL "
		    "itself",
		    schema, name, place);
	if (!is_listed(allowed_operators, COUNT(allowed_operators), name))
		return validation_refuse(validation, CHECK_OPERATOR,
		    "operator %s at character %zu is not allowed; use another", name, place);
	if (!schema && is_foreign_operator(validation, name))
		return validation_refuse(validation, CHECK_OPERATOR,
		    "operator %s at character %zu may be one that this database defines itself; "
		    "write OPERATOR(pg_catalog.%s) for PostgreSQL's own",
		    name, place, name);
	return true;
}

static bool column_has_type(
    const struct snapshot_column *column, const char *schema, const char *name)
{
	size_t schema_size = schema ? strlen(schema) : 0;

	if (column->kind != COLUMN_ENUM)
		return false;
	if (!schema)
		return strcmp(column->type, name) == 0;
	return strncmp(column->type, schema, schema_size) == 0 &&
	       column->type[schema_size] == '.' &&
	       strcmp(column->type + schema_size + 1, name) == 0;
}

static bool is_enum(const struct snapshot *snapshot, const char *schema, const char *name)
{
	for (size_t i = 0; i < snapshot->table_count; i++) {
		const struct snapshot_table *table = &snapshot->tables[i];

		for (size_t j = 0; j < table->column_count; j++)
			if (column_has_type(&table->columns[j], schema, name))
				return true;
	}
	return false;
}

bool name_check_type(struct validation *validation, const char *schema, const char *name)
{
	bool ours = !schema || strcmp(schema, CATALOG_SCHEMA) == 0;
	const struct allowed_cast *cast = ours ? cast_find(name) : NULL;

	if (!cast && !(validation->snapshot && is_enum(validation->snapshot, schema, name)))
		return validation_refuse(validation, CHECK_CAST,
		    "a cast to type \"%s%s%s\" at character %zu is not allowed; use a plain type "
		    "such as text, numeric or date",
		    schema ? schema : "", schema ? "." : "", name, validation_place(validation));
	if (is_foreign_cast(validation, name) || (cast && is_foreign_cast(validation, cast->sql)))
		return validation_refuse(validation, CHECK_CAST,
		    "a cast to type \"%s\" at character %zu may be one that this database defines "
		    "itself; cast to another type or leave it out",
		    name, validation_place(validation));
	return true;
}

static void add_relation(struct validation *validation, const char *schema, const char *table)
{
	if (validation->relation_count == validation->relation_capacity) {
		validation->relation_capacity = validation->relation_capacity * 2 + 8;
		validation->relations = must_realloc(validation->relations,
		    validation->relation_capacity * sizeof(*validation->relations));
	}
	validation->relations[validation->relation_count++] =
	    (struct verdict_relation){schema, table};
}

static bool is_with_name(const struct validation *validation, const char *name)
{
	return is_listed(validation->with_names, validation->with_count, name);
}

static bool is_system_schema(const char *schema)
{
	return strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0;
}

static bool check_catalog(struct validation *validation, const char *schema, const char *name)
{
	for (size_t i = 0; i < COUNT(allowed_catalogs); i++) {
		const struct verdict_relation *catalog = &allowed_catalogs[i];

		if (strcmp(catalog->schema, schema) == 0 && strcmp(catalog->table, name) == 0) {
			validation->verdict->reads_catalog = true;
			validation_not_cacheable(validation, not_cacheable[CATALOG_READ]);
			add_relation(validation, catalog->schema, catalog->table);
			return true;
		}
	}
	return validation_refuse(validation, CHECK_RELATION,
	    "relation \"%s.%s\" at character %zu is not allowed; of the catalogs only those that "
	    "show structure are, such as information_schema.columns",
	    schema, name, validation_place(validation));
}

static bool check_table(struct validation *validation, const struct snapshot_table *table)
{
	static const char *const refused_kinds[] = {
	    [TABLE_VIEW] = "a view", /* its body may call anything */
	    [TABLE_MATERIALIZED_VIEW] = "a materialized view",
	    [TABLE_FOREIGN] = "a foreign table", /* its wrapper may do anything */
	    [TABLE_PARTITIONED] = NULL,
	};
	size_t place = validation_place(validation);

	if (refused_kinds[table->kind])
		return validation_refuse(validation, CHECK_RELATION,
		    "relation \"%s.%s\" at character %zu is %s, and these are not allowed; read "
		    "the tables themselves",
		    table->schema, table->name, place, refused_kinds[table->kind]);
	if (!table->readable)
		return validation_refuse(validation, CHECK_RELATION,
		    "relation \"%s.%s\" at character %zu is not allowed: the database role holds "
		    "no SELECT on it; ask for another table",
		    table->schema, table->name, place);
	add_relation(validation, table->schema, table->name);
	return true;
}

static bool refuse_unknown_relation(
    struct validation *validation, const char *schema, const char *name)
{
	return validation_refuse(validation, CHECK_RELATION,
	    "relation \"%s%s%s\" at character %zu is no table of this database's configured "
	    "schemas; ask for one that `schema` lists",
	    schema ? schema : "", schema ? "." : "", name, validation_place(validation));
}

static bool is_configured(const struct snapshot *snapshot, const char *schema)
{
	return is_listed(snapshot->schemas, snapshot->schema_count, schema);
}

bool name_check_relation(struct validation *validation, const char *schema, const char *name)
{
	const struct snapshot *snapshot = validation->snapshot;
	const struct snapshot_table *table;

	if (!schema && is_with_name(validation, name))
		return true;
	/* pg_catalog is searched first, and all of its relations are called pg_something. */
	if (!schema && strncmp(name, "pg_", 3) == 0)
		return check_catalog(validation, CATALOG_SCHEMA, name);
	if (schema && is_system_schema(schema))
		return check_catalog(validation, schema, name);
	if (!snapshot || (schema && !is_configured(snapshot, schema)))
		return refuse_unknown_relation(validation, schema, name);
	table = snapshot_find_table(snapshot, schema, name);
	if (!table)
		return refuse_unknown_relation(validation, schema, name);
	return check_table(validation, table);
}
