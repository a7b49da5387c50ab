/* What names mean: functions, operators and types against the tables of this folder and the schema
 * snapshot. */
#include <stdlib.h>
#include <string.h>

#include "worker/validate_tree.h"

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* What stands outside pg_catalog: of the view's uses in a view, else of what the search path
 * reaches. objects NULL: nothing is known. */
static struct policy_names outside(const struct validation *validation,
    const struct snapshot_objects *of_view, const struct snapshot_objects *objects,
    const char *name)
{
	static const struct policy_names none;

	if (validation->view)
		objects = of_view;
	return objects ? policy_names(validation->policy, objects, name) : none;
}

static struct policy_names outside_functions(const struct validation *validation, const char *name)
{
	const struct snapshot *snapshot = validation->policy->snapshot;

	return outside(validation, validation->view ? &validation->view->functions : NULL,
	    snapshot ? &snapshot->functions : NULL, name);
}

static struct policy_names outside_operators(const struct validation *validation, const char *name)
{
	const struct snapshot *snapshot = validation->policy->snapshot;

	return outside(validation, validation->view ? &validation->view->operators : NULL,
	    snapshot ? &snapshot->operators : NULL, name);
}

/* A cast in a view's body that calls a function stands among the functions that it depends on. */
static bool is_foreign_cast(const struct validation *validation, const char *name)
{
	const struct snapshot *snapshot = validation->policy->snapshot;

	return !validation->view && snapshot &&
	       policy_names(validation->policy, &snapshot->cast_types, name).refused;
}

bool name_is_foreign_call(const struct validation *validation, const char *name)
{
	return outside_functions(validation, name).refused || is_foreign_cast(validation, name);
}

static int compare_functions(const void *a, const void *b)
{
	return strcmp(
	    ((const struct allowed_function *)a)->name, ((const struct allowed_function *)b)->name);
}

