/*
 * Measures schema linking on questions with the tables that their SQL needs: how often all of
 * them stand within the first places. Reports the time, and that of a schema of 10,000 tables.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link_questions.h"

enum { LARGE_SCHEMA = 10, NEAR = 5, FAR = 10, MANY_TABLES = 10000 };
enum { FEW_COLUMNS = 8, MANY_COLUMNS = 24, TIMED_ROUNDS = 3 };

struct settings {
	const char *schemas, *questions, *out;
	bool misses;
};

struct tally {
	size_t count, right;
};

struct totals {
	struct tally near, far_large, near_large, few_columns, many_columns;
	double *micros;
	size_t count;
};

/* A line for each question: without a schema there is no table in it. */
static void write_ranks(
    FILE *file, const struct link_question *question, const struct linking_ranks *ranks)
{
	json_t *line = json_object(), *tables = json_array();

	for (size_t i = 0; i < ranks->count; i++)
		json_array_append_new(tables,
		    json_string(question->schema->snapshot.tables[ranks->tables[i].table].name));
	json_object_set(line, "id", json_object_get(question->row, "id"));
	json_object_set_new(line, "tables", tables);
	json_dumpf(line, file, JSON_COMPACT);
	fputc('\n', file);
	json_decref(line);
}

static void add(struct tally *tally, bool is_right)
{
	tally->count++;
	tally->right += is_right;
}

/* How many columns of its table come before it. */
static size_t column_place(const struct link_question *question, const struct linking_ranks *ranks,
    const struct needed_column *needed, size_t column_count)
{
	float worth = linking_column_worth(question->linking, ranks, needed->table, needed->column);
	size_t place = 0;

	for (size_t i = 0; i < column_count; i++) {
		float other = linking_column_worth(question->linking, ranks, needed->table, i);

		place += other > worth || (other >= worth && i < needed->column);
	}
	return place;
}

static void judge_columns(
    const struct link_question *question, const struct linking_ranks *ranks, struct totals *totals)
{
	for (size_t i = 0; i < question->column_count; i++) {
		const struct needed_column *needed = &question->columns[i];
		size_t count = question->schema->snapshot.tables[needed->table].column_count;
		size_t place = column_place(question, ranks, needed, count);

		if (count > FEW_COLUMNS)
			add(&totals->few_columns, place < FEW_COLUMNS);
		if (count > MANY_COLUMNS)
			add(&totals->many_columns, place < MANY_COLUMNS);
	}
}

static void rank(
    const struct link_question *question, struct linking_ranks *ranks, struct totals *totals)
{
	struct bytes text = bytes_of_string(eval_text(question->row, "text"));
	double least = 1e9;

	for (size_t i = 0; i < TIMED_ROUNDS; i++) {
		double start = eval_now_us(), took;

		linking_ranks_deinit(ranks);
		linking_rank(question->linking, text, ranks);
		took = eval_now_us() - start;
		least = took < least ? took : least;
	}
	totals->micros =
	    must_realloc(totals->micros, (totals->count + 1) * sizeof(*totals->micros));
	totals->micros[totals->count++] = least;
}

static void judge(const struct link_question *question, const struct linking_ranks *ranks,
    bool shows_misses, struct totals *totals)
{
	bool is_large = question->schema->snapshot.table_count > LARGE_SCHEMA;
	size_t last = link_question_last_place(question, ranks);

	add(&totals->near, last <= NEAR);
	if (is_large) {
		add(&totals->near_large, last <= NEAR);
		add(&totals->far_large, last <= FAR);
	}
	judge_columns(question, ranks, totals);
	if (shows_misses && last > NEAR)
		printf("%s\t%s\t%zu\t%s\n", eval_text(question->row, "id"), question->schema->name,
		    last, eval_text(question->row, "text"));
}

static void take(const struct link_question *question, const struct settings *settings, FILE *out,
    struct totals *totals)
{
	struct linking_ranks ranks = {0};

	if (question->schema)
		rank(question, &ranks, totals);
	if (question->table_count > 0)
		judge(question, &ranks, settings->misses, totals);
	if (out)
		write_ranks(out, question, &ranks);
	linking_ranks_deinit(&ranks);
}

