#include "worker/validate_tree.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum field_kind { FIELD_PLAIN, FIELD_ONE, FIELD_LIST, FIELD_PART };

struct node_field {
	const char *name; /* NULL ends the list */
	enum field_kind kind;
	const char *type; /* of FIELD_PART */
};

/* What a type is checked for beyond its fields; false: refused. */
typedef bool (*node_check)(struct validation *validation, const json_t *node);

struct node_type {
	const char *name;
	const struct node_field *fields;
	node_check check;
};

static const struct {
	const char *type;
	enum check_code code;
	const char *name, *advice;
} known_refusals[] = {
#define KNOWN(type, code, name, advice) {#type, CHECK_##code, name, advice},
#include "worker/allowed_nodes.def"
#undef KNOWN
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool walk_node(struct validation *validation, const struct node_type *type, json_t *node);

/* ---- names in lists of String nodes ---- */

static const char *string_of(const json_t *wrapped)
{
	return json_string_value(json_object_get(json_object_get(wrapped, "String"), "sval"));
}

/* Takes [name] or [schema, name]; false for anything else. */
static bool split_name(const json_t *list, const char **ret_schema, const char **ret_name)
{
	size_t count = json_array_size(list);
	const char *schema = count == 2 ? string_of(json_array_get(list, 0)) : NULL;
	const char *name = count ? string_of(json_array_get(list, count - 1)) : NULL;

	if (!name || count > 2 || (count == 2 && !schema))
		return false;
	*ret_schema = schema;
	*ret_name = name;
	return true;
}

static bool refuse_name(struct validation *validation, enum check_code code, const char *what)
{
	return validation_refuse(validation, code,
	    "%s at character %zu is not allowed: its name has too many parts; write the name alone",
	    what, validation_place(validation));
}

/* ---- checks, in the order of allowed_nodes.def ---- */

static bool check_none(struct validation *validation, const json_t *node)
{
	(void)validation;
	(void)node;
	return true;
}

static bool check_select(struct validation *validation, const json_t *node)
{
	const json_t *into = json_object_get(node, "intoClause");
	const json_t *place = json_object_get(json_object_get(into, "rel"), "location");

	if (into) {
		validation->location = (long)json_integer_value(place);
		return validation_refuse(validation, CHECK_INTO,
		    "SELECT INTO, with a name at character %zu, creates a table, which is not "
		    "allowed; leave INTO out",
		    validation_place(validation));
	}
	/* The tree does not say where it stands. */
	if (json_object_get(node, "lockingClause"))
		return validation_refuse(validation, CHECK_LOCKING,
		    "a locking clause (FOR UPDATE, FOR SHARE) is not allowed; leave it out");
	return true;
}

static bool push_with_name(struct validation *validation, const json_t *wrapped)
{
	const json_t *name =
	    json_object_get(json_object_get(wrapped, "CommonTableExpr"), "ctename");

	if (!json_is_string(name) || validation->with_count == TREE_WITH_NAMES_MAX)
		return validation_refuse(validation, CHECK_DEPTH,
		    "WITH has more than %d queries; use fewer", TREE_WITH_NAMES_MAX);
	validation->with_names[validation->with_count++] = json_string_value(name);
	return true;
}

/* Without RECURSIVE a query sees only those before it: its own name is the real table's. */
static bool check_with(struct validation *validation, const json_t *node)
{
	const json_t *queries = json_object_get(node, "ctes");
	json_t *query;
	bool recursive = json_is_true(json_object_get(node, "recursive"));
	size_t i;

	if (recursive)
		json_array_foreach (queries, i, query)
			if (!push_with_name(validation, query))
				return false;
	json_array_foreach (queries, i, query) {
		if (!tree_walk(validation, query))
			return false;
		if (!recursive && !push_with_name(validation, query))
			return false;
	}
	return true;
}

static bool check_cycle(struct validation *validation, const json_t *node)
{
	(void)node;
	return name_check_implied_operator(validation, "=") &&
	       name_check_implied_operator(validation, "<>");
}

static bool check_relation(struct validation *validation, const json_t *node)
{
	const json_t *database = json_object_get(node, "catalogname");

	if (database)
		return validation_refuse(validation, CHECK_RELATION,
		    "relation at character %zu names a database; write schema.table",
		    validation_place(validation));
	return name_check_relation(validation,
	    json_string_value(json_object_get(node, "schemaname")),
	    json_string_value(json_object_get(node, "relname")));
}

static bool check_join(struct validation *validation, const json_t *node)
{
	if (json_object_get(node, "usingClause") || json_object_get(node, "isNatural"))
		return name_check_implied_operator(validation, "=");
	return true;
}

static bool check_sample(struct validation *validation, const json_t *node)
{
	const char *schema, *name;

	if (!split_name(json_object_get(node, "method"), &schema, &name))
		return refuse_name(validation, CHECK_FUNCTION, "the sampling method");
	if ((strcmp(name, "system") != 0 && strcmp(name, "bernoulli") != 0) ||
	    (schema && strcmp(schema, "pg_catalog") != 0) ||
	    (!schema && name_is_foreign_call(validation, name)))
		return validation_refuse(validation, CHECK_FUNCTION,
		    "sampling method \"%s\" at character %zu is not allowed; use BERNOULLI or "
		    "SYSTEM",
		    name, validation_place(validation));
	validation_not_cacheable(validation, "it takes a random sample");
	return true;
}

static bool check_sort(struct validation *validation, const json_t *node)
{
	const json_t *use = json_object_get(node, "useOp");
	const char *schema, *name;

	if (!json_array_size(use))
		return true;
	if (!split_name(use, &schema, &name))
		return refuse_name(validation, CHECK_OPERATOR, "the sorting operator");
	return name_check_operator(validation, schema, name);
}

/* PostgreSQL reads these words inside a longer value too: 'today 10:00', '{now}'. */
static bool names_a_day(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	size_t size;

	for (; *text; text += size ? size : 1) {
		for (size = 0; isalpha((unsigned char)text[size]);)
			size++;
		for (size_t i = 0; size && i < COUNT(words); i++)
			if (strlen(words[i]) == size && strncasecmp(words[i], text, size) == 0)
				return true;
	}
	return false;
}

static bool check_constant(struct validation *validation, const json_t *node)
{
	const char *text =
	    json_string_value(json_object_get(json_object_get(node, "sval"), "sval"));

	if (text && names_a_day(text))
		validation_not_cacheable(validation, "it depends on the time of day");
	return true;
}

/* a.b is a column, or else a function b of the row a. Those of pg_catalog that take any row only
 * compute (pg_typeof, to_json, …), so the danger is in the ones that the database defines. */
static bool check_column(struct validation *validation, const json_t *node)
{
	const json_t *fields = json_object_get(node, "fields");
	size_t count = json_array_size(fields);
	const char *name = count > 1 ? string_of(json_array_get(fields, count - 1)) : NULL;

	if (!name || !name_is_foreign_call(validation, name))
		return true;
	return validation_refuse(validation, CHECK_FUNCTION,
	    "\"%s\" at character %zu may call a function of that name which this database defines; "
	    "name the column without its table",
	    name, validation_place(validation));
}

static bool check_indirection(struct validation *validation, const json_t *node)
{
	const json_t *steps = json_object_get(node, "indirection"), *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		const char *name = string_of(step);

		if (name && !name_check_attribute(validation, name))
			return false;
	}
	return true;
}