static const struct allowed_function *function_find(const char *name)
{
	static struct allowed_function sorted[COUNT(allowed_functions)];
	const struct allowed_function wanted = {.name = name};

	if (!sorted[0].name) {
		memcpy(sorted, allowed_functions, sizeof(sorted));
		qsort(sorted, COUNT(sorted), sizeof(sorted[0]), compare_functions);
	}
	return bsearch(&wanted, sorted, COUNT(sorted), sizeof(sorted[0]), compare_functions);
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

void validation_note_impure(struct validation *validation)
{
	validation_not_cacheable(validation, "a function of this database is not immutable");
}

/* schema.name, a function or an operator, with another schema than pg_catalog. used: of those
 * that the view depends on, which have been compared with the policy already. */
static bool own_is_allowed(struct validation *validation, const struct snapshot_objects *objects,
    bool used, const char *schema, const char *name)
{
	const struct snapshot_object *object = objects ? snapshot_find_object(objects, name) : NULL;

	while (object && strcmp(object->schema, schema) != 0)
		object = snapshot_next_object(objects, object);
	if (!used && policy_function(validation->policy, schema, name,
	                 object ? object->extension : NULL) != ALLOWANCE_GIVEN)
		return false;
	if (!object || !object->pure)
		validation_note_impure(validation);
	return true;
}

static bool check_own_function(struct validation *validation, const char *schema, const char *name)
{
	const struct snapshot *snapshot = validation->policy->snapshot;
	bool used = validation->view && outside_functions(validation, name).any;

	return own_is_allowed(
	           validation, snapshot ? &snapshot->functions : NULL, used, schema, name) ||
	       validation_refuse(validation, CHECK_FUNCTION,
	           "function \"%s.%s\" at character %zu is not allowed; use a function of "
	           "PostgreSQL itself, without a schema, or list it in "
	           "databases[].allow.functions",
	           schema, name, validation_place(validation));
}

/* How a refusal writes a name, and PostgreSQL's own of that name. */
struct wording {
	enum check_code code;
	const char *open, *close, *own_open, *own_close;
};
static const struct wording function_wording = {
    CHECK_FUNCTION, "function \"", "\"", "pg_catalog.", ""};
static const struct wording operator_wording = {
    CHECK_OPERATOR, "operator ", "", "OPERATOR(pg_catalog.", ")"};

/* Whether pg_catalog has the name too decides what is to be done instead. */
static bool refuse_outside(struct validation *validation, const struct wording *wording,
    const struct policy_names *outside, const char *name)
{
	if (outside->refused && !outside->shadows)
		return validation_refuse(validation, wording->code,
		    "%s%s%s at character %zu is one that this database defines itself, which is "
		    "not allowed; use one of PostgreSQL's own, or list it in "
		    "databases[].allow.functions",
		    wording->open, name, wording->close, validation_place(validation));
	return validation_refuse(validation, wording->code,
	    "%s%s%s at character %zu may be one that this database defines itself; write %s%s%s "
	    "for "
	    "PostgreSQL's own, or list it in databases[].allow.functions",
	    wording->open, name, wording->close, validation_place(validation), wording->own_open,
	    name, wording->own_close);
}

bool name_check_function(
    struct validation *validation, const char *schema, const char *name, size_t argument_count)
{
	const struct allowed_function *function = function_find(name);
	struct policy_names outside = {0};
	enum allowance listed;

	if (schema && strcmp(schema, CATALOG_SCHEMA) != 0)
		return check_own_function(validation, schema, name);
	listed = policy_function(validation->policy, CATALOG_SCHEMA, name, NULL);
	if (!schema)
		outside = outside_functions(validation, name);
	/* name(x) may be a cast to the type of that name. */
	if (outside.refused || (!schema && is_foreign_cast(validation, name)))
		return refuse_outside(validation, &function_wording, &outside, name);
	if (outside.impure)
		validation_note_impure(validation);
	/* All that the name can mean is the database's own, and allowed. */
	if (outside.any && !outside.shadows)
		return true;
	if (listed == ALLOWANCE_TAKEN || (!function && listed == ALLOWANCE_NONE))
		return validation_refuse(validation, CHECK_FUNCTION,
		    "function \"%s\" at character %zu is not allowed%s; leave it out or use one "
		    "that only computes",
		    name, validation_place(validation),
		    listed == ALLOWANCE_TAKEN ? " by databases[].allow.functions" : "");
	if (function)
		note_purity(validation, function->purity, argument_count);
	else
		validation_not_cacheable(validation, "what a listed function does is not known");
	return true;
}

/* Whether the name, called with one argument, does no more than what is allowed. */
static bool may_be_called(const struct validation *validation, const char *name)
{
	const struct policy *policy = validation->policy;
	enum allowance listed = policy_function(policy, CATALOG_SCHEMA, name, NULL);

	if (name_is_foreign_call(validation, name) || listed == ALLOWANCE_TAKEN)
		return false;
	if (listed == ALLOWANCE_GIVEN || function_find(name))
		return true;
	/* No function at all, so that it is a field. */
	return policy->snapshot && !snapshot_is_catalog_call(policy->snapshot, name);
}

static bool has_passed(const struct validation *validation, const char *name)
{
	size_t count =
	    validation->passed_count < TREE_PASSED_MAX ? validation->passed_count : TREE_PASSED_MAX;

	return is_listed(validation->passed, count, name);
}

bool name_check_attribute(struct validation *validation, const char *name, bool of_relation)
{
	const struct allowed_function *function;

	/* pg_get_viewdef writes calls as calls. */
	if (validation->view || (of_relation && has_passed(validation, name)))
		return true;
	function = function_find(name);
	if (!may_be_called(validation, name))
		return validation_refuse(validation, CHECK_FUNCTION,
		    "\"%s.%s\" at character %zu is not allowed, because it can call a function; "
		    "name the column %s",
		    of_relation ? "…" : "(…)", name, validation_place(validation),
		    of_relation ? "without its table" : "without parentheses, as in t.name");
	if (outside_functions(validation, name).impure)
		validation_note_impure(validation);
	/* A column of the name does not prove that this value has it, but a table's mostly does. */
	if (function && !(of_relation && policy_column(validation->policy, name))) {
		note_purity(validation, function->purity, 1);
		cacheable_note_cast(validation, NULL, name);
	}
	if (of_relation)
		validation->passed[validation->passed_count++ % TREE_PASSED_MAX] = name;
	return true;
}

bool name_check_implied_operator(struct validation *validation, const char *name)
{
	if (!outside_operators(validation, name).refused)
		return true;
	return validation_refuse(validation, CHECK_OPERATOR,
	    "operator %s, implied at character %zu, may be one that this database defines itself; "
	    "write the comparison with OPERATOR(pg_catalog.%s), or list the operator in "
	    "databases[].allow.functions",
	    name, validation_place(validation), name);
}

static bool check_own_operator(struct validation *validation, const char *schema, const char *name)
{
	const struct snapshot *snapshot = validation->policy->snapshot;
	bool used = validation->view && outside_operators(validation, name).any;

	return own_is_allowed(
	           validation, snapshot ? &snapshot->operators : NULL, used, schema, name) ||
	       validation_refuse(validation, CHECK_OPERATOR,
	           "operator %s.%s at character %zu is not allowed; use an operator of "
	           "PostgreSQL itself, or list it in databases[].allow.functions",
	           schema, name, validation_place(validation));
}

bool name_check_operator(struct validation *validation, const char *schema, const char *name)
{
	struct policy_names outside = {0};
	enum allowance listed;

	if (schema && strcmp(schema, CATALOG_SCHEMA) != 0)
		return check_own_operator(validation, schema, name);
	listed = policy_function(validation->policy, CATALOG_SCHEMA, name, NULL);
	if (!schema)
		outside = outside_operators(validation, name);
	if (outside.refused)
		return refuse_outside(validation, &operator_wording, &outside, name);
	if (outside.impure)
		validation_note_impure(validation);
	if (outside.any && !outside.shadows)
		return true;
	if (listed == ALLOWANCE_TAKEN ||
	    (listed == ALLOWANCE_NONE &&
	        !is_listed(allowed_operators, COUNT(allowed_operators), name)))
		return validation_refuse(validation, CHECK_OPERATOR,
		    "operator %s at character %zu is not allowed; use another", name,
		    validation_place(validation));
	return true;
}

/* An enum that a column has; but with it may come casts that PostgreSQL puts in. */
static bool is_enum(struct policy *policy, const char *schema, const char *name)
{
	CLEAN(buffer) struct buffer type = BUFFER_INIT;
	const struct policy_enum *found;

	if (schema)
		buffer_printf(&type, "%s.", schema);
	buffer_append_string(&type, name);
	found = policy_enum(policy, buffer_string(&type));
	return found && !found->calls;
}

/* An enum that a column has, or a type that is listed. */
static bool is_own_type(const struct validation *validation, const char *schema, const char *name)
{
	struct policy *policy = validation->policy;
	const struct snapshot_object *object;
	struct policy_names types;

	if (!policy->snapshot)
		return false;
	if (is_enum(policy, schema, name))
		return true;
	types = policy_names(policy, &policy->snapshot->types, name);
	if (!schema)
		return types.any && !types.refused && !types.shadows;
	object = snapshot_find_object(&policy->snapshot->types, name);
	while (object && strcmp(object->schema, schema) != 0)
		object = snapshot_next_object(&policy->snapshot->types, object);
	return policy_function(policy, schema, name, object ? object->extension : NULL) ==
	       ALLOWANCE_GIVEN;
}

bool name_check_type(struct validation *validation, const char *schema, const char *name)
{
	bool ours = !schema || strcmp(schema, CATALOG_SCHEMA) == 0;
	const struct allowed_cast *cast = ours ? cast_find(name) : NULL;

	if (ours &&
	    policy_function(validation->policy, CATALOG_SCHEMA, name, NULL) == ALLOWANCE_TAKEN)
		cast = NULL;
	if (!cast && !is_own_type(validation, schema, name))
		return validation_refuse(validation, CHECK_CAST,
		    "a cast to type \"%s%s%s\" at character %zu is not allowed; use a plain type "
		    "such as text, numeric or date",
		    schema ? schema : "", schema ? "." : "", name, validation_place(validation));
	if (is_foreign_cast(validation, name) || (cast && is_foreign_cast(validation, cast->sql)))
		return validation_refuse(validation, CHECK_CAST,
		    "a cast to type \"%s\" at character %zu may be one that this database defines "
		    "itself; leave it out, or list the type in databases[].allow.functions",
		    name, validation_place(validation));
	return true;
}
