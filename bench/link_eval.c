/*
 * Measures schema linking on questions with the tables that their SQL needs: how often all of
 * them stand within the first places. Reports the time, and that of a schema of 10,000 tables.
 */
#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/linking.h"

enum { WRITTEN_MAX = 50, LARGE_SCHEMA = 10, NEAR = 5, FAR = 10, MANY_TABLES = 10000 };

struct settings {
	const char *schemas, *questions, *out;
	bool misses;
};

struct database {
	const char *name;
	struct snapshot snapshot;
	struct vocabulary *vocabulary;
	struct linking *linking;
};

struct tally {
	size_t count, right;
};

struct totals {
	struct tally near, far_large, near_large, one_near_large;
	double *micros;
	size_t count;
};

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static double now_micros(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void fill_table(struct snapshot_table *table, const char *name, const json_t *columns)
{
	*table = (struct snapshot_table){.schema = "public", .name = name, .readable = true};
	table->column_count = json_array_size(columns);
	table->columns = must_zalloc((table->column_count + 1) * sizeof(*table->columns));
	for (size_t i = 0; i < table->column_count; i++)
		table->columns[i] = (struct snapshot_column){
		    .name = json_string_value(json_array_get(columns, i)), .type = "text"};
}

static void fill_database(struct database *database, const char *name, json_t *tables)
{
	struct snapshot *snapshot = &database->snapshot;
	const char *table;
	json_t *columns;

	database->name = name;
	*snapshot = (struct snapshot){.database = name};
	snapshot->tables = must_zalloc((json_object_size(tables) + 1) * sizeof(*snapshot->tables));
	json_object_foreach (tables, table, columns)
		fill_table(&snapshot->tables[snapshot->table_count++], table, columns);
	database->vocabulary = vocabulary_new(snapshot);
	database->linking = linking_new(database->vocabulary);
}

static void deinit_database(struct database *database)
{
	linking_free(database->linking);
	vocabulary_free(database->vocabulary);
	for (size_t i = 0; i < database->snapshot.table_count; i++)
		free(database->snapshot.tables[i].columns);
	free(database->snapshot.tables);
}

static const struct database *find_database(
    const struct database *databases, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(databases[i].name, name) == 0)
			return &databases[i];
	return NULL;
}

/* The last place at which a needed table stands, from 1; SIZE_MAX: one is unknown. */
static size_t last_place(
    const struct database *database, const struct linking_ranks *ranks, const json_t *tables)
{
	size_t last = 0, index;
	const json_t *table;

	json_array_foreach (tables, index, table) {
		size_t place = 0;

		while (place < ranks->count &&
		       strcmp(database->snapshot.tables[ranks->tables[place].table].name,
		           json_string_value(table)) != 0)
			place++;
		if (place == ranks->count)
			return SIZE_MAX;
		last = place + 1 > last ? place + 1 : last;
	}
	return last;
}

