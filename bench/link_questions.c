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

/* Of the row that was read last. */
static void say(const struct eval_rows *rows, const char *what, const char *name)
{
	fprintf(stderr, "%s:%zu: %s%s\n", rows->path, rows->number, what, name);
}

static void read_tables(struct link_question *question, const struct eval_rows *rows)
{
	const json_t *names = json_object_get(question->row, "tables"), *name;
	size_t index;

	question->tables = must_alloc((json_array_size(names) + 1) * sizeof(*question->tables));
	json_array_foreach (names, index, name) {
		const char *text = json_string_value(name);
		long table =
		    text ? find_table(&question->schema->snapshot, text, strlen(text)) : -1;

		question->tables[question->table_count++] = (uint32_t)table;
		if (table < 0)
			say(rows, "there is no table ", text ? text : "without a name");
	}
}

/* Of "table.column". Both may have dots. */
static void read_column(struct link_question *question, const char *name)
{
	const struct snapshot *snapshot = &question->schema->snapshot;

	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		long table = find_table(snapshot, name, (size_t)(dot - name));
		int column =
		    table < 0 ? -1 : snapshot_find_column(&snapshot->tables[table], dot + 1);

		if (column < 0)
			continue;
		question->columns[question->column_count++] =
		    (struct needed_column){(uint32_t)table, (uint32_t)column};
		return;
	}
}

static void read_columns(struct link_question *question)
{
	const json_t *names = json_object_get(question->row, "columns"), *name;
	size_t index;

	question->columns = must_alloc((json_array_size(names) + 1) * sizeof(*question->columns));
	json_array_foreach (names, index, name)
		if (json_is_string(name))
			read_column(question, json_string_value(name));
}

static void add_row(struct link_questions *questions, json_t *row, const struct eval_rows *rows)
{
	struct link_question *question;

	questions->items =
	    must_realloc(questions->items, (questions->count + 1) * sizeof(*questions->items));
	question = &questions->items[questions->count++];
	*question = (struct link_question){
	    .row = row, .schema = eval_schema_find(&questions->schemas, eval_text(row, "db"))};
	if (!json_is_string(json_object_get(row, "text"))) {
		say(rows, "it has no text", "");
		questions->faults++;
	}
	if (!question->schema) {
		say(rows, "there is no database ", eval_text(row, "db"));
		questions->faults++;
		return;
	}
	question->linking = questions->linkings[question->schema - questions->schemas.items];
	read_tables(question, rows);
	read_columns(question);
}

void link_questions_load(const char *schemas, const char *questions,
    const struct linking_weights *weights, struct link_questions *ret_questions)
{
	struct link_questions loaded = {0};
	struct eval_rows rows;
	json_t *row;

	eval_schemas_load(schemas, &loaded.schemas);
	loaded.linkings = must_alloc((loaded.schemas.count + 1) * sizeof(struct linking *));
	for (size_t i = 0; i < loaded.schemas.count; i++)
		loaded.linkings[i] =
		    linking_new_weighted(loaded.schemas.items[i].vocabulary, weights);
	eval_rows_open(questions, &rows);
	while ((row = eval_rows_next(&rows)))
		add_row(&loaded, row, &rows);
	eval_rows_close(&rows);
	*ret_questions = loaded;
}

static void question_deinit(struct link_question *question)
{
	json_decref(question->row);
	free(question->tables);
	free(question->columns);
}

void link_questions_keep_judged(struct link_questions *questions)
{
	size_t kept = 0;

	for (size_t i = 0; i < questions->count; i++) {
		if (questions->items[i].table_count > 0)
			questions->items[kept++] = questions->items[i];
		else
			question_deinit(&questions->items[i]);
	}
	questions->count = kept;
}

void link_questions_deinit(struct link_questions *questions)
{
	for (size_t i = 0; i < questions->count; i++)
		question_deinit(&questions->items[i]);
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
