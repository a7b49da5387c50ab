/* Views: a body is a statement that runs with its owner's rights. It is checked by the same walk,
 * once for a schema and policy; what it uses from outside pg_catalog is known exactly, because
 * PostgreSQL keeps it as dependencies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/validate_tree.h"

enum {
	VIEW_LEVELS_MAX = 32, /* views on views; each level is a walk inside a walk */
	RELATIONS_MAX = 1000, /* under the views of one statement */
};

static void refuse_view(struct policy_view *found, const char *why, const char *what)
{
	found->state = VIEW_REFUSED;
	snprintf(found->reason, sizeof(found->reason), "%s%.250s", why, what);
}

static void check_body(
    struct validation *outer, const struct snapshot_table *view, struct policy_view *found)
{
	struct validation *validation = must_zalloc(sizeof(*validation));
	struct verdict *verdict = must_zalloc(sizeof(*verdict));

	validation->sql = bytes_of_string(view->definition);
	validation->policy = outer->policy;
	validation->view = view;
	validation->view_level = outer->view_level + 1;
	validation->depth = outer->depth; /* one stack for all of them */
	validation->verdict = verdict;
	if (validation_run(validation)) {
		found->state = VIEW_ALLOWED;
		found->not_cacheable = verdict->not_cacheable;
	} else {
		refuse_view(found, "in it ", verdict->reason);
	}
	validation_deinit(validation);
	free(validation);
	free(verdict);
}

/* What the text could mean is settled here: only these, or else pg_catalog's. */
static void look_into(
    struct validation *outer, const struct snapshot_table *view, struct policy_view *found)
{
	bool impure = false;
	const struct snapshot_object *refused =
	    policy_refused_use(outer->policy, &view->functions, &impure);

	if (!refused)
		refused = policy_refused_use(outer->policy, &view->operators, &impure);
	if (refused)
		refuse_view(found, "it uses what this database defines itself: ", refused->name);
	else if (!view->definition)
		refuse_view(found, "its definition is too long", "");
	else if (outer->view_level >= VIEW_LEVELS_MAX)
		refuse_view(found, "too many views stand on each other", "");
	else
		check_body(outer, view, found);
	if (found->state == VIEW_ALLOWED && impure && !found->not_cacheable)
		found->not_cacheable = "a function of this database in it is not immutable";
}

/* Cached results must become stale with the tables under a view, listed or not. */
static bool add_read(struct validation *validation, const struct snapshot_table *view)
{
	const struct snapshot *snapshot = validation->policy->snapshot;

	for (size_t i = 0; i < view->reads.count; i++) {
		const struct snapshot_object *read = &view->reads.items[i];
		const struct snapshot_table *table =
		    snapshot_find_table(snapshot, read->schema, read->name);
		size_t before = validation->relation_count;

		validation_add_relation(validation, read->schema, read->name, true);
		if (validation->relation_count == before)
			continue;
		if (validation->relation_count > RELATIONS_MAX ||
		    (table && policy_is_view(table) && !add_read(validation, table)))
			return false;
	}
	return true;
}

static bool refuse(struct validation *validation, const struct snapshot_table *view,
    const struct policy_view *found, bool taken)
{
	if (taken)
		return relation_refuse(validation, "view", view,
		    "is taken away by databases[].allow.views; read another");
	return relation_refuse(validation, "view", view,
	    "is not allowed: %s; read the tables themselves, or list it in "
	    "databases[].allow.views",
	    found->reason);
}

bool view_check(struct validation *validation, const struct snapshot_table *view)
{
	struct policy *policy = validation->policy;
	struct policy_view *found = policy_view_of(policy, view);
	enum allowance listed = policy_relation(policy, view, view->schema, view->name);

	if (found->state == VIEW_UNKNOWN) {
		found->state = VIEW_BEING_CHECKED;
		look_into(validation, view, found);
	}
	if (listed == ALLOWANCE_TAKEN || (listed == ALLOWANCE_NONE && found->state != VIEW_ALLOWED))
		return refuse(validation, view, found, listed == ALLOWANCE_TAKEN);
	if (found->state != VIEW_ALLOWED)
		validation_not_cacheable(validation, "what the view does is not known");
	else if (found->not_cacheable)
		validation_not_cacheable(validation, found->not_cacheable);
	validation_add_relation(validation, view->schema, view->name, false);
	if (!validation->view && !add_read(validation, view))
		validation_not_cacheable(validation, "too many tables stand under the view");
	return true;
}
