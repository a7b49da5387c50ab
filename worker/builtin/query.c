#include "worker/builtin/query.h"

#include <stdlib.h>

#include "worker/builtin/link.h"

static bool references(const struct snapshot_foreign_key *key, const struct snapshot_table *table)
{
	return strcmp(key->ref_schema, table->schema) == 0 &&
	       strcmp(key->ref_table, table->name) == 0;
}

static size_t count_keys(
    const struct snapshot *snapshot, size_t child, size_t parent, struct query_path *ret_path)
{
	const struct snapshot_table *table = &snapshot->tables[child];
	size_t found = 0;

	for (size_t i = 0; i < table->foreign_key_count; i++) {
		if (!references(&table->foreign_keys[i], &snapshot->tables[parent]))
			continue;
		*ret_path = (struct query_path){child, parent, &table->foreign_keys[i]};
		found++;
	}
	return found;
}

int query_find_path(
    const struct snapshot *snapshot, size_t a, size_t b, struct query_path *ret_path)
{
	struct query_path path;
	size_t found;

	if (a == b)
		return 1;
	found = count_keys(snapshot, a, b, &path);
	found += count_keys(snapshot, b, a, &path);
	if (found != 1)
		return found == 0 ? 1 : 2;
	*ret_path = path;
	return 0;
}

bool query_is_key(const struct snapshot_table *table, size_t column)
{
	return snapshot_is_in_key(table, column) ||
	       link_name_has_word(table->columns[column].name, "id");
}

/* "name", or the table's own word and it: "city_name" in table city. */
static bool is_named(const struct snapshot_table *table, size_t column, const char *word)
{
	const char *name = table->columns[column].name;
	size_t before;

	if (strcasecmp(name, word) == 0)
		return true;
	if (strlen(name) <= strlen(word) + 1)
		return false;
	before = strlen(name) - strlen(word);
	if (strcasecmp(name + before, word) != 0)
		return false;
	before -= name[before - 1] == '_';
	return before >= 3 && strncasecmp(name, table->name, before < 4 ? before : before - 1) == 0;
}

static int find_plain(const struct snapshot_table *table, const char *const *names)
{
	for (; *names; names++)
		for (size_t i = 0; i < table->column_count; i++)
			if (strcasecmp(table->columns[i].name, *names) == 0)
				return (int)i;
	return -1;
}

size_t query_name_columns(const struct snapshot_table *table, size_t ret_columns[2])
{
	static const char *const first_names[] = {"first_name", "firstname", "fname", NULL};
	static const char *const last_names[] = {"last_name", "lastname", "lname", NULL};
	int first = find_plain(table, first_names), last = find_plain(table, last_names);
	const char *word;

	for (size_t n = 0; (word = grammar_name_word(n)); n++) {
		if (n == 1 && first >= 0 && last >= 0)
			break;
		for (size_t i = 0; i < table->column_count; i++) {
			if (table->columns[i].kind != COLUMN_TEXT || !is_named(table, i, word))
				continue;
			ret_columns[0] = i;
			return 1;
		}
	}
	if (first >= 0 && last >= 0) {
		ret_columns[0] = (size_t)first;
		ret_columns[1] = (size_t)last;
		return 2;
	}
	if (table->primary_key_count == 0 || table->primary_key_count > 2)
		return 0;
	memcpy(ret_columns, table->primary_key, table->primary_key_count * sizeof(ret_columns[0]));
	return table->primary_key_count;
}

void query_filter_deinit(struct query_filter *filter)
{
	free(filter->test);
	free(filter->until);
}

void query_deinit(struct query *query)
{
	for (size_t i = 0; i < query->filter_count; i++)
		query_filter_deinit(&query->filters[i]);
	query->filter_count = 0;
}