static int compare_micros(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void print_tally(const char *name, struct tally tally)
{
	if (tally.count == 0) {
		printf("%-34s nothing to judge\n", name);
		return;
	}
	printf("%-34s %.2f %% of %zu\n", name, 100.0 * (double)tally.right / (double)tally.count,
	    tally.count);
}

static bool has_tables(const struct eval_schemas *schemas)
{
	for (size_t i = 0; i < schemas->count; i++)
		if (schemas->items[i].snapshot.table_count > 0)
			return true;
	return false;
}

/* The tables of all schemas, over and over: 10,000 names of which many are the same. */
static void report_many(const struct eval_schemas *schemas, const char *question)
{
	struct snapshot all = {.database = "many"};
	struct linking_ranks ranks;
	struct vocabulary *vocabulary;
	struct linking *linking;
	double start;

	if (!has_tables(schemas))
		return;
	all.tables = must_zalloc(MANY_TABLES * sizeof(*all.tables));
	while (all.table_count < MANY_TABLES)
		for (size_t i = 0; i < schemas->count; i++)
			for (size_t k = 0; k < schemas->items[i].snapshot.table_count; k++)
				if (all.table_count < MANY_TABLES)
					all.tables[all.table_count++] =
					    schemas->items[i].snapshot.tables[k];
	start = eval_now_us();
	vocabulary = vocabulary_new(&all);
	printf("%d tables: vocabulary %.0f ms, ", MANY_TABLES, (eval_now_us() - start) / 1e3);
	start = eval_now_us();
	linking = linking_new(vocabulary);
	printf("linking %.0f ms, ", (eval_now_us() - start) / 1e3);
	start = eval_now_us();
	linking_rank(linking, bytes_of_string(question), &ranks);
	printf("one question %.2f ms\n", (eval_now_us() - start) / 1e3);
	linking_ranks_deinit(&ranks);
	linking_free(linking);
	vocabulary_free(vocabulary);
	free(all.tables);
}

static void report(struct totals *totals)
{
	print_tally("all needed within the first 5", totals->near);
	print_tally("more than 10 tables: first 5", totals->near_large);
	print_tally("more than 10 tables: first 10", totals->far_large);
	print_tally("columns of wider tables: first 8", totals->few_columns);
	print_tally("columns of wider tables: first 24", totals->many_columns);
	qsort(totals->micros, totals->count, sizeof(*totals->micros), compare_micros);
	printf("micros per question: median %.1f, p99 %.1f\n", totals->micros[totals->count / 2],
	    totals->micros[totals->count * 99 / 100]);
}

static const struct argp_option argp_options[] = {
    {"schemas", 's', "FILE", 0, "JSON {database: {table: [columns]}}", 0},
    {"questions", 'q', "FILE", 0, "JSON lines {id, db, text}, perhaps with tables and columns", 0},
    {"out", 'o', "FILE", 0, "write a line {id, tables} for each, all tables, best first", 0},
    {"misses", 'm', NULL, 0, "print the questions that are missed", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 's':
		settings->schemas = argument;
		return 0;
	case 'q':
		settings->questions = argument;
		return 0;
	case 'o':
		settings->out = argument;
		return 0;
	case 'm':
		settings->misses = true;
		return 0;
	case ARGP_KEY_END:
		if (!settings->schemas || !settings->questions)
			argp_error(state, "--schemas and --questions are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
	    argp_options, parse_option, NULL, "Measures schema linking.", NULL, NULL, NULL};
	struct settings settings = {0};
	struct link_questions questions;
	struct totals totals = {0};
	bool is_sound;
	FILE *out;

	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	link_questions_load(settings.schemas, settings.questions, NULL, &questions);
	out = eval_open_out(settings.out);
	for (size_t i = 0; i < questions.count; i++)
		take(&questions.items[i], &settings, out, &totals);
	eval_close_out(out, settings.out);
	if (totals.count > 0) {
		report(&totals);
		report_many(&questions.schemas,
		    "How many customers have ordered a product in the last year by country name?");
	}
	if (questions.count == 0)
		fprintf(stderr, "%s: there is no question in it\n", settings.questions);
	is_sound = questions.count > 0 && questions.faults == 0;
	link_questions_deinit(&questions);
	free(totals.micros);
	return is_sound ? 0 : 1;
}
