/*
 * What a database's schema and its databases[].allow say together: which functions, operators,
 * types and relations a statement may name beyond worker/allowed_*.def. Immutable but for what it
 * remembers: what was found out about each view's body, and indices of the schema. The walk over
 * statements is validate_tree.h's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/allow.h"
#include "common/child.h"
#include "text/snapshot.h"

enum view_state { VIEW_UNKNOWN, VIEW_BEING_CHECKED, VIEW_ALLOWED, VIEW_REFUSED };

struct policy_view {
	enum view_state state;
	char reason[300]; /* of VIEW_REFUSED */
	const char *not_cacheable; /* of VIEW_ALLOWED; NULL: may be cached */
};

struct policy_list {
	size_t count;
	struct allow_entry *entries;
	char **texts; /* that the entries stand in */
};

/* What is known of a column's name, whichever tables have it. */
struct policy_column {
	const char *name;
	bool may_be_text; /* in one of them, or of a type that is not known */
};

struct policy_enum {
	const char *type; /* as it stands at a column */
	bool calls; /* functions that are not allowed come with it */
};

struct policy {
	const struct snapshot *snapshot; /* NULL: none; borrowed */
	struct policy_list functions, tables, views;
	struct policy_view *looked_into; /* of each table of the snapshot */
	/* Sorted, made when they are first asked for: a look at every column of a large schema
	 * takes milliseconds. */
	struct policy_column *columns; /* each name once; NULL: not made */
	struct policy_enum *enums; /* each that a column has once */
	size_t column_count, enum_count;
};

/* database NULL: nothing is listed. The snapshot must outlive the policy. */
struct policy *policy_new(const struct snapshot *snapshot, const struct child_database *database);
void policy_free(struct policy *policy);

/* Of a function, an operator or a type. */
enum allowance policy_function(
    const struct policy *policy, const char *schema, const char *name, const char *extension);
/* table NULL: the snapshot does not have it, so that nothing is known of its kind. */
enum allowance policy_relation(const struct policy *policy, const struct snapshot_table *table,
    const char *schema, const char *name);
bool policy_is_view(const struct snapshot_table *table);
struct policy_view *policy_view_of(struct policy *policy, const struct snapshot_table *table);

/* Of all with that name: is any of them not allowed, is there any, does pg_catalog have the name
 * too, is any of them not immutable? */
struct policy_names {
	bool refused, any, shadows, impure;
};
struct policy_names policy_names(
    const struct policy *policy, const struct snapshot_objects *objects, const char *name);
/* The first of them that is not allowed, or NULL; *impure: also set where one is not immutable. */
const struct snapshot_object *policy_refused_use(
    const struct policy *policy, const struct snapshot_objects *uses, bool *impure);

/* NULL: no table has such a column. */
const struct policy_column *policy_column(struct policy *policy, const char *name);
/* NULL: no column is of this enum. */
const struct policy_enum *policy_enum(struct policy *policy, const char *type);
