/*
 * Measures the router's classification on labelled texts, each with the schema of its database:
 * accuracy where an answer is forced, on the surest nine tenths, at a threshold; calibration; time.
 * With --signals it writes what bench/fit_route.py fits the weights of the signals to.
 */
#include <argp.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/classify_signals.h"

enum { BINS = 10, TIMED_ROUNDS = 3 };

struct settings {
	const char *schemas, *questions, *out, *signals;
	double threshold;
};

struct database {
	const char *name;
	struct snapshot snapshot;
	struct vocabulary *vocabulary;
};

struct result {
	bool is_sql, is_hard, is_raw, is_right, is_answered;
	double confidence;
	double micros;
};

struct tally {
	size_t count, right;
};

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static void fill_table(struct snapshot_table *table, const char *name, const json_t *columns)
{
	*table = (struct snapshot_table){.schema = "public", .name = name, .readable = true};
	table->column_count = json_array_size(columns);
	table->columns = must_zalloc(table->column_count * sizeof(*table->columns));
	for (size_t i = 0; i < table->column_count; i++)
		table->columns[i] = (struct snapshot_column){
		    .name = json_string_value(json_array_get(columns, i)), .type = "text"};
}

static void fill_database(struct database *database, const char *name, json_t *tables)
{
	const char *table;
	json_t *columns;

	database->name = name;
	database->snapshot = (struct snapshot){.database = name};
	database->snapshot.tables =
	    must_zalloc(json_object_size(tables) * sizeof(*database->snapshot.tables));
	json_object_foreach (tables, table, columns)
		fill_table(
		    &database->snapshot.tables[database->snapshot.table_count++], table, columns);
	database->vocabulary = vocabulary_new(&database->snapshot);
}

static struct database *load_databases(json_t *schemas, size_t *ret_count)
{
	struct database *databases = must_zalloc(json_object_size(schemas) * sizeof(*databases));
	const char *name;
	json_t *tables;

	*ret_count = 0;
	json_object_foreach (schemas, name, tables)
		fill_database(&databases[(*ret_count)++], name, tables);
	return databases;
}

static const struct vocabulary *find_vocabulary(
    const struct database *databases, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(databases[i].name, name) == 0)
			return databases[i].vocabulary;
	return NULL;
}

