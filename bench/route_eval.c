/*
 * Measures the router's classification on labelled texts, each with the schema of its database:
 * accuracy where an answer is forced, on the surest nine tenths, at a threshold; calibration; time.
 * With --signals it writes what bench/fit_route.py fits the weights of the signals to.
 */
#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/eval_json.h"
#include "daemon/classify_signals.h"

enum { BINS = 10, TIMED_ROUNDS = 3 };

struct settings {
	const char *schemas, *questions, *out, *signals;
	double threshold;
};

struct result {
	bool is_sql, is_hard, is_raw, is_right, is_answered;
	double confidence;
	double micros;
};

struct tally {
	size_t count, right;
};

static void write_signals(FILE *file, const json_t *row, const struct vocabulary *vocabulary)
{
	struct bytes text = bytes_of_string(eval_text(row, "text"));
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
	    eval_text(row, "id"), eval_text(row, "label"), eval_text(row, "db"),
	    eval_text(row, "kind"), eval_text(row, "source"));
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
	    eval_text(row, "id"), route_name(found->route), found->confidence,
	    route_name(found->lean), result->micros);
}

static struct result judge(const json_t *row, const struct vocabulary *vocabulary,
    const struct settings *settings, FILE *out)
{
	struct bytes text = bytes_of_string(eval_text(row, "text"));
	struct classify_options options = {.min_confidence = settings->threshold};
	struct classification found;
	struct result result = {.micros = INFINITY};

	for (int i = 0; i < TIMED_ROUNDS; i++) {
		double start = eval_now_us(), micros;

		classify(text, vocabulary, NULL, &options, &found);
		micros = eval_now_us() - start;
		if (micros < result.micros)
			result.micros = micros;
	}
	result.is_sql = strcmp(eval_text(row, "label"), "sql") == 0;
	result.is_raw = strcmp(eval_text(row, "kind"), "sql_raw") == 0;
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

static struct result *judge_all(
    const struct settings *settings, const struct eval_schemas *schemas, size_t *ret_count)
{
	FILE *out = eval_open_out(settings->out), *signals = eval_open_out(settings->signals);
	struct eval_rows rows;
	struct result *results = NULL;
	json_t *row;

	*ret_count = 0;
	eval_rows_open(settings->questions, &rows);
	while ((row = eval_rows_next(&rows))) {
		const struct eval_schema *schema = eval_schema_find(schemas, eval_text(row, "db"));
		const struct vocabulary *vocabulary = schema ? schema->vocabulary : NULL;

		results = must_realloc(results, (*ret_count + 1) * sizeof(*results));
		results[(*ret_count)++] = judge(row, vocabulary, settings, out);
		if (signals)
			write_signals(signals, row, vocabulary);
		json_decref(row);
	}
	eval_close_out(out, settings->out);
	eval_close_out(signals, settings->signals);
	eval_rows_close(&rows);
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

int main(int argc, char **argv)
{
	static const struct argp argp = {argp_options, parse_option, NULL,
	    "Measures the router's classification.", NULL, NULL, NULL};
	struct settings settings = {.threshold = 0.75};
	struct eval_schemas schemas;
	struct result *results;
	size_t count;

	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	eval_schemas_load(settings.schemas, &schemas);
	results = judge_all(&settings, &schemas, &count);
	if (count > 0)
		report(results, count, settings.threshold);
	free(results);
	eval_schemas_deinit(&schemas);
	return count > 0 ? 0 : 1;
}
