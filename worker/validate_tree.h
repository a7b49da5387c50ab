/*
 * The walk over a statement's parse tree: every node and field is one of
 * allowed_nodes.def, or the statement is refused. Names are looked up by validate_names.c,
 * the layers before the tree are validate.c's. One walk serves one statement.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "text/snapshot.h"
#include "worker/parse_tree.h"
#include "worker/policy.h"
#include "worker/sql_weight.h"
#include "worker/validate.h"

enum {
	/* A chain of this many operators, or levels of nesting; a server's own stack takes more. */
	TREE_DEPTH_MAX = SQL_BRACKETS_MAX,
	/* "a AS(SELECT)," is 13 bytes of a statement's 8192 */
	TREE_WITH_NAMES_MAX = 640,
	TREE_PASSED_MAX = 8,
};

#define CATALOG_SCHEMA "pg_catalog"

struct validation {
	struct bytes sql;
	struct policy *policy;
	/* Whose body this is; NULL: it is a client's or a model's statement. */
	const struct snapshot_table *view;
	unsigned view_level;
	bool nests; /* it has queries in FROM or in WITH */
	bool of_schema; /* no statement: a reason names neither the relation nor its place */
	struct verdict *verdict;
	long location; /* byte offset of the innermost node that has one */
	unsigned depth;
	/* Names that WITH gives, innermost last; a SELECT takes its own away when it ends. */
	const char *with_names[TREE_WITH_NAMES_MAX];
	size_t with_count;
	/* Columns' names that have passed lately: statements say the same few again and again. */
	const char *passed[TREE_PASSED_MAX];
	size_t passed_count;
	struct parse_tree tree;
	/* What is read, as found; the strings are the tree's, the snapshot's or static. */
	struct verdict_relation *relations;
	size_t relation_count, relation_capacity;
};

/* All below return false once the verdict is a refusal. */
bool tree_walk(struct validation *validation, const struct tree *wrapped);
/* Checks the bytes, parses, walks. */
bool validation_run(struct validation *validation);
void validation_deinit(struct validation *validation);

/* Refuses, for good; returns false, for `return`. */
bool validation_refuse(struct validation *validation, enum check_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool validation_refuse_depth(struct validation *validation);
/* The code point, from 1, at which the present node starts. */
size_t validation_place(const struct validation *validation);
/* Keeps the first reason. */
void validation_not_cacheable(struct validation *validation, const char *reason);
void validation_note_impure(struct validation *validation);

bool name_check_function(
    struct validation *validation, const char *schema, const char *name, size_t argument_count);
/* The value's field or, where it has none of that name, a function of it: x.name, (x).name. */
bool name_check_attribute(struct validation *validation, const char *name, bool of_relation);
bool name_check_operator(struct validation *validation, const char *schema, const char *name);
/* An operator that the syntax implies: only whether something outside pg_catalog may be meant. */
bool name_check_implied_operator(struct validation *validation, const char *name);
bool name_check_type(struct validation *validation, const char *schema, const char *name);
bool name_check_relation(struct validation *validation, const char *schema, const char *name);
/* Whether the name, called, may be a function or cast outside pg_catalog that is not allowed. */
bool name_is_foreign_call(const struct validation *validation, const char *name);

bool relation_refuse(struct validation *validation, const char *kind,
    const struct snapshot_table *table, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether a view may be read, by its body or because it is listed: validate_views.c. */
bool view_check(struct validation *validation, const struct snapshot_table *view);
void validation_add_relation(
    struct validation *validation, const char *schema, const char *table, bool under);

/* Whether the planner can cope with it: validate_growth.c. */
bool growth_check(struct validation *validation, const struct tree *select);

/* What makes a result differ from one time to the next: validate_cacheable.c. */
void cacheable_note_constant(struct validation *validation, const struct tree *constant);
void cacheable_note_cast(
    struct validation *validation, const struct tree *argument, const char *type);
