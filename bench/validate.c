/*
 * Microseconds of CPU time per statement by size, and the share of each layer: bytes, PostgreSQL's
 * grammar, reading its tree, the walk. Without a file of JSON lines {sql} it makes statements of
 * each size. bench/validate [FILE …]
 */
#include <jansson.h>
#include <malloc.h>
#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/limits.h"
#include "text/snapshot.h"
#include "worker/parse_tree.h"
#include "worker/policy.h"
#include "worker/sql_places.h"
#include "worker/validate.h"
#include "worker/validate_tree.h"

enum { SAMPLES = 400 };

struct layers {
	double bytes_us, grammar_us, tree_us, all_us;
};

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static struct layers measure(const char *sql, struct policy *policy)
{
	struct layers layers;
	struct verdict verdict;
	struct parse_tree tree;
	PgQueryParseResult parsed;
	long location;
	double start = now_us(), at;
	volatile long used;

	used = bytes_are_utf8(bytes_of_string(sql));
	used += sql_places_too_deep(bytes_of_string(sql), TREE_DEPTH_MAX);
	at = now_us();
	layers.bytes_us = at - start;
	parsed = pg_query_parse(sql);
	layers.grammar_us = now_us() - at;
	at = now_us();
	if (!parsed.error &&
	    parse_tree_read(parsed.parse_tree, &tree, &location) == PARSE_TREE_READ)
		parse_tree_deinit(&tree);
	if (!parsed.error)
		parsed.parse_tree = NULL; /* is the tree's */
	layers.tree_us = now_us() - at;
	pg_query_free_parse_result(parsed);
	at = now_us();
	validate(bytes_of_string(sql), policy, &verdict);
	layers.all_us = now_us() - at;
	verdict_free(&verdict);
	(void)used;
	return layers;
}

static int compare(const void *a, const void *b)
{
	double left = ((const struct layers *)a)->all_us,
	       right = ((const struct layers *)b)->all_us;

	return (left > right) - (left < right);
}

/* The median of all by the whole, and the mean of its parts. */
static void report(const char *name, size_t size, struct layers *samples, size_t count)
{
	struct layers sum = {0};

	for (size_t i = 0; i < count; i++) {
		sum.bytes_us += samples[i].bytes_us;
		sum.grammar_us += samples[i].grammar_us;
		sum.tree_us += samples[i].tree_us;
		sum.all_us += samples[i].all_us;
	}
	qsort(samples, count, sizeof(*samples), compare);
	printf("%-12s %6zu  %8.1f %8.1f   %3.0f %% %3.0f %% %3.0f %% %3.0f %%\n", name, size,
	    samples[count / 2].all_us, samples[count * 99 / 100].all_us,
	    100 * sum.bytes_us / sum.all_us, 100 * sum.grammar_us / sum.all_us,
	    100 * sum.tree_us / sum.all_us,
	    100 * (sum.all_us - sum.bytes_us - sum.grammar_us - sum.tree_us) / sum.all_us);
}

static void bench_shape(
    const char *name, const char *start, const char *part, const char *end, struct policy *policy)
{
	static const size_t sizes[] = {64, 256, 1024, 4096, LIMIT_SQL_BYTES};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		struct layers samples[SAMPLES];

		buffer_append_string(&sql, start);
		while (sql.size + strlen(part) + strlen(end) <= sizes[i])
			buffer_append_string(&sql, part);
		buffer_append_string(&sql, end);
		for (size_t k = 0; k < SAMPLES; k++)
			samples[k] = measure(buffer_string(&sql), policy);
		report(name, sql.size, samples, SAMPLES);
	}
}

static int bench_file(const char *path, struct policy *policy)
{
	struct layers *samples = NULL;
	size_t count = 0, bytes = 0, capacity = 0;
	FILE *file = fopen(path, "re");
	char *line = NULL;

	if (!file) {
		fprintf(stderr, "%s: %m\n", path);
		return -1;
	}
	while (getline(&line, &capacity, file) > 0) {
		json_t *row = json_loads(line, 0, NULL);
		const char *sql = json_string_value(json_object_get(row, "sql"));

		for (int round = 0; sql && round < 10; round++) {
			samples = must_realloc(samples, (count + 1) * sizeof(*samples));
			samples[count++] = measure(sql, policy);
			bytes += strlen(sql);
		}
		json_decref(row);
	}
	if (count)
		report("file", bytes / count, samples, count);
	free(samples);
	free(line);
	fclose(file);
	return 0;
}

/* One table that has the columns of the statements below. */
static struct snapshot *schema_new(void)
{
	static const char *const columns[] = {"id", "total", "status", "placed_at"};
	CLEAN(buffer) struct buffer sorted = BUFFER_INIT;
	struct snapshot *snapshot = snapshot_new("bench");
	struct snapshot_table *table;

	snapshot->schemas = snapshot_alloc(snapshot, sizeof(char *));
	snapshot->schemas[0] = "public";
	snapshot->schema_count = 1;
	snapshot->tables = table = snapshot_alloc(snapshot, sizeof(*table));
	snapshot->table_count = 1;
	*table = (struct snapshot_table){
	    .schema = "public", .name = "orders", .readable = true, .column_count = 4};
	table->columns = snapshot_alloc(snapshot, 4 * sizeof(*table->columns));
	for (size_t i = 0; i < 4; i++)
		table->columns[i] = (struct snapshot_column){.name = columns[i], .type = "text"};
	snapshot_encode(snapshot, &sorted);
	return snapshot;
}

int main(int argc, char **argv)
{
	struct snapshot *snapshot = schema_new();
	struct policy *policy = policy_new(snapshot, NULL);
	int r = 0;

	/* As optimax-database does. */
	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	printf("%-12s %6s  %8s %8s   %5s %5s %5s %5s\n", "", "bytes", "p50 us", "p99 us", "bytes",
	    "gram.", "tree", "walk");
	for (int i = 1; i < argc && r == 0; i++)
		r = bench_file(argv[i], policy);
	if (argc == 1) {
		bench_shape("report", "SELECT id",
		    ", sum(total) FILTER (WHERE status = 'paid') AS revenue_paid", " FROM orders",
		    policy);
		bench_shape("conditions", "SELECT id FROM orders WHERE total > 1",
		    " AND date_trunc('month', placed_at) <> '2024-01-01'", "", policy);
		bench_shape(
		    "list", "SELECT id FROM orders WHERE id IN (1", ", 123456", ")", policy);
		bench_shape("union", "SELECT id FROM orders",
		    " UNION ALL SELECT o.id FROM orders o WHERE o.status = 'new'", "", policy);
		bench_shape("dense", "SELECT 1", ",1", "", policy);
	}
	policy_free(policy);
	snapshot_free(snapshot);
	return r < 0;
}