static double now_micros(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void write_signals(FILE *file, const json_t *row, const struct vocabulary *vocabulary)
{
	struct bytes text = bytes_of_string(text_of(row, "text"));
	struct signals signals;
	struct tokens tokens;
	json_t *line = json_object();

	tokens_split(text, CLASSIFY_TOKENS_MAX, &tokens);
	signals_read(&tokens, vocabulary, false, &signals);
	tokens_free(&tokens);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (signals.amounts[i] != 0)
			json_object_set_new(
			    line, signal_rows[i].name, json_real(signals.amounts[i]));
	fprintf(file,
	    "{\"id\":\"%s\",\"label\":\"%s\",\"db\":\"%s\",\"kind\":\"%s\",\"source\":\"%s\","
	    "\"signals\":",
	    text_of(row, "id"), text_of(row, "label"), text_of(row, "db"), text_of(row, "kind"),
	    text_of(row, "source"));
	json_dumpf(line, file, JSON_COMPACT);
	fputs("}\n", file);
	json_decref(line);
}

static void write_result(
    FILE *file, const json_t *row, const struct classification *found, const struct result *result)
{
	fprintf(file,
	    "{\"id\":\"%s\",\"route\":\"%s\",\"confidence\":%.4f,\"forced\":\"%s\",\"micros\":%.1f}"
	    "\n",
	    text_of(row, "id"), route_name(found->route), found->confidence,
	    route_name(found->lean), result->micros);
}

static struct result judge(const json_t *row, const struct vocabulary *vocabulary,
    const struct settings *settings, FILE *out)
{
	struct bytes text = bytes_of_string(text_of(row, "text"));
	struct classify_options options = {.min_confidence = settings->threshold};
	struct classification found;
	struct result result = {.micros = INFINITY};

	for (int i = 0; i < TIMED_ROUNDS; i++) {
		double start = now_micros(), micros;

		classify(text, vocabulary, NULL, &options, &found);
		micros = now_micros() - start;
		if (micros < result.micros)
			result.micros = micros;
	}
	result.is_sql = strcmp(text_of(row, "label"), "sql") == 0;
	result.is_raw = strcmp(text_of(row, "kind"), "sql_raw") == 0;
	result.is_hard = json_is_true(json_object_get(row, "hard"));
	result.is_right = (found.lean == ROUTE_SQL) == result.is_sql;
	result.is_answered = found.route != ROUTE_UNSURE;
	result.confidence = found.confidence;
	if (out)
		write_result(out, row, &found, &result);
	return result;
}

static double percent(struct tally tally)
{
	return tally.count ? 100.0 * (double)tally.right / (double)tally.count : 0;
}

static void tally_add(struct tally *tally, const struct result *result)
{
	tally->count++;
	tally->right += result->is_right;
}

static int compare_confidence(const void *a, const void *b)
{
	const struct result *left = a, *right = b;

	return (left->confidence < right->confidence) - (left->confidence > right->confidence);
}

static int compare_micros(const void *a, const void *b)
{
	const struct result *left = a, *right = b;

	return (left->micros > right->micros) - (left->micros < right->micros);
}

/* Expected calibration error: how far confidence and accuracy are apart, bin by bin. */
static double calibration_error(const struct result *results, size_t count)
{
	struct tally bins[BINS] = {{0}};
	double sums[BINS] = {0}, error = 0;

	for (size_t i = 0; i < count; i++) {
		size_t bin = (size_t)(results[i].confidence * BINS);

		bin = bin < BINS ? bin : BINS - 1;
		tally_add(&bins[bin], &results[i]);
		sums[bin] += results[i].confidence;
	}
	for (size_t i = 0; i < BINS; i++)
		error += fabs((double)bins[i].right - sums[i]);
	return error / (double)count;
}

static void report(struct result *results, size_t count, double threshold)
{
	struct tally forced = {0}, surest = {0}, answered = {0}, hard = {0}, raw = {0};

	qsort(results, count, sizeof(*results), compare_confidence);
	for (size_t i = 0; i < count; i++) {
		tally_add(&forced, &results[i]);
		if (i < count * 9 / 10)
			tally_add(&surest, &results[i]);
		if (results[i].is_answered)
			tally_add(&answered, &results[i]);
		if (results[i].is_hard)
			tally_add(&hard, &results[i]);
		if (results[i].is_raw)
			tally_add(&raw, &results[i]);
	}
	printf("rows                 %zu\n", count);
	printf("forced accuracy      %.2f %%\n", percent(forced));
	printf("surest 90 %%          %.2f %%\n", percent(surest));
	printf("at threshold %.2f    %.2f %% of %.1f %% answered\n", threshold, percent(answered),
	    100.0 * (double)answered.count / (double)count);
	printf("hard rows            %.2f %% of %zu\n", percent(hard), hard.count);
	printf("raw SQL              %.2f %% of %zu\n", percent(raw), raw.count);
	printf("calibration error    %.4f\n", calibration_error(results, count));
	qsort(results, count, sizeof(*results), compare_micros);
	printf("micros per text      median %.1f, p99 %.1f\n", results[count / 2].micros,
	    results[count * 99 / 100].micros);
}

static FILE *open_output(const char *path)
{
	FILE *file = path ? fopen(path, "w") : NULL;

	if (path && !file) {
		perror(path);
		exit(1);
	}
	return file;
}

static struct result *judge_all(const struct settings *settings, const struct database *databases,
    size_t database_count, size_t *ret_count)
{
	FILE *questions = fopen(settings->questions, "r");
	FILE *out = open_output(settings->out), *signals = open_output(settings->signals);
	struct result *results = NULL;
	json_error_t error;
	json_t *row;

	if (!questions) {
		perror(settings->questions);
		exit(1);
	}
	*ret_count = 0;
	while ((row = json_loadf(questions, JSON_DISABLE_EOF_CHECK, &error))) {
		const struct vocabulary *vocabulary =
		    find_vocabulary(databases, database_count, text_of(row, "db"));

		results = must_realloc(results, (*ret_count + 1) * sizeof(*results));
		results[(*ret_count)++] = judge(row, vocabulary, settings, out);
		if (signals)
			write_signals(signals, row, vocabulary);
		json_decref(row);
	}
	if (out)
		fclose(out);
	if (signals)
		fclose(signals);
	fclose(questions);
	return results;
}

static const struct argp_option argp_options[] = {
    {"schemas", 's', "FILE", 0, "JSON {database: {table: [columns]}}", 0},
    {"questions", 'q', "FILE", 0, "JSON lines {id, text, label, db, …}", 0},
    {"out", 'o', "FILE", 0, "write {id, route, confidence, forced, micros} lines", 0},
    {"signals", 'f', "FILE", 0, "write the signals of each text, for fit_route.py", 0},
    {"threshold", 't', "NUMBER", 0, "min_confidence (0.75)", 0},
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
	case 'f':
		settings->signals = argument;
		return 0;
	case 't':
		settings->threshold = strtod(argument, NULL);
		return 0;
	case ARGP_KEY_END:
		if (!settings->schemas || !settings->questions)
			argp_error(state, "--schemas and --questions are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void free_databases(struct database *databases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		vocabulary_free(databases[i].vocabulary);
		for (size_t t = 0; t < databases[i].snapshot.table_count; t++)
			free(databases[i].snapshot.tables[t].columns);
		free(databases[i].snapshot.tables);
	}
	free(databases);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {argp_options, parse_option, NULL,
	    "Measures the router's classification.", NULL, NULL, NULL};
	struct settings settings = {.threshold = 0.75};
	size_t count, database_count;
	struct database *databases;
	struct result *results;
	json_error_t error;
	json_t *schemas;

	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	schemas = json_load_file(settings.schemas, 0, &error);
	if (!schemas) {
		fprintf(stderr, "%s:%d: %s\n", settings.schemas, error.line, error.text);
		return 1;
	}
	databases = load_databases(schemas, &database_count);
	results = judge_all(&settings, databases, database_count, &count);
	if (count > 0)
		report(results, count, settings.threshold);
	free(results);
	free_databases(databases, database_count);
	json_decref(schemas);
	return count > 0 ? 0 : 1;
}