/* BETWEEN is written with operators that do not stand in the text. */
static bool check_between(struct validation *validation)
{
	static const char *const implied[] = {"<=", ">=", "<", ">"};

	for (size_t i = 0; i < COUNT(implied); i++)
		if (!name_check_implied_operator(validation, implied[i]))
			return false;
	return true;
}

static bool check_operator(struct validation *validation, const json_t *node)
{
	const char *kind = json_string_value(json_object_get(node, "kind"));
	const char *schema, *name;

	if (kind && (strncmp(kind, "AEXPR_BETWEEN", 13) == 0 ||
	                strncmp(kind, "AEXPR_NOT_BETWEEN", 17) == 0))
		return check_between(validation);
	if (!split_name(json_object_get(node, "name"), &schema, &name))
		return refuse_name(validation, CHECK_OPERATOR, "the operator");
	return name_check_operator(validation, schema, name);
}

static bool check_function(struct validation *validation, const json_t *node)
{
	const char *schema, *name;

	if (!split_name(json_object_get(node, "funcname"), &schema, &name))
		return refuse_name(validation, CHECK_FUNCTION, "the function");
	return name_check_function(
	    validation, schema, name, json_array_size(json_object_get(node, "args")));
}

static bool check_sublink(struct validation *validation, const json_t *node)
{
	const json_t *use = json_object_get(node, "operName");
	const char *schema, *name;

	if (!json_array_size(use)) /* IN is "=" */
		return !json_object_get(node, "testexpr") ||
		       name_check_implied_operator(validation, "=");
	if (!split_name(use, &schema, &name))
		return refuse_name(validation, CHECK_OPERATOR, "the operator");
	return name_check_operator(validation, schema, name);
}