static void write_ranks(FILE *file, const json_t *row, const struct database *database,
    const struct linking_ranks *ranks)
{
	json_t *line = json_object(), *tables = json_array();

	for (size_t i = 0; i < ranks->count && i < WRITTEN_MAX; i++)
		json_array_append_new(
		    tables, json_string(database->snapshot.tables[ranks->tables[i].table].name));
	json_object_set(line, "id", json_object_get(row, "id"));
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

static void judge(const json_t *row, const struct database *database,
    const struct settings *settings, FILE *out, struct totals *totals)
{
	bool is_large = database->snapshot.table_count > LARGE_SCHEMA;
	struct linking_ranks ranks;
	double start = now_micros();
	size_t last;

	linking_rank(database->linking, bytes_of_string(text_of(row, "text")), &ranks);
	totals->micros =
	    must_realloc(totals->micros, (totals->count + 1) * sizeof(*totals->micros));
	totals->micros[totals->count++] = now_micros() - start;
	last = last_place(database, &ranks, json_object_get(row, "tables"));
	add(&totals->near, last <= NEAR);
	if (is_large) {
		add(&totals->near_large, last <= NEAR);
		add(&totals->far_large, last <= FAR);
	}
	if (settings->misses && last > NEAR)
		printf("%s\t%s\t%zu\t%s\n", text_of(row, "id"), database->name, last,
		    text_of(row, "text"));
	if (out)
		write_ranks(out, row, database, &ranks);
	linking_ranks_deinit(&ranks);
}

static int compare_micros(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void print_tally(const char *name, struct tally tally)
{
	printf("%-34s %.2f %% of %zu\n", name,
	    tally.count ? 100.0 * (double)tally.right / (double)tally.count : 0.0, tally.count);
}

/* The tables of all schemas, over and over, under names of their own. */
static void report_many(const struct database *databases, size_t count, const char *question)
{
	struct snapshot all = {.database = "many"};
	struct linking_ranks ranks;
	struct database many;
	double start;

	all.tables = must_zalloc(MANY_TABLES * sizeof(*all.tables));
	while (all.table_count < MANY_TABLES)
		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k < databases[i].snapshot.table_count; k++)
				if (all.table_count < MANY_TABLES)
					all.tables[all.table_count++] =
					    databases[i].snapshot.tables[k];
	many = (struct database){.snapshot = all};
	start = now_micros();
	many.vocabulary = vocabulary_new(&many.snapshot);
	printf("%d tables: vocabulary %.0f ms, ", MANY_TABLES, (now_micros() - start) / 1e3);
	start = now_micros();
	many.linking = linking_new(many.vocabulary);
	printf("linking %.0f ms, ", (now_micros() - start) / 1e3);
	start = now_micros();
	linking_rank(many.linking, bytes_of_string(question), &ranks);
	printf("one question %.2f ms\n", (now_micros() - start) / 1e3);
	linking_ranks_deinit(&ranks);
	linking_free(many.linking);
	vocabulary_free(many.vocabulary);
	free(all.tables);
}

static void report(struct totals *totals)
{
	print_tally("all needed within the first 5", totals->near);
	print_tally("more than 10 tables: first 5", totals->near_large);
	print_tally("more than 10 tables: first 10", totals->far_large);
	qsort(totals->micros, totals->count, sizeof(*totals->micros), compare_micros);
	printf("micros per question: median %.1f, p99 %.1f\n", totals->micros[totals->count / 2],
	    totals->micros[totals->count * 99 / 100]);
}

static FILE *open_file(const char *path, const char *mode)
{
	FILE *file = path ? fopen(path, mode) : NULL;

	if (path && !file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void judge_all(const struct settings *settings, const struct database *databases,
    size_t count, struct totals *totals)
{
	FILE *questions = open_file(settings->questions, "r"), *out = open_file(settings->out, "w");
	json_error_t error;
	json_t *row;

	while ((row = json_loadf(questions, JSON_DISABLE_EOF_CHECK, &error))) {
		const struct database *database =
		    find_database(databases, count, text_of(row, "db"));

		if (database)
			judge(row, database, settings, out, totals);
		else
			fprintf(stderr, "%s: there is no schema %s\n", text_of(row, "id"),
			    text_of(row, "db"));
		json_decref(row);
	}
	fclose(questions);
	if (out)
		fclose(out);
}

static const struct argp_option argp_options[] = {
    {"schemas", 's', "FILE", 0, "JSON {database: {table: [columns]}}", 0},
    {"questions", 'q', "FILE", 0, "JSON lines {id, db, text, tables, …}", 0},
    {"out", 'o', "FILE", 0, "write {id, tables} lines, the tables ranked", 0},
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
	struct totals totals = {0};
	struct database *databases;
	size_t count = 0;
	const char *name;
	json_error_t error;
	json_t *schemas, *tables;

	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	schemas = json_load_file(settings.schemas, 0, &error);
	if (!schemas) {
		fprintf(stderr, "%s:%d: %s\n", settings.schemas, error.line, error.text);
		return 1;
	}
	databases = must_zalloc((json_object_size(schemas) + 1) * sizeof(*databases));
	json_object_foreach (schemas, name, tables)
		fill_database(&databases[count++], name, tables);
	judge_all(&settings, databases, count, &totals);
	if (totals.count > 0) {
		report(&totals);
		report_many(databases, count,
		    "How many customers have ordered a product in the last year by country name?");
	}
	for (size_t i = 0; i < count; i++)
		deinit_database(&databases[i]);
	free(databases);
	free(totals.micros);
	json_decref(schemas);
	return totals.count > 0 ? 0 : 1;
}
