#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/layout_metrics.h"
#include "tests/unit/shm_scene.h"

enum { MIB = 1 << 20 };
static struct scene scene;

static int setup(void **state)
{
	(void)state;
	scene_open(&scene, 16 * MIB, 64 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	return 0;
}

static void test_sums_and_successors(void **state)
{
	struct metrics *first, *second;
	struct metrics_sum sum;

	(void)state;
	assert_int_equal(segment_attach_metrics(scene.instance, true, &first), 0);
	metrics_add(first, METRIC_QUERIES, 1); /* not claimed yet: counts nowhere */
	assert_int_equal(metrics_claim(first, ROLE_DATABASE, "shop", 0), 0);
	metrics_add(first, METRIC_QUERIES, 2);
	metrics_set(first, METRIC_CLIENTS, 9);
	metrics_add_cache(first, CACHE_GROUP_SQL, METRIC_CACHE_HITS, 4);
	metrics_add(scene.metrics, METRIC_QUERIES, 10);
	metrics_set(scene.metrics, METRIC_CLIENTS, 1);

	/* The successor goes on counting where the dead one stopped; what it had open is gone. */
	assert_int_equal(segment_attach_metrics(scene.instance, true, &second), 0);
	assert_int_equal(metrics_claim(second, ROLE_DATABASE, "shop", 0), 0);
	metrics_add(second, METRIC_QUERIES, 100);
	metrics_read(second, &sum);
	assert_int_equal(sum.counters[METRIC_QUERIES], 112);
	assert_int_equal(sum.gauges[METRIC_CLIENTS], 1);
	assert_int_equal(sum.cache[CACHE_GROUP_SQL][METRIC_CACHE_HITS], 4);
	assert_int_equal(sum.cache[CACHE_GROUP_LLM][METRIC_CACHE_HITS], 0);
	free(first);
	free(second);
}

static void test_histogram(void **state)
{
	struct metrics_sum sum;
	struct metrics_histogram_sum *response = &sum.histograms[METRIC_RESPONSE];

	(void)state;
	metrics_read(scene.metrics, &sum);
	assert_int_equal(response->count, 0);
	assert_int_equal(response->p50, 0);
	/* One value alone, over the whole range: each percentile is it, within 2 %. */
	for (uint64_t value = 0; value < UINT64_C(1) << 32; value = value * 13 / 12 + 1) {
		double error;

		metrics_reset(scene.metrics);
		metrics_observe(scene.metrics, METRIC_RESPONSE, value);
		metrics_read(scene.metrics, &sum);
		error = value ? ((double)response->p999 - (double)value) / (double)value
		              : (double)response->p999;
		assert_true(error > -0.02 && error < 0.02);
		assert_int_equal(response->p50, response->p999);
		assert_true(response->count == 1 && (uint64_t)response->average == value);
	}
	metrics_reset(scene.metrics);
	for (uint64_t value = 1; value <= 10000; value++)
		metrics_observe(scene.metrics, METRIC_RESPONSE, value);
	metrics_observe(scene.metrics, METRIC_RESPONSE, UINT64_MAX / 2);
	metrics_read(scene.metrics, &sum);
	assert_int_equal(response->count, 10001);
	assert_in_range(response->p50, 4900, 5100);
	assert_in_range(response->p90, 8820, 9180);
	assert_in_range(response->p99, 9702, 10098);
	assert_in_range(response->p999, 9790, 10190);
}

static void test_reset_and_restart(void **state)
{
	struct metrics_sum sum;
	struct metrics *reader;

	(void)state;
	metrics_add(scene.metrics, METRIC_REQUESTS, 5);
	metrics_set(scene.metrics, METRIC_CLIENTS, 3);
	metrics_reset(scene.metrics);
	metrics_add(scene.metrics, METRIC_REQUESTS, 2);
	/* Read by somebody who may not write, and after the supervisor was started again. */
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	assert_int_equal(segment_attach_metrics(scene.instance, false, &reader), 0);
	metrics_read(reader, &sum);
	assert_int_equal(sum.counters[METRIC_REQUESTS], 2);
	assert_int_equal(sum.gauges[METRIC_CLIENTS], 3);
	metrics_reset(scene.metrics);
	metrics_read(reader, &sum);
	assert_int_equal(sum.counters[METRIC_REQUESTS], 0);
	free(reader);
	/* Another cache size starts the cache clean, not the figures. */
	metrics_add(scene.metrics, METRIC_REQUESTS, 8);
	assert_int_equal(scene_prepare(&scene, 32 * MIB, 64 * 1024), 0);
	assert_true(scene.outcome.created);
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.counters[METRIC_REQUESTS], 8);
}

static void test_all_slots_taken(void **state)
{
	struct metrics_sum sum;

	(void)state;
	metrics_add(scene.metrics, METRIC_QUERIES, 4);
	metrics_reset(scene.metrics);
	metrics_add(scene.metrics, METRIC_QUERIES, 2);
	/* setup took one */
	for (unsigned i = 1; i < METRICS_SLOTS; i++)
		assert_int_equal(metrics_claim(scene.metrics, ROLE_DATABASE, "shop", i), 0);
	assert_int_equal(
	    metrics_claim(scene.metrics, ROLE_DATABASE, "shop", METRICS_SLOTS), -ENOSPC);
	metrics_add(scene.metrics, METRIC_QUERIES, 1);
	assert_int_equal(metrics_claim(scene.metrics, ROLE_DATABASE, "shop", 7), 0);
	metrics_add(scene.metrics, METRIC_QUERIES, 1);
	/* The next start gives up all of them, and keeps what they counted. */
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	assert_string_equal(scene.outcome.metrics_reason, "");
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.counters[METRIC_QUERIES], 3);
	assert_int_equal(metrics_claim(scene.metrics, ROLE_DATABASE, "shop", METRICS_SLOTS), 0);
	metrics_add(scene.metrics, METRIC_QUERIES, 1);
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.counters[METRIC_QUERIES], 4);
	metrics_reset(scene.metrics);
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.counters[METRIC_QUERIES], 0);
}

/* Counting, killed at random, and counting on: no count is lost but the one under way. */
static void test_killed_counters(void **state)
{
	uint64_t before = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct metrics_sum sum;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			if (metrics_claim(scene.metrics, ROLE_WATCHER, "shop", 0))
				_exit(1);
			for (;;)
				metrics_add(scene.metrics, METRIC_MODEL_CALLS, 1);
		}
		do {
			metrics_read(scene.metrics, &sum);
			assert_true(sum.counters[METRIC_MODEL_CALLS] >= before);
		} while (sum.counters[METRIC_MODEL_CALLS] == before);
		before = sum.counters[METRIC_MODEL_CALLS];
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_sums_and_successors),
	    TEST(test_histogram),
	    TEST(test_reset_and_restart),
	    TEST(test_all_slots_taken),
	    TEST(test_killed_counters),
	};

	scene_clock_init();
	return cmocka_run_group_tests_name("shm/metrics", tests, NULL, NULL);
}
