/* What the planner would make of a statement. It puts subqueries and WITH queries into one another,
 * and what stands behind a column takes the column's place wherever that is named: 16 levels of
 * SELECT v || v AS v FROM (...) are 65,536 of the innermost, without a look whether the statement
 * was cancelled or how much memory there is. So this is counted here, a little too high. */
#include <stdlib.h>
#include <string.h>

#include "worker/validate_tree.h"

enum {
	PARTS_MAX = 100 * 1000, /* 2 s and 200 MB of PostgreSQL's on a busy machine */
	RELATION_PARTS = 20, /* each may be joined with each */
	RECURSIVE_PASSES_MAX = 8,
};

/* Doubles: the numbers may be of any size. */
struct growth {
	double parts; /* of all of it */
	double column; /* of what stands for one of its columns where that is named */
};

struct with_query {
	const char *name;
	struct growth growth;
	bool copied; /* NOT MATERIALIZED: once for each time that it is named */
};

struct counting {
	struct with_query with[TREE_WITH_NAMES_MAX];
	size_t with_count;
	long location; /* of the node that was looked at last */
	long exceeded; /* where the limit was passed; -1: nowhere */
};

static struct growth count_select(
    struct counting *counting, const struct tree *select, double column);

static void note(struct counting *counting, double parts)
{
	if (parts > PARTS_MAX && counting->exceeded < 0)
		counting->exceeded = counting->location;
}

/* Any expression or clause, in which a column is `column` parts. */
static double count_parts(struct counting *counting, const struct tree *value, double column)
{
	double parts = 0;

	if (!value || (value->kind != TREE_MAP && value->kind != TREE_LIST))
		return 0;
	if (value->name == NAME_SelectStmt)
		return count_select(counting, value, column).parts;
	if (value->name == NAME_ColumnRef) {
		const struct tree *location = tree_get(value, NAME_location);

		counting->location = location ? location->integer : counting->location;
		return column;
	}
	for (const struct tree *member = value->first; member; member = member->next)
		parts += count_parts(counting, member, column);
	/* Each node is a map in the map that names its type. */
	return parts +
	       (value->kind == TREE_MAP && value->name != NAME_UNKNOWN && value->name < NAME_NODES);
}

