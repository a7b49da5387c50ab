/* Which relations may be read: tables, catalogs, and views as validate_views.c finds them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/validate_tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct verdict_relation allowed_catalogs[] = {
#define CATALOG(schema, name) {#schema, #name, false},
#include "worker/allowed_catalogs.def"
#undef CATALOG
};

void validation_add_relation(
    struct validation *validation, const char *schema, const char *table, bool under)
{
	const struct verdict_relation *last =
	    validation->relation_count ? &validation->relations[validation->relation_count - 1]
	                               : NULL;

	/* The same again, as in a union of many. */
	if (last && last->schema == schema && last->table == table && last->under == under)
		return;
	for (size_t i = 0; under && i < validation->relation_count; i++)
		if (strcmp(validation->relations[i].schema, schema) == 0 &&
		    strcmp(validation->relations[i].table, table) == 0)
			return;
	if (validation->relation_count == validation->relation_capacity) {
		validation->relation_capacity = validation->relation_capacity * 2 + 8;
		validation->relations = must_realloc(validation->relations,
		    validation->relation_capacity * sizeof(*validation->relations));
	}
	validation->relations[validation->relation_count++] =
	    (struct verdict_relation){schema, table, under};
}

static bool is_with_name(const struct validation *validation, const char *name)
{
	for (size_t i = 0; i < validation->with_count; i++)
		if (strcmp(validation->with_names[i], name) == 0)
			return true;
	return false;
}

static bool is_system_schema(const char *schema)
{
	return strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0;
}

/* In a view they show what its owner may see. */
static bool check_catalog(
    struct validation *validation, const char *schema, const char *name, bool taken)
{
	bool open = !taken && (!validation->view || validation->view->invoker);

	for (size_t i = 0; open && i < COUNT(allowed_catalogs); i++) {
		const struct verdict_relation *catalog = &allowed_catalogs[i];

		if (strcmp(catalog->schema, schema) == 0 && strcmp(catalog->table, name) == 0) {
			validation->verdict->reads_catalog = true;
			validation_not_cacheable(validation, "it reads the catalogs");
			validation_add_relation(validation, catalog->schema, catalog->table, false);
			return true;
		}
	}
	return validation_refuse(validation, CHECK_RELATION,
	    "relation \"%s.%s\" at character %zu is not allowed; of the catalogs only those that "
	    "show structure are, such as information_schema.columns",
	    schema, name, validation_place(validation));
}

/* Why not, and what to do instead; the schema says only this. */
bool relation_refuse(struct validation *validation, const char *kind,
    const struct snapshot_table *table, const char *format, ...)
{
	char why[sizeof(validation->verdict->reason)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	if (validation->of_schema)
		return validation_refuse(validation, CHECK_RELATION, "%s", why);
	return validation_refuse(validation, CHECK_RELATION, "%s \"%s.%s\" at character %zu %s",
	    kind, table->schema, table->name, validation_place(validation), why);
}

/* What reading a table can do besides, unless it is listed. A foreign one's wrapper may do
 * anything, at another machine too. */
static bool check_reach(struct validation *validation, const struct snapshot_table *table)
{
	const struct snapshot_object *called;
	bool impure = false;

	if (table->kind == TABLE_FOREIGN || table->foreign_parts)
		return relation_refuse(validation, "relation", table,
		    "%s foreign table, and these are not allowed; read another, or list it in "
		    "databases[].allow.tables",
		    table->foreign_parts ? "has a partition or child that is a" : "is a");
	called = policy_refused_use(validation->policy, &table->functions, &impure);
	if (called)
		return relation_refuse(validation, "relation", table,
		    "has a column whose type calls \"%s.%s\", a function that this database "
		    "defines itself; read another, or list the function in "
		    "databases[].allow.functions",
		    called->schema, called->name);
	if (impure)
		validation_note_impure(validation);
	return true;
}

static bool check_table(struct validation *validation, const struct snapshot_table *table)
{
	enum allowance listed =
	    policy_relation(validation->policy, table, table->schema, table->name);

	if (listed == ALLOWANCE_TAKEN)
		return relation_refuse(validation, "relation", table,
		    "is taken away by databases[].allow.tables; ask for another table");
	if (listed == ALLOWANCE_NONE && !check_reach(validation, table))
		return false;
	/* Its owner may see rows that the role may not. */
	if (validation->view && !validation->view->invoker && table->row_security)
		return relation_refuse(
		    validation, "relation", table, "has row security, which the view passes by");
	validation_add_relation(validation, table->schema, table->name, false);
	return true;
}

static bool check_known_relation(struct validation *validation, const struct snapshot_table *table)
{
	/* A listed one may be open by columns. */
	if (!table->readable && policy_relation(validation->policy, table, table->schema,
	                            table->name) != ALLOWANCE_GIVEN) {
		validation->verdict->no_privilege = true;
		return relation_refuse(validation, "relation", table,
		    "is not allowed: the database role holds no SELECT on it; ask for another "
		    "table");
	}
	return policy_is_view(table) ? view_check(validation, table)
	                             : check_table(validation, table);
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
	for (size_t i = 0; i < snapshot->schema_count; i++)
		if (strcmp(snapshot->schemas[i], schema) == 0)
			return true;
	return false;
}

/* Named in full in databases[].allow; what it is only PostgreSQL knows. */
static bool check_listed(struct validation *validation, const char *schema, const char *name)
{
	validation_not_cacheable(
	    validation, "it reads a relation that is listed but not in the schema");
	validation_add_relation(validation, schema, name, false);
	return true;
}

bool name_check_relation(struct validation *validation, const char *schema, const char *name)
{
	const struct policy *policy = validation->policy;
	const struct snapshot *snapshot = policy->snapshot;
	const struct snapshot_table *table = NULL;
	const char *meant = schema;
	enum allowance listed = ALLOWANCE_NONE;

	if (!schema && is_with_name(validation, name))
		return true;
	/* pg_catalog is searched first, and all of its relations are called pg_something. */
	if (!schema && strncmp(name, "pg_", 3) == 0)
		meant = CATALOG_SCHEMA;
	if (snapshot && (!meant || is_configured(snapshot, meant)))
		table = snapshot_find_table(snapshot, meant, name);
	if (table)
		return check_known_relation(validation, table);
	if (meant)
		listed = policy_relation(policy, NULL, meant, name);
	if (listed == ALLOWANCE_GIVEN && !validation->view)
		return check_listed(validation, meant, name);
	if (meant && is_system_schema(meant))
		return check_catalog(validation, meant, name, listed == ALLOWANCE_TAKEN);
	return refuse_unknown_relation(validation, schema, name);
}

void validate_schema(struct snapshot *snapshot, const struct child_database *database)
{
	struct validation *validation = must_alloc(sizeof(*validation));
	struct policy *policy = policy_new(snapshot, database);

	for (size_t i = 0; i < snapshot->table_count; i++) {
		struct snapshot_table *table = &snapshot->tables[i];
		struct verdict verdict = {0};

		memset(validation, 0, sizeof(*validation));
		validation->policy = policy;
		validation->verdict = &verdict;
		validation->of_schema = true;
		table->refusal = NULL;
		if (table->readable && !check_known_relation(validation, table))
			table->refusal =
			    snapshot_string(snapshot, verdict.reason, strlen(verdict.reason));
		validation_deinit(validation);
	}
	policy_free(policy);
	free(validation);
}
