#include "bench/link_questions.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} weight_rows[] = {
#define LINKING_WEIGHT(name, value) {#name, offsetof(struct linking_weights, name)},
#include "text/linking_weights.def"
#undef LINKING_WEIGHT
};

/* -1: there is none. */
static long find_table(const struct snapshot *snapshot, const char *name, size_t size)
{
	for (size_t i = 0; i < snapshot->table_count; i++)
		if (strlen(snapshot->tables[i].name) == size &&
		    memcmp(snapshot->tables[i].name, name, size) == 0)
			return (long)i;
	return -1;
}

static void read_tables(struct link_question *question)
{
	const json_t *names = json_object_get(question->row, "tables"), *name;
	size_t index;

	question->tables = must_alloc((json_array_size(names) + 1) * sizeof(*question->tables));
	json_array_foreach (names, index, name) {
		const char *text = json_string_value(name);
		long table = find_table(&question->schema->snapshot, text, strlen(text));

		question->tables[question->table_count++] = (uint32_t)table;
		if (table < 0)
			fprintf(stderr, "%s: there is no table %s\n",
			    eval_text(question->row, "id"), text);
	}
}

static void read_columns(struct link_question *question)
{
	const struct snapshot *snapshot = &question->schema->snapshot;
	const json_t *names = json_object_get(question->row, "columns"), *name;
	size_t index;

	question->columns = must_alloc((json_array_size(names) + 1) * sizeof(*question->columns));
	json_array_foreach (names, index, name) {
		const char *text = json_string_value(name), *dot = strchr(text, '.');
		long table = dot ? find_table(snapshot, text, (size_t)(dot - text)) : -1;
		int column =
		    table < 0 ? -1 : snapshot_find_column(&snapshot->tables[table], dot + 1);

		if (column >= 0)
			question->columns[question->column_count++] =
			    (struct needed_column){(uint32_t)table, (uint32_t)column};
	}
}

static void add_row(struct link_questions *questions, json_t *row)
{
	const struct eval_schema *schema =
	    eval_schema_find(&questions->schemas, eval_text(row, "db"));
	struct link_question *question;

	if (!schema) {
		fprintf(stderr, "%s: there is no schema %s\n", eval_text(row, "id"),
		    eval_text(row, "db"));
		json_decref(row);
		return;
	}
	questions->items =
	    must_realloc(questions->items, (questions->count + 1) * sizeof(*questions->items));
	question = &questions->items[questions->count++];
	*question = (struct link_question){.row = row,
	    .schema = schema,
	    .linking = questions->linkings[schema - questions->schemas.items]};
	read_tables(question);
	read_columns(question);
}

void link_questions_load(const char *schemas, const char *questions,
    const struct linking_weights *weights, struct link_questions *ret_questions)
{
	FILE *file = eval_open(questions, "r");
	struct link_questions loaded = {0};
	json_t *row;

	eval_schemas_load(schemas, &loaded.schemas);
	loaded.linkings = must_alloc((loaded.schemas.count + 1) * sizeof(struct linking *));
	for (size_t i = 0; i < loaded.schemas.count; i++)
		loaded.linkings[i] =
		    linking_new_weighted(loaded.schemas.items[i].vocabulary, weights);
	while ((row = eval_next_row(file)))
		add_row(&loaded, row);
	fclose(file);
	*ret_questions = loaded;
}

void link_questions_deinit(struct link_questions *questions)
{
	for (size_t i = 0; i < questions->count; i++) {
		json_decref(questions->items[i].row);
		free(questions->items[i].tables);
		free(questions->items[i].columns);
	}
	for (size_t i = 0; i < questions->schemas.count; i++)
		linking_free(questions->linkings[i]);
	free(questions->items);
	free(questions->linkings);
	eval_schemas_deinit(&questions->schemas);
}

size_t link_question_last_place(
    const struct link_question *question, const struct linking_ranks *ranks)
{
	size_t last = 0;

	for (size_t i = 0; i < question->table_count; i++) {
		size_t place = 0;

		while (place < ranks->count && ranks->tables[place].table != question->tables[i])
			place++;
		if (place == ranks->count)
			return SIZE_MAX;
		last = place + 1 > last ? place + 1 : last;
	}
	return last;
}

const char *link_weight_name(size_t index)
{
	return weight_rows[index].name;
}

float *link_weight_at(struct linking_weights *weights, size_t index)
{
	return (float *)((char *)weights + weight_rows[index].offset);
}

size_t link_weight_set(struct linking_weights *weights, const char *setting)
{
	size_t size = strcspn(setting, "=");

	for (size_t i = 0; i < LINKING_WEIGHT_COUNT; i++) {
		if (strlen(weight_rows[i].name) != size ||
		    memcmp(weight_rows[i].name, setting, size) != 0 || setting[size] != '=')
			continue;
		*link_weight_at(weights, i) = strtof(setting + size + 1, NULL);
		return i;
	}
	fprintf(stderr, "%s: there is no such weight\n", setting);
	exit(1);
}
