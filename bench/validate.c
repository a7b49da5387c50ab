/*
 * Microseconds of CPU time per statement by size, and the share of each layer: bytes, PostgreSQL's
 * grammar, reading its tree, the walk. Without a file of JSON lines {sql} it makes statements of
 * each size, and the densest that are let through. bench/validate [FILE …]
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
#include "worker/sql_weight.h"
#include "worker/validate.h"
#include "worker/validate_tree.h"

enum { SAMPLES = 400, LIMIT_P99_US = 1000 };

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
	struct sql_weight weight;
	PgQueryParseResult parsed;
	long location;
	double start = now_us(), at;
	volatile long used;

	used = bytes_are_utf8(bytes_of_string(sql));
	used += (long)sql_weigh(bytes_of_string(sql), SIZE_MAX, &weight);
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

/* The median of all by the whole, and the mean of its parts. False: over the limit. */
static bool report(const char *name, size_t size, struct layers *samples, size_t count)
{
	struct layers sum = {0};
	bool within;

	for (size_t i = 0; i < count; i++) {
		sum.bytes_us += samples[i].bytes_us;
		sum.grammar_us += samples[i].grammar_us;
		sum.tree_us += samples[i].tree_us;
		sum.all_us += samples[i].all_us;
	}
	qsort(samples, count, sizeof(*samples), compare);
	within = samples[count * 99 / 100].all_us <= LIMIT_P99_US;
	printf("%-26s %6zu  %8.1f %8.1f %8.1f   %3.0f %% %3.0f %% %3.0f %% %3.0f %%%s\n", name,
	    size, samples[0].all_us, samples[count / 2].all_us, samples[count * 99 / 100].all_us,
	    100 * sum.bytes_us / sum.all_us, 100 * sum.grammar_us / sum.all_us,
	    100 * sum.tree_us / sum.all_us,
	    100 * (sum.all_us - sum.bytes_us - sum.grammar_us - sum.tree_us) / sum.all_us,
	    within ? "" : "  MISSED");
	return within;
}

struct shape {
	const char *name, *start, *part, *end;
};

static void fill(const struct shape *shape, size_t size, size_t weight_max, struct buffer *ret_sql)
{
	size_t kept = strlen(shape->start);
	struct sql_weight weight;

	sql_weigh(bytes_of_string(shape->end), SIZE_MAX, &weight);
	weight_max -= weight.bytes;
	buffer_append_string(ret_sql, shape->start);
	/* The last part that was added goes again where it goes over. */
	while (kept + strlen(shape->part) + strlen(shape->end) <= size &&
	       sql_weigh(bytes_of_buffer(ret_sql), weight_max, &weight) == SQL_WITHIN) {
		kept = ret_sql->size;
		buffer_append_string(ret_sql, shape->part);
	}
	ret_sql->size = kept;
	buffer_append_string(ret_sql, shape->end);
}

static bool bench_statement(const char *name, struct bytes sql, struct policy *policy)
{
	struct layers samples[SAMPLES];
	char *text = bytes_to_string(sql);

	for (size_t i = 0; i < SAMPLES; i++)
		samples[i] = measure(text, policy);
	free(text);
	return report(name, sql.size, samples, SAMPLES);
}

static bool bench_sizes(struct policy *policy)
{
	static const struct shape shapes[] = {
	    {"report", "SELECT id", ", sum(total) FILTER (WHERE status = 'paid') AS revenue_paid",
	        " FROM orders"},
	    {"conditions", "SELECT id FROM orders WHERE total > 1",
	        " AND date_trunc('month', placed_at) <> '2024-01-01'", ""},
	    {"list", "SELECT id FROM orders WHERE id IN (1", ", 123456", ")"},
	    {"union", "SELECT id FROM orders",
	        " UNION ALL SELECT o.id FROM orders o WHERE o.status = 'new'", ""},
	};
	static const size_t sizes[] = {64, 256, 1024, 4096, LIMIT_SQL_BYTES};
	bool within = true;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			CLEAN(buffer) struct buffer sql = BUFFER_INIT;

			fill(&shapes[i], sizes[k], SIZE_MAX, &sql);
			within &= bench_statement(shapes[i].name, bytes_of_buffer(&sql), policy);
		}
	return within;
}

/* As many of each as are let through. */
static bool bench_dense(struct policy *policy)
{
	static const struct shape shapes[] = {
	    {"SELECT 1,1", "SELECT 1", ",1", ""},
	    {"SELECT a,a", "SELECT a", ",a", " FROM orders"},
	    {"SELECT o.a,o.a", "SELECT o.a", ",o.a", " FROM orders o"},
	    {"a.a.a", "SELECT a", ".a", " FROM orders"},
	    {"1=1,1=1", "SELECT 1=1", ",1=1", ""},
	    {"ln(1),ln(1)", "SELECT ln(1)", ",ln(1)", ""},
	    {"1::int,1::int", "SELECT 1::int", ",1::int", ""},
	    {"null,null", "SELECT null", ",null", ""},
	    {"a[1][1]", "SELECT a", "[1]", " FROM orders"},
	    {"IN (1,1)", "SELECT 1 WHERE 1 IN(1", ",1", ")"},
	    {"IN ('a','a')", "SELECT 1 WHERE ''IN('a'", ",'a'", ")"},
	    {"ARRAY[1,1]", "SELECT ARRAY[1", ",1", "]"},
	    {"(1),(1)", "VALUES(1)", ",(1)", ""},
	    {"ORDER BY 1,1", "SELECT 1 ORDER BY 1", ",1", ""},
	    {"true AND true", "SELECT 1 WHERE true", " AND true", ""},
	    {"a=1 OR a=1", "SELECT 1 FROM orders WHERE a=1", " OR a=1", ""},
	    {"WHEN true THEN 1", "SELECT CASE WHEN true THEN 1", " WHEN true THEN 1", " END"},
	    {"UNION TABLE orders", "TABLE orders", " UNION TABLE orders", ""},
	    {"control characters", "SELECT '", "\x01", "'"},
	};
	bool within = true;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;

		fill(&shapes[i], LIMIT_SQL_BYTES, SQL_WEIGHT_MAX, &sql);
		within &= bench_statement(shapes[i].name, bytes_of_buffer(&sql), policy);
	}
	return within;
}

static int bench_file(const char *path, struct policy *policy)
{
	struct layers *samples = NULL;
	size_t count = 0, bytes = 0, capacity = 0;
	FILE *file = fopen(path, "re");
	char *line = NULL;
	bool within = true;

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
		within = report("file", bytes / count, samples, count);
	free(samples);
	free(line);
	fclose(file);
	return within ? 0 : -1;
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
	printf("%-26s %6s  %8s %8s %8s   %5s %5s %5s %5s\n", "", "bytes", "least us", "p50 us",
	    "p99 us", "bytes", "gram.", "tree", "walk");
	for (int i = 1; i < argc && r == 0; i++)
		r = bench_file(argv[i], policy);
	if (argc == 1) {
		bool within = bench_sizes(policy);

		within &= bench_dense(policy);
		printf("p99 at most %d us: %s\n", LIMIT_P99_US, within ? "held" : "MISSED");
		r = within ? 0 : -1;
	}
	policy_free(policy);
	snapshot_free(snapshot);
	return r < 0;
}