static const struct with_query *with_find(const struct counting *counting, const char *name)
{
	for (size_t i = counting->with_count; i > 0; i--)
		if (strcmp(counting->with[i - 1].name, name) == 0)
			return &counting->with[i - 1];
	return NULL;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static struct growth count_relation(struct counting *counting, const struct tree *relation)
{
	const char *name = tree_text(tree_get(relation, NAME_relname));
	const struct with_query *with = NULL;

	if (name && !tree_get(relation, NAME_schemaname))
		with = with_find(counting, name);
	if (!with)
		return (struct growth){RELATION_PARTS, 1};
	return (struct growth){
	    with->copied ? with->growth.parts : RELATION_PARTS, with->growth.column};
}

/* What stands in FROM, joins with all that they join. beside: of the columns to its left, which
 * only LATERAL and functions see. */
static struct growth count_from(
    struct counting *counting, const struct tree *wrapped, double outer, double beside)
{
	const struct tree *node = tree_first(wrapped);
	struct growth left, right;

	switch (node ? node->name : NAME_UNKNOWN) {
	case NAME_RangeVar:
		return count_relation(counting, node);
	case NAME_RangeSubselect:
		return count_select(counting, tree_first(tree_get(node, NAME_subquery)),
		    tree_is_true(tree_get(node, NAME_lateral)) ? larger(outer, beside) : outer);
	case NAME_JoinExpr:
		left = count_from(counting, tree_get(node, NAME_larg), outer, beside);
		right = count_from(
		    counting, tree_get(node, NAME_rarg), outer, larger(beside, left.column));
		left.column = larger(left.column, right.column);
		left.parts += right.parts + count_parts(counting, tree_get(node, NAME_quals),
		                                larger(outer, left.column));
		return left;
	default:
		return (struct growth){count_parts(counting, wrapped, larger(outer, beside)), 1};
	}
}

/* Sets with[at], without its own name, which is never put into it; whether that is news. */
static bool count_with_query(
    struct counting *counting, const struct tree *query, size_t at, double outer)
{
	const char *how = tree_text(tree_get(query, NAME_ctematerialized));
	struct with_query *with = &counting->with[at], before = *with;

	with->growth = (struct growth){1, 1};
	with->copied = false;
	with->growth = count_select(counting, tree_first(tree_get(query, NAME_ctequery)), outer);
	with->copied = how && strcmp(how, "CTEMaterializeNever") == 0;
	if (how && strcmp(how, "CTEMaterializeAlways") == 0)
		with->growth.column = 1;
	return with->growth.parts > before.growth.parts ||
	       with->growth.column > before.growth.column;
}

static void push_with(struct counting *counting, const struct tree *query)
{
	counting->with[counting->with_count++] =
	    (struct with_query){tree_text(tree_get(query, NAME_ctename)), {0, 0}, false};
}

/* Each may name those behind it. Both directions in turn find all that somebody may mean. */
static void count_with_recursive(
    struct counting *counting, const struct tree *queries, double outer)
{
	size_t first = counting->with_count, count = tree_count(queries);
	bool news = true;

	for (size_t i = 0; i < count; i++)
		push_with(counting, tree_get(tree_at(queries, i), NAME_CommonTableExpr));
	for (int pass = 0; news && pass < RECURSIVE_PASSES_MAX && counting->exceeded < 0; pass++) {
		news = false;
		for (size_t i = 0; i < count; i++) {
			size_t at = pass % 2 ? i : count - 1 - i;
			const struct tree *wrapped = tree_at(queries, at);

			news |= count_with_query(
			    counting, tree_get(wrapped, NAME_CommonTableExpr), first + at, outer);
		}
	}
	if (news)
		note(counting, PARTS_MAX + 1);
}

static void count_with(struct counting *counting, const struct tree *with, double outer)
{
	const struct tree *queries = tree_get(with, NAME_ctes), *wrapped = tree_first(queries);

	if (tree_is_true(tree_get(with, NAME_recursive))) {
		count_with_recursive(counting, queries, outer);
		return;
	}
	for (; wrapped; wrapped = wrapped->next) {
		const struct tree *query = tree_get(wrapped, NAME_CommonTableExpr);
		size_t at = counting->with_count;

		/* Its name is pushed behind it: in it, it is another's. */
		push_with(counting, query);
		counting->with[at].name = "";
		count_with_query(counting, query, at, outer);
		counting->with[at].name = tree_text(tree_get(query, NAME_ctename));
	}
}

/* The planner leaves such a subquery by itself, so that its columns are columns. */
static bool stands_alone(const struct tree *select)
{
	static const enum tree_name clauses[] = {NAME_groupClause, NAME_havingClause,
	    NAME_distinctClause, NAME_sortClause, NAME_limitCount, NAME_limitOffset,
	    NAME_withClause};

	for (size_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++)
		if (tree_get(select, clauses[i]))
			return true;
	return false;
}

/* All but WITH, FROM and what a set operation joins. */
static struct growth count_clauses(
    struct counting *counting, const struct tree *select, double column)
{
	struct growth growth = {1, 1};

	for (const struct tree *member = tree_first(select); member; member = member->next) {
		bool gives_columns =
		    member->name == NAME_targetList || member->name == NAME_valuesLists;

		if (member->name == NAME_withClause || member->name == NAME_fromClause ||
		    member->name == NAME_larg || member->name == NAME_rarg)
			continue;
		for (const struct tree *part = tree_first(member); part; part = part->next) {
			double parts = count_parts(counting, part, column);

			growth.parts += parts;
			if (gives_columns)
				growth.column = larger(growth.column, parts);
			note(counting, growth.parts);
		}
	}
	return growth;
}

/* Its own names go with it. */
static struct growth count_select(
    struct counting *counting, const struct tree *select, double outer)
{
	const struct tree *item = tree_first(tree_get(select, NAME_fromClause));
	size_t with_count = counting->with_count;
	double column = outer, under = 0;
	struct growth growth, part;

	count_with(counting, tree_get(select, NAME_withClause), outer);
	for (size_t i = with_count; i < counting->with_count; i++)
		under += counting->with[i].growth.parts;
	for (; item; item = item->next) {
		part = count_from(counting, item, outer, column);
		under += part.parts;
		column = larger(column, part.column);
	}
	growth = count_clauses(counting, select, column);
	for (int side = 0; side < 2 && tree_get(select, NAME_larg); side++) {
		part =
		    count_select(counting, tree_get(select, side ? NAME_rarg : NAME_larg), outer);
		under += part.parts;
		growth.column = larger(growth.column, part.column);
	}
	growth.parts += under;
	note(counting, growth.parts);
	if (stands_alone(select))
		growth.column = 1;
	counting->with_count = with_count;
	return growth;
}

bool growth_check(struct validation *validation, const struct tree *select)
{
	struct counting *counting = must_alloc(sizeof(*counting));
	long exceeded;

	counting->with_count = 0;
	counting->location = 0;
	counting->exceeded = -1;
	count_select(counting, select, 1);
	exceeded = counting->exceeded;
	free(counting);
	if (exceeded < 0)
		return true;
	validation->location = exceeded;
	return validation_refuse(validation, CHECK_DEPTH,
	    "at character %zu the statement grows over %d parts, as its subqueries are put into "
	    "one another for each time that a column or NOT MATERIALIZED query is named; write "
	    "WITH … AS MATERIALIZED, or name it once",
	    validation_place(validation), PARTS_MAX);
}
