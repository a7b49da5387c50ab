#include "worker/validate_tree.h"

#include <string.h>

#include "worker/sql_places.h"

enum field_kind { FIELD_REFUSED, FIELD_PLAIN, FIELD_ONE, FIELD_LIST, FIELD_PART };

struct node_field {
	uint8_t kind; /* enum field_kind */
	uint8_t type; /* of FIELD_PART: enum tree_name */
};

/* What a type is checked for beyond its fields; false: refused. */
typedef bool (*node_check)(struct validation *validation, const struct tree *node);

struct node_type {
	const char *name;
	node_check check;
	struct node_field fields[NAME_COUNT]; /* what is not allowed is FIELD_REFUSED */
};

static const struct {
	const char *type;
	enum check_code code;
	const char *name, *advice;
} known_refusals[] = {
#define KNOWN(type, code, name, advice) {#type, CHECK_##code, name, advice},
#include "worker/allowed_nodes.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool walk_node(
    struct validation *validation, const struct node_type *type, const struct tree *node);

/* ---- names in lists of String nodes ---- */

/* Takes [name] or [schema, name]; false for anything else. */
static bool split_name(const struct tree *list, const char **ret_schema, const char **ret_name)
{
	size_t count = tree_count(list);
	const char *schema = count == 2 ? tree_string(tree_at(list, 0)) : NULL;
	const char *name = count ? tree_string(tree_at(list, count - 1)) : NULL;

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

/* Nodes without a place of their own (-1, or none) are said to be where the outer one is. */
static void move_to(struct validation *validation, const struct tree *node)
{
	const struct tree *location = tree_get(node, NAME_location);

	if (location && location->kind == TREE_INTEGER && location->integer >= 0)
		validation->location = location->integer;
}

/* ---- checks, in the order of allowed_nodes.def ---- */

static bool check_none(struct validation *validation, const struct tree *node)
{
	(void)validation;
	(void)node;
	return true;
}

static bool check_nested(struct validation *validation, const struct tree *node)
{
	(void)node;
	validation->nests = true;
	return true;
}

static bool check_select(struct validation *validation, const struct tree *node)
{
	const struct tree *into = tree_get(node, NAME_intoClause);
	const struct tree *place = tree_get(tree_get(into, NAME_rel), NAME_location);

	if (into) {
		validation->location = place ? place->integer : validation->location;
		return validation_refuse(validation, CHECK_INTO,
		    "SELECT INTO, with a name at character %zu, creates a table, which is not "
		    "allowed; leave INTO out",
		    validation_place(validation));
	}
	if (!tree_get(node, NAME_lockingClause))
		return true;
	/* The tree does not say where it stands. */
	validation->location = sql_places_locking(validation->sql, validation->location);
	return validation_refuse(validation, CHECK_LOCKING,
	    "the locking clause at character %zu (FOR UPDATE, FOR SHARE) is not allowed; leave it "
	    "out",
	    validation_place(validation));
}

static bool push_with_name(struct validation *validation, const struct tree *wrapped)
{
	const struct tree *query = tree_get(wrapped, NAME_CommonTableExpr);
	const char *name = tree_text(tree_get(query, NAME_ctename));

	if (!name || validation->with_count == TREE_WITH_NAMES_MAX) {
		move_to(validation, query);
		return validation_refuse(validation, CHECK_DEPTH,
		    "WITH has more than %d queries, at character %zu; use fewer",
		    TREE_WITH_NAMES_MAX, validation_place(validation));
	}
	validation->with_names[validation->with_count++] = name;
	return true;
}

/* Without RECURSIVE a query sees only those before it: its own name is the real table's. */
static bool check_with(struct validation *validation, const struct tree *node)
{
	const struct tree *queries = tree_get(node, NAME_ctes), *query;
	bool recursive = tree_is_true(tree_get(node, NAME_recursive));

	for (query = tree_first(queries); recursive && query; query = query->next)
		if (!push_with_name(validation, query))
			return false;
	for (query = tree_first(queries); query; query = query->next) {
		if (!tree_walk(validation, query))
			return false;
		if (!recursive && !push_with_name(validation, query))
			return false;
	}
	return true;
}

static bool check_cycle(struct validation *validation, const struct tree *node)
{
	(void)node;
	return name_check_implied_operator(validation, "=") &&
	       name_check_implied_operator(validation, "<>");
}

static bool check_relation(struct validation *validation, const struct tree *node)
{
	const struct tree *database = tree_get(node, NAME_catalogname);

	if (database)
		return validation_refuse(validation, CHECK_RELATION,
		    "relation at character %zu names a database; write schema.table",
		    validation_place(validation));
	return name_check_relation(validation, tree_text(tree_get(node, NAME_schemaname)),
	    tree_text(tree_get(node, NAME_relname)));
}

static bool check_join(struct validation *validation, const struct tree *node)
{
	if (tree_get(node, NAME_usingClause) || tree_get(node, NAME_isNatural))
		return name_check_implied_operator(validation, "=");
	return true;
}

static bool check_sample(struct validation *validation, const struct tree *node)
{
	const char *schema, *name;

	if (!split_name(tree_get(node, NAME_method), &schema, &name))
		return refuse_name(validation, CHECK_FUNCTION, "the sampling method");
	if ((strcmp(name, "system") != 0 && strcmp(name, "bernoulli") != 0) ||
	    (schema && strcmp(schema, CATALOG_SCHEMA) != 0) ||
	    (!schema && name_is_foreign_call(validation, name)))
		return validation_refuse(validation, CHECK_FUNCTION,
		    "sampling method \"%s\" at character %zu is not allowed; use BERNOULLI or "
		    "SYSTEM",
		    name, validation_place(validation));
	validation_not_cacheable(validation, "it takes a random sample");
	return true;
}

static bool check_sort(struct validation *validation, const struct tree *node)
{
	const struct tree *use = tree_get(node, NAME_useOp);
	const char *schema, *name;

	if (!tree_count(use))
		return true;
	if (!split_name(use, &schema, &name))
		return refuse_name(validation, CHECK_OPERATOR, "the sorting operator");
	return name_check_operator(validation, schema, name);
}

static bool refuse_role(struct validation *validation)
{
	return validation_refuse(validation, CHECK_FUNCTION,
	    "the keyword at character %zu names a role, which is not allowed; leave it out",
	    validation_place(validation));
}

/* a.b is a column, or else a function b of what a stands for: of a row, or of the one value of a
 * function in FROM, as in SELECT g.pg_sleep FROM generate_series(1, 9) g. */
static bool check_column(struct validation *validation, const struct tree *node)
{
	const struct tree *fields = tree_get(node, NAME_fields);
	size_t count = tree_count(fields);
	const char *name = tree_string(tree_last(fields));

	if (name && count > 1)
		return name_check_attribute(validation, name, true);
	/* PostgreSQL 16 made a keyword of it, which this grammar does not know. */
	return !name || strcmp(name, "system_user") != 0 || refuse_role(validation);
}

static bool check_indirection(struct validation *validation, const struct tree *node)
{
	const struct tree *step = tree_first(tree_get(node, NAME_indirection));

	for (; step; step = step->next) {
		const char *name = tree_string(step);

		if (name && !name_check_attribute(validation, name, false))
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

static bool check_operator(struct validation *validation, const struct tree *node)
{
	const char *kind = tree_text(tree_get(node, NAME_kind));
	const char *schema, *name;

	if (kind && (strncmp(kind, "AEXPR_BETWEEN", 13) == 0 ||
	                strncmp(kind, "AEXPR_NOT_BETWEEN", 17) == 0))
		return check_between(validation);
	if (!split_name(tree_get(node, NAME_name), &schema, &name))
		return refuse_name(validation, CHECK_OPERATOR, "the operator");
	return name_check_operator(validation, schema, name);
}

static bool check_function(struct validation *validation, const struct tree *node)
{
	const char *schema, *name;

	if (!split_name(tree_get(node, NAME_funcname), &schema, &name))
		return refuse_name(validation, CHECK_FUNCTION, "the function");
	if (tree_count(tree_get(node, NAME_args)) == 1) /* timestamptz(x) is a cast */
		cacheable_note_cast(validation, tree_at(tree_get(node, NAME_args), 0), name);
	return name_check_function(validation, schema, name, tree_count(tree_get(node, NAME_args)));
}

static bool check_sublink(struct validation *validation, const struct tree *node)
{
	const struct tree *use = tree_get(node, NAME_operName);
	const char *schema, *name;

	if (!tree_count(use)) /* IN is "=" */
		return !tree_get(node, NAME_testexpr) ||
		       name_check_implied_operator(validation, "=");
	if (!split_name(use, &schema, &name))
		return refuse_name(validation, CHECK_OPERATOR, "the operator");
	return name_check_operator(validation, schema, name);
}

static bool check_case(struct validation *validation, const struct tree *node)
{
	return !tree_get(node, NAME_arg) || name_check_implied_operator(validation, "=");
}

static bool check_value_function(struct validation *validation, const struct tree *node)
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
	const char *op = tree_text(tree_get(node, NAME_op));

	for (size_t i = 0; op && i < COUNT(allowed); i++)
		if (strncmp(op, allowed[i].start, strlen(allowed[i].start)) == 0) {
			validation_not_cacheable(validation, allowed[i].reason);
			return true;
		}
	return refuse_role(validation);
}

static bool check_constant(struct validation *validation, const struct tree *node)
{
	cacheable_note_constant(validation, node);
	return true;
}

/* The last word of a type's name: what it is called in pg_type. */
static const char *type_name(const struct tree *type)
{
	const struct tree *names = tree_get(type, NAME_names);

	return tree_string(tree_last(names));
}

static bool check_cast(struct validation *validation, const struct tree *node)
{
	cacheable_note_cast(
	    validation, tree_get(node, NAME_arg), type_name(tree_get(node, NAME_typeName)));
	return true;
}

/* Columns of XMLTABLE and of functions that give records are read from text. */
static bool check_read_column(struct validation *validation, const struct tree *node)
{
	cacheable_note_cast(validation, NULL, type_name(tree_get(node, NAME_typeName)));
	return true;
}

static bool check_type(struct validation *validation, const struct tree *node)
{
	const char *schema, *name;

	if (!split_name(tree_get(node, NAME_names), &schema, &name))
		return refuse_name(validation, CHECK_CAST, "the type");
	return name_check_type(validation, schema, name);
}

static bool check_collation(struct validation *validation, const struct tree *node)
{
	const char *schema, *name;

	if (!split_name(tree_get(node, NAME_collname), &schema, &name) ||
	    (schema && strcmp(schema, CATALOG_SCHEMA) != 0))
		return refuse_name(validation, CHECK_NODE, "the collation");
	return true;
}

/* ---- the walk ---- */

#define NODE(type, check) [NAME_##type] = {#type, check_##check, {
#define PLAIN(field)      [NAME_##field] = {FIELD_PLAIN, 0},
#define ONE(field)        [NAME_##field] = {FIELD_ONE, 0},
#define LIST(field)       [NAME_##field] = {FIELD_LIST, 0},
#define PART(field, type) [NAME_##field] = {FIELD_PART, NAME_##type},
#define END \
	}   \
	}   \
	,
