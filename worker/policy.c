#include "worker/policy.h"

#include <stdlib.h>
#include <string.h>

/* Configuration has been checked; what is wrong all the same allows nothing. */
static void list_init(struct policy_list *list, char *const *texts, size_t count)
{
	list->entries = must_zalloc((count ? count : 1) * sizeof(*list->entries));
	list->texts = must_zalloc((count ? count : 1) * sizeof(*list->texts));
	for (size_t i = 0; i < count; i++) {
		char *text = must_strdup(texts[i]);

		list->texts[list->count] = text;
		if (allow_parse(text, &list->entries[list->count]) == 0)
			list->count++;
		else
			free(text);
	}
}

static void list_deinit(struct policy_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->texts[i]);
	free(list->texts);
	free(list->entries);
}

struct policy *policy_new(const struct snapshot *snapshot, const struct child_database *database)
{
	static const struct child_database nothing;
	struct policy *policy = must_zalloc(sizeof(*policy));
	size_t tables = snapshot && snapshot->table_count ? snapshot->table_count : 1;

	if (!database)
		database = &nothing;
	policy->snapshot = snapshot;
	list_init(&policy->functions, database->allow_functions, database->allow_function_count);
	list_init(&policy->tables, database->allow_tables, database->allow_table_count);
	list_init(&policy->views, database->allow_views, database->allow_view_count);
	policy->looked_into = must_zalloc(tables * sizeof(*policy->looked_into));
	return policy;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	list_deinit(&policy->functions);
	list_deinit(&policy->tables);
	list_deinit(&policy->views);
	free(policy->looked_into);
	free(policy->columns);
	free(policy->enums);
	free(policy);
}

enum allowance policy_function(
    const struct policy *policy, const char *schema, const char *name, const char *extension)
{
	return allow_find(
	    policy->functions.entries, policy->functions.count, schema, name, extension);
}

bool policy_is_view(const struct snapshot_table *table)
{
	return table->kind == TABLE_VIEW || table->kind == TABLE_MATERIALIZED_VIEW;
}

static enum allowance find_relation(
    const struct policy_list *list, const char *schema, const char *name)
{
	return allow_find(list->entries, list->count, schema, name, NULL);
}

enum allowance policy_relation(const struct policy *policy, const struct snapshot_table *table,
    const char *schema, const char *name)
{
	enum allowance as_table = find_relation(&policy->tables, schema, name);
	enum allowance as_view = find_relation(&policy->views, schema, name);

	if (table)
		return policy_is_view(table) ? as_view : as_table;
	if (as_table == ALLOWANCE_TAKEN || as_view == ALLOWANCE_TAKEN)
		return ALLOWANCE_TAKEN;
	return as_table == ALLOWANCE_GIVEN ? as_table : as_view;
}

struct policy_view *policy_view_of(struct policy *policy, const struct snapshot_table *table)
{
	return &policy->looked_into[table - policy->snapshot->tables];
}

struct policy_names policy_names(
    const struct policy *policy, const struct snapshot_objects *objects, const char *name)
{
	const struct snapshot_object *object = snapshot_find_object(objects, name);
	struct policy_names names = {0};

	for (; object; object = snapshot_next_object(objects, object)) {
		names.any = true;
		names.shadows |= object->shadows;
		names.impure |= !object->pure;
		names.refused |= policy_function(policy, object->schema, object->name,
		                     object->extension) != ALLOWANCE_GIVEN;
	}
	return names;
}

const struct snapshot_object *policy_refused_use(
    const struct policy *policy, const struct snapshot_objects *uses, bool *impure)
{
	for (size_t i = 0; i < uses->count; i++) {
		const struct snapshot_object *object = &uses->items[i];

		if (policy_function(policy, object->schema, object->name, object->extension) !=
		    ALLOWANCE_GIVEN)
			return object;
		*impure |= !object->pure;
	}
	return NULL;
}

/* ---- indices of the schema ---- */

static int compare_columns(const void *a, const void *b)
{
	return strcmp(
	    ((const struct policy_column *)a)->name, ((const struct policy_column *)b)->name);
}

static int compare_enums(const void *a, const void *b)
{
	return strcmp(((const struct policy_enum *)a)->type, ((const struct policy_enum *)b)->type);
}

static size_t merge_columns(struct policy_column *columns, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (i > 0 && compare_columns(&columns[kept - 1], &columns[i]) == 0)
			columns[kept - 1].may_be_text |= columns[i].may_be_text;
		else
			columns[kept++] = columns[i];
	return kept;
}

static size_t merge_enums(struct policy_enum *enums, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (i > 0 && compare_enums(&enums[kept - 1], &enums[i]) == 0)
			enums[kept - 1].calls |= enums[i].calls;
		else
			enums[kept++] = enums[i];
	return kept;
}

static void index_table(struct policy *policy, const struct snapshot_table *table)
{
	bool impure = false, calls = policy_refused_use(policy, &table->functions, &impure);

	for (size_t i = 0; i < table->column_count; i++) {
		const struct snapshot_column *column = &table->columns[i];

		policy->columns[policy->column_count++] = (struct policy_column){
		    column->name, column->kind == COLUMN_TEXT || column->kind == COLUMN_OTHER};
		if (column->kind == COLUMN_ENUM)
			policy->enums[policy->enum_count++] =
			    (struct policy_enum){column->type, calls};
	}
}

static void index_schema(struct policy *policy)
{
	const struct snapshot *snapshot = policy->snapshot;
	size_t columns = 0, enums = 0;

	for (size_t i = 0; snapshot && i < snapshot->table_count; i++) {
		columns += snapshot->tables[i].column_count;
		for (size_t k = 0; k < snapshot->tables[i].column_count; k++)
			enums += snapshot->tables[i].columns[k].kind == COLUMN_ENUM;
	}
	policy->columns = must_alloc((columns + 1) * sizeof(*policy->columns));
	policy->enums = must_alloc((enums + 1) * sizeof(*policy->enums));
	for (size_t i = 0; snapshot && i < snapshot->table_count; i++)
		index_table(policy, &snapshot->tables[i]);
	qsort(policy->columns, columns, sizeof(*policy->columns), compare_columns);
	qsort(policy->enums, enums, sizeof(*policy->enums), compare_enums);
	policy->column_count = merge_columns(policy->columns, columns);
	policy->enum_count = merge_enums(policy->enums, enums);
}

const struct policy_column *policy_column(struct policy *policy, const char *name)
{
	const struct policy_column wanted = {.name = name};

	if (!policy->columns)
		index_schema(policy);
	return bsearch(
	    &wanted, policy->columns, policy->column_count, sizeof(wanted), compare_columns);
}

const struct policy_enum *policy_enum(struct policy *policy, const char *type)
{
	const struct policy_enum wanted = {.type = type};

	if (!policy->columns)
		index_schema(policy);
	return bsearch(&wanted, policy->enums, policy->enum_count, sizeof(wanted), compare_enums);
}