static bool check_case(struct validation *validation, const json_t *node)
{
	return !json_object_get(node, "arg") || name_check_implied_operator(validation, "=");
}

static bool check_value_function(struct validation *validation, const json_t *node)
{
	static const struct {
		const char *start, *reason;
	} allowed[] = {
	    {"SVFOP_CURRENT_DATE", "it depends on the time of day"},
	    {"SVFOP_CURRENT_TIME", "it depends on the time of day"}, /* and …TIMESTAMP */
	    {"SVFOP_LOCALTIME", "it depends on the time of day"},
	    {"SVFOP_CURRENT_CATALOG", "it depends on the session"},
	    {"SVFOP_CURRENT_SCHEMA", "it depends on the session"},
	};
	const char *op = json_string_value(json_object_get(node, "op"));

	for (size_t i = 0; op && i < COUNT(allowed); i++)
		if (strncmp(op, allowed[i].start, strlen(allowed[i].start)) == 0) {
			validation_not_cacheable(validation, allowed[i].reason);
			return true;
		}
	return validation_refuse(validation, CHECK_FUNCTION,
	    "the keyword at character %zu names a role, which is not allowed; leave it out",
	    validation_place(validation));
}

static bool check_type(struct validation *validation, const json_t *node)
{
	const char *schema, *name;

	if (!split_name(json_object_get(node, "names"), &schema, &name))
		return refuse_name(validation, CHECK_CAST, "the type");
	return name_check_type(validation, schema, name);
}

static bool check_collation(struct validation *validation, const json_t *node)
{
	const char *schema, *name;

	if (!split_name(json_object_get(node, "collname"), &schema, &name) ||
	    (schema && strcmp(schema, "pg_catalog") != 0))
		return refuse_name(validation, CHECK_NODE, "the collation");
	return true;
}

/* ---- the walk ---- */

#define NODE(type, check) static const struct node_field type##_fields[] = {
#define PLAIN(field)      {#field, FIELD_PLAIN, NULL},
#define ONE(field)        {#field, FIELD_ONE, NULL},
#define LIST(field)       {#field, FIELD_LIST, NULL},
#define PART(field, type) {#field, FIELD_PART, #type},
#define END                             \
	{                               \
		NULL, FIELD_PLAIN, NULL \
	}                               \
	}                               \
	;
#include "worker/allowed_nodes.def"
#undef NODE
#undef PLAIN
#undef ONE
#undef LIST
#undef PART
#undef END

static const struct node_type node_types[] = {
#define NODE(type, check) {#type, type##_fields, check_##check},
#define PLAIN(field)
#define ONE(field)
#define LIST(field)
#define PART(field, type)
#define END
#include "worker/allowed_nodes.def"
#undef NODE
};

static const struct node_type *node_type_find(const char *name)
{
	for (size_t i = 0; i < COUNT(node_types); i++)
		if (strcmp(node_types[i].name, name) == 0)
			return &node_types[i];
	return NULL;
}

static const struct node_field *node_field_find(const struct node_type *type, const char *name)
{
	for (const struct node_field *field = type->fields; field->name; field++)
		if (strcmp(field->name, name) == 0)
			return field;
	return NULL;
}