static const struct node_type node_types[NAME_NODES] = {
#include "worker/allowed_nodes.def"
};
_Static_assert(NAME_NODES <= UINT8_MAX, "the type of a part fits into its field");

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

bool tree_walk(struct validation *validation, const struct tree *wrapped)
{
	const struct tree *node = tree_first(wrapped);

	if (!node || !node->key || node->next)
		return refuse_node(validation, "unknown");
	if (node->name == NAME_UNKNOWN || node->name >= NAME_NODES) {
		move_to(validation, node);
		return refuse_node(validation, node->key);
	}
	return walk_node(validation, &node_types[node->name], node);
}

static bool walk_list(struct validation *validation, const struct tree *list)
{
	const struct tree *member = tree_first(list);

	for (; member; member = member->next) {
		if (member->kind == TREE_MAP && !member->first)
			continue;
		if (!tree_walk(validation, member))
			return false;
	}
	return list->kind == TREE_LIST || refuse_node(validation, "unknown");
}

static bool walk_field(
    struct validation *validation, const struct node_type *type, const struct tree *value)
{
	const struct node_field *field = &type->fields[value->name];

	switch (field->kind) {
	case FIELD_PLAIN:
		if (value->kind == TREE_MAP || value->kind == TREE_LIST)
			break;
		return true;
	case FIELD_ONE:
		return tree_walk(validation, value);
	case FIELD_LIST:
		return walk_list(validation, value);
	case FIELD_PART:
		return walk_node(validation, &node_types[field->type], value);
	}
	return refuse_field(validation, type->name, value->key);
}

static bool walk_fields(
    struct validation *validation, const struct node_type *type, const struct tree *node)
{
	const struct tree *with = NULL;

	/* First: all else in the SELECT sees its names. */
	if (type->check == check_select)
		with = tree_get(node, NAME_withClause);
	if (with && !walk_node(validation, &node_types[NAME_WithClause], with))
		return false;
	for (const struct tree *value = tree_first(node); value; value = value->next)
		if (value != with && !walk_field(validation, type, value))
			return false;
	return true;
}

static bool walk_node(
    struct validation *validation, const struct node_type *type, const struct tree *node)
{
	long outer_location = validation->location;
	size_t outer_with_count = validation->with_count;
	bool passed;

	if (node->kind != TREE_MAP)
		return refuse_node(validation, "unknown");
	if (validation->depth >= TREE_DEPTH_MAX)
		return validation_refuse_depth(validation);
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
