/*
 * Every attack of the corpus is refused with a place, every benign statement allowed. Prints how
 * long the benign ones took; bench/validate looks closer.
 */
#include <time.h>

#include "tests/unit/validate_corpus.h"

enum { ROUNDS = 20, TIMES_MAX = 65536 };

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

static bool has_place(const struct verdict *verdict)
{
	return verdict->code == CHECK_EMPTY || strstr(verdict->reason, "at character ") ||
	       strstr(verdict->reason, "at byte ");
}

static void run_row(struct figures *figures, struct policy *policy, const struct corpus_row *row)
{
	struct verdict verdict;
	bool right;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_us();

		validate(bytes_of(row->sql, row->size), policy, &verdict);
		if (figures->time_count < TIMES_MAX)
			figures->times_us[figures->time_count++] = now_us() - start;
		if (round < ROUNDS - 1)
			verdict_free(&verdict);
	}
	right = row->is_attack ? verdict.code != CHECK_ALLOW && has_place(&verdict)
	                       : verdict.code == CHECK_ALLOW;
	figures->total++;
	figures->wrong += !right;
	if (!right || getenv("OPTIMAX_VERBOSE"))
		printf("%s: %s: %s: %.200s\n", row->id, check_code_name(verdict.code),
		    verdict.reason, row->sql);
	verdict_free(&verdict);
}

int main(void)
{
	struct figures *figures = must_zalloc(2 * sizeof(*figures)); /* benign, attacks */
	struct snapshot *snapshot = corpus_schema_new();
	struct policy *policy = policy_new(snapshot, NULL);
	struct corpus corpus = {0};
	bool shared, failed;

	if (!corpus_read_all(&corpus, &shared)) {
		printf("tests/corpus cannot be read\n");
		return 1;
	}
	for (size_t i = 0; i < corpus.count; i++)
		run_row(&figures[corpus.rows[i].is_attack], policy, &corpus.rows[i]);
	qsort(figures->times_us, figures->time_count, sizeof(double), compare_times);
	printf("%u attacks, %u wrong; %u benign, %u wrong; p50 %.0f us, p99 %.0f us\n",
	    figures[1].total, figures[1].wrong, figures[0].total, figures[0].wrong,
	    figures->times_us[figures->time_count / 2],
	    figures->times_us[figures->time_count * 99 / 100]);
	if (!shared)
		printf("sql-safety left out: OPTIMAX_SHARED_DATA does not name its folder\n");
	failed = figures[0].wrong || figures[1].wrong;
	corpus_deinit(&corpus);
	policy_free(policy);
	snapshot_free(snapshot);
	free(figures);
	return failed;
}