static bool refuse_node(struct validation *validation, const char *type)
{
	size_t place = validation_place(validation);

	for (size_t i = 0; i < COUNT(known_refusals); i++)
		if (strcmp(known_refusals[i].type, type) == 0)
			return validation_refuse(validation, known_refusals[i].code,
			    "%s at character %zu is not allowed; %s", known_refusals[i].name, place,
			    known_refusals[i].advice);
	if (strlen(type) > 4 && strcmp(type + strlen(type) - 4, "Stmt") == 0)
		return validation_refuse(validation, CHECK_NOT_SELECT,
		    "the statement at character %zu (%s) is not allowed; use SELECT", place, type);
	return validation_refuse(validation, CHECK_NODE,
	    "the construct at character %zu (%s) is not allowed; say it another way", place, type);
}

static bool refuse_field(struct validation *validation, const char *type, const char *field)
{
	return validation_refuse(validation, CHECK_NODE,
	    "the construct at character %zu (%s of %s) is not allowed; say it another way",
	    validation_place(validation), field, type);
}

/* Nodes without a place of their own (-1, or none) are said to be where the outer one is. */
static void move_to(struct validation *validation, const json_t *node)
{
	const json_t *location = json_object_get(node, "location");

	if (json_is_integer(location) && json_integer_value(location) >= 0)
		validation->location = (long)json_integer_value(location);
}

bool tree_walk(struct validation *validation, json_t *wrapped)
{
	void *member = json_object_iter(wrapped);
	const struct node_type *type;

	if (!json_is_object(wrapped) || json_object_size(wrapped) != 1)
		return refuse_node(validation, "unknown");
	type = node_type_find(json_object_iter_key(member));
	if (!type) {
		move_to(validation, json_object_iter_value(member));
		return refuse_node(validation, json_object_iter_key(member));
	}
	return walk_node(validation, type, json_object_iter_value(member));
}

static bool walk_list(struct validation *validation, const json_t *list)
{
	json_t *member;
	size_t i;

	json_array_foreach (list, i, member) {
		if (json_is_object(member) && json_object_size(member) == 0)
			continue;
		if (!tree_walk(validation, member))
			return false;
	}
	return json_is_array(list) || refuse_node(validation, "unknown");
}

static bool walk_field(struct validation *validation, const struct node_type *type,
    const struct node_field *field, json_t *value)
{
	switch (field->kind) {
	case FIELD_PLAIN:
		if (json_is_object(value) || json_is_array(value))
			return refuse_field(validation, type->name, field->name);
		return true;
	case FIELD_ONE:
		return tree_walk(validation, value);
	case FIELD_LIST:
		return walk_list(validation, value);
	case FIELD_PART:
		return walk_node(validation, node_type_find(field->type), value);
	}
	return refuse_field(validation, type->name, field->name);
}

static bool walk_fields(struct validation *validation, const struct node_type *type, json_t *node)
{
	json_t *with = json_object_get(node, "withClause");
	const struct node_field *field;
	const char *name;
	json_t *value;

	/* First: all else in the SELECT sees its names. */
	if (with && !walk_node(validation, node_type_find("WithClause"), with))
		return false;
	json_object_foreach (node, name, value) {
		if (value == with)
			continue;
		field = node_field_find(type, name);
		if (!field)
			return refuse_field(validation, type->name, name);
		if (!walk_field(validation, type, field, value))
			return false;
	}
	return true;
}

static bool walk_node(struct validation *validation, const struct node_type *type, json_t *node)
{
	long outer_location = validation->location;
	size_t outer_with_count = validation->with_count;
	bool passed;

	if (!json_is_object(node))
		return refuse_node(validation, "unknown");
	if (validation->depth >= TREE_DEPTH_MAX)
		return validation_refuse(validation, CHECK_DEPTH,
		    "the statement is nested too deeply at character %zu; at most %d levels are "
		    "allowed: shorten the chain or split it",
		    validation_place(validation), TREE_DEPTH_MAX);
	move_to(validation, node);
	validation->depth++;
	passed = type->check(validation, node);
	/* check_with has walked its queries itself, each with the names that it may see. */
	if (passed && type->check != check_with)
		passed = walk_fields(validation, type, node);
	validation->depth--;
	validation->location = outer_location;
	if (type->check == check_select)
		validation->with_count = outer_with_count;
	return passed;
}
