/*
 * Runs the statements of sql-safety in the folder that OPTIMAX_SHARED_DATA names, and prints the
 * figures: attacks of layer "static" must be refused, benign ones allowed. Skips without it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/validate_schema.h"
#include "worker/policy.h"
#include "worker/validate.h"

enum { SKIPPED = 77, ROUNDS = 20, TIMES_MAX = 65536 };

struct figures {
	unsigned total, wrong;
	size_t time_count;
	double times_us[TIMES_MAX];
};

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare_times(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* The corpus's role holds SELECT on three tables, of which none shadows anything. */
static struct snapshot *corpus_schema_new(void)
{
	struct snapshot *snapshot = validate_schema_new();

	snapshot->schema_count = 1;
	snapshot->functions.count = 1;
	snapshot->functions.items[0].name = "f_write";
	snapshot->cast_types.count = 1;
	snapshot->cast_types.items[0].name = "evil";
	snapshot->operators.count = 1;
	snapshot->operators.items[0].name = "@#@";
	return snapshot;
}

static void run_statement(struct figures *figures, struct policy *policy,
    const json_t *row, bool expect_allowed)
{
	const json_t *sql = json_object_get(row, "sql");
	struct bytes text = bytes_of(json_string_value(sql), json_string_length(sql));
	struct verdict verdict;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_us();

		validate(text, policy, &verdict);
		if (figures->time_count < TIMES_MAX)
			figures->times_us[figures->time_count++] = now_us() - start;
		if (round < ROUNDS - 1)
			verdict_free(&verdict);
	}
	figures->total++;
	if ((verdict.code == CHECK_ALLOW) != expect_allowed) {
		figures->wrong++;
		printf("%s: %s: %s: %s\n", json_string_value(json_object_get(row, "id")),
		    check_code_name(verdict.code), verdict.reason, text.data);
	} else if (getenv("OPTIMAX_VERBOSE")) {
		printf("%s: %s: %s: %s\n", json_string_value(json_object_get(row, "id")),
		    check_code_name(verdict.code), verdict.reason, text.data);
	}
	verdict_free(&verdict);
}

static int run_file(struct figures *figures, struct policy *policy, const char *folder,
    const char *name, bool expect_allowed)
{
	char path[4096], *line = NULL;
	size_t capacity = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/sql-safety/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (getline(&line, &capacity, file) > 0) {
		json_t *row = json_loads(line, 0, NULL);
		const char *layer = json_string_value(json_object_get(row, "layer"));

		if (!layer || strcmp(layer, "static") == 0)
			run_statement(figures, policy, row, expect_allowed);
		json_decref(row);
	}
	free(line);
	fclose(file);
	printf("%s: %u statements, %u wrong\n", name, figures->total, figures->wrong);
	return 0;
}

int main(void)
{
	const char *folder = getenv("OPTIMAX_SHARED_DATA");
	struct figures *attacks = must_zalloc(sizeof(*attacks));
	struct figures *benign = must_zalloc(sizeof(*benign));
	struct snapshot *snapshot = corpus_schema_new();
	struct policy *policy = policy_new(snapshot, NULL);
	int status = SKIPPED;

	if (!folder || run_file(attacks, policy, folder, "attacks.jsonl", false) < 0 ||
	    run_file(benign, policy, folder, "benign.jsonl", true) < 0) {
		printf("skipped: OPTIMAX_SHARED_DATA names no folder with sql-safety in it\n");
	} else {
		qsort(benign->times_us, benign->time_count, sizeof(double), compare_times);
		printf("benign: p50 %.0f us, p99 %.0f us\n",
		    benign->times_us[benign->time_count / 2],
		    benign->times_us[benign->time_count * 99 / 100]);
		status = attacks->wrong || benign->wrong;
	}
	policy_free(policy);
	snapshot_free(snapshot);
	free(attacks);
	free(benign);
	return status;
}
