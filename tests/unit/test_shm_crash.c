/* Writers that are killed or stopped: no reader waits, no value is wrong, nothing leaks. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/clock.h"
#include "shm/shard.h"
#include "tests/unit/shm_scene.h"

enum {
	MIB = 1 << 20,
	KILLS = 2000,
	KILLS_UNDER_SANITIZER = 200,
	KEYS = 2000,
	VALUE_MAX = 48 * 1024,
	STOPPED_PUTS = 101
};
static struct scene scene;

static int setup(void **state)
{
	(void)state;
	scene_open(&scene, 16 * MIB, 64 * 1024);
	return 0;
}

static int teardown(void **state)
{
	/* Whatever a test did, the shards must be whole. */
	uint64_t repaired = cache_verify(scene.cache, true);

	(void)state;
	scene_close(&scene); /* before a failure can leave the segment behind */
	assert_int_equal(repaired, 0);
	return 0;
}

static uint64_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/* A value that says whose it is, with a checksum of its own over (key, generation, filling). */
struct sealed {
	uint64_t checksum, key, generation;
	unsigned char filling[VALUE_MAX];
};

static size_t seal(struct sealed *sealed, uint64_t key, uint64_t generation)
{
	size_t size = 24 + generation * 2654435761u % (VALUE_MAX - 24);

	sealed->key = key;
	sealed->generation = generation;
	memset(sealed->filling, (int)(key ^ generation), size - 24);
	sealed->checksum = XXH3_64bits(&sealed->key, size - 8);
	return size;
}

static bool is_sealed(const struct buffer *value, uint64_t key)
{
	const struct sealed *sealed = (const struct sealed *)value->data;

	return value->size >= 24 && sealed->key == key &&
	       sealed->checksum == XXH3_64bits(&sealed->key, value->size - 8);
}

static int put_sealed(struct cache *cache, uint64_t key, uint64_t generation)
{
	static struct sealed sealed;
	struct cache_put put = scene_put_of(CACHE_LLM, "", "");

	put.key = bytes_of(&key, sizeof(key));
	put.value = bytes_of(&sealed, seal(&sealed, key, generation));
	put.cost_us = generation % 100000;
	return cache_put(cache, &put);
}

/* 1: a right value, 0: a miss, -1: a wrong value. */
static int get_sealed(struct cache *cache, uint64_t key)
{
	static struct buffer value;
	struct cache_hit hit;

	buffer_reset(&value);
	if (cache_get(cache, CACHE_LLM, CACHE_NO_DATABASE, bytes_of(&key, sizeof(key)), -1, &value,
	        &hit) != CACHE_OK)
		return 0;
	return is_sealed(&value, key) ? 1 : -1;
}

/* What readers report through memory of their own. */
struct report {
	_Atomic uint64_t hits, wrong;
	_Atomic bool stop;
};

static struct report *report_new(void)
{
	struct report *report =
	    mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(report, MAP_FAILED);
	return report;
}

static pid_t start_reader(struct cache *cache, struct report *report, uint64_t random)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	cache_count_in(cache, NULL);
	while (!atomic_load(&report->stop)) {
		int got = get_sealed(cache, random_next(&random) % KEYS);

		atomic_fetch_add(&report->hits, got == 1);
		atomic_fetch_add(&report->wrong, got == -1);
	}
	_exit(0);
}

static pid_t start_writer(struct cache *cache, uint64_t random)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	cache_count_in(cache, NULL);
	for (;;)
		put_sealed(cache, random_next(&random) % KEYS, random_next(&random));
}

/* The moment of the kill is what is random; nothing waits for this time to be enough. */
static void pause_us(uint64_t us)
{
	struct timespec pause = {.tv_nsec = (long)us * 1000};

	nanosleep(&pause, NULL);
}

static void end(pid_t pid, int signal)
{
	if (signal)
		kill(pid, signal);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Whether taking each lock once, with the repair that this brings, leaves every shard whole.
 * cache_verify would repair again what a repair had left wrong. */
static bool repaired_at_once(void)
{
	bool sound = true;

	for (uint32_t i = 0; i < scene.cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(scene.cache, i);

		if (shard_lock(&shard, 1000000))
			return false;
		sound = sound && shard_is_sound_locked(&shard, true);
		shard_unlock(&shard);
	}
	return sound;
}

/* OPTIMAX_SOAK_KILLS=10000 for more of it. */
static int soak_kills(void)
{
	const char *wanted = getenv("OPTIMAX_SOAK_KILLS");

#ifdef OPTIMAX_SANITIZED
	return wanted ? atoi(wanted) : KILLS_UNDER_SANITIZER;
#else
	return wanted ? atoi(wanted) : KILLS;
#endif
}

static void test_writers_killed_at_random(void **state)
{
	struct report *report = report_new();
	int kills = soak_kills();
	uint64_t random = 88172645463325252u, repairs = 0;
	pid_t readers[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		readers[i] = start_reader(scene.cache, report, random_next(&random));
	for (int i = 0; i < kills; i++) {
		pid_t writer = start_writer(scene.cache, random_next(&random));

		pause_us(100 + random_next(&random) % 1900);
		end(writer, SIGKILL);
		/* Every tenth death is looked into at once; the others pile up. */
		if (i % 50 == 0)
			assert_true(repaired_at_once());
	}
	for (uint32_t i = 0; i < scene.cache->geometry.shard_count; i++)
		repairs += shard_at(scene.cache, i).header->repairs;
	atomic_store(&report->stop, true);
	for (int i = 0; i < 2; i++)
		end(readers[i], 0);
	assert_true(repaired_at_once());
	print_message("%d kills, %lu repairs, %lu hits, %lu wrong, %lu entries at the end\n", kills,
	    (unsigned long)repairs, (unsigned long)report->hits, (unsigned long)report->wrong,
	    (unsigned long)scene_entries(&scene));
	assert_int_equal(report->wrong, 0);
	assert_true(report->hits > 1000);
	assert_true(repairs > 10);
	assert_true(scene_entries(&scene) > 100);
	munmap(report, sizeof(*report));
}

/* A child that took the shard of `key`, began, and then does what it is told. */
static pid_t start_holder(uint64_t key, void (*then)(struct shard *shard))
{
	pid_t pid = fork();
	struct shard shard;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	shard = shard_of_hash(
	    scene.cache, cache_hash(scene.cache, CACHE_LLM, 0, bytes_of(&key, sizeof(key))));
	if (shard_lock(&shard, 1000000))
		_exit(1);
	shard_begin_locked(&shard);
	then(&shard);
	_exit(0);
}

static void stop_there(struct shard *shard)
{
	(void)shard;
	raise(SIGSTOP);
}

/* As a writer leaves it that dies in the worst places: a slot half written, its room taken,
 * the chains and the free list astray. */
static void die_there(struct shard *shard)
{
	uint32_t index;

	if (shard_pop_free_locked(shard, &index))
		_exit(1);
	WORDS_STORE(slot_at(shard, index)->word, UINT64_C(1) << 40 | LAYOUT_WRITING);
	room_mark_locked(shard, 1000, 77, true);
	for (uint32_t i = 0; i < shard->geometry->bucket_count; i += 2)
		WORDS_STORE(shard->buckets[i], index);
	WORDS_STORE(slot_at(shard, index)->next, index);
	WORDS_STORE(shard->header->free_head, index);
}

static int64_t real_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int compare_us(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static void test_stopped_writer(void **state)
{
	int64_t get_us, put_us[STOPPED_PUTS], first_us, median_us;
	int status;
	pid_t holder;

	(void)state;
	assert_int_equal(put_sealed(scene.cache, 5, 1), CACHE_OK);
	holder = start_holder(5, stop_there);
	assert_int_equal(waitpid(holder, &status, WUNTRACED), holder);
	assert_true(WIFSTOPPED(status));

	for (int i = 0; i < STOPPED_PUTS; i++) {
		put_us[i] = real_us();
		assert_int_equal(put_sealed(scene.cache, 5, 2), CACHE_DROPPED);
		put_us[i] = real_us() - put_us[i];
	}
	assert_int_equal(
	    scene_counted(&scene, CACHE_GROUP_LLM, METRIC_CACHE_DROPPED), STOPPED_PUTS);
	first_us = put_us[0];
	qsort(put_us, STOPPED_PUTS, sizeof(put_us[0]), compare_us);
	median_us = put_us[STOPPED_PUTS / 2];
	get_us = real_us();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(get_sealed(scene.cache, 5), 1);
		assert_int_equal(get_sealed(scene.cache, 6), 0);
	}
	get_us = real_us() - get_us;
	print_message("puts dropped after %ld us (the first), %ld (median), %ld (at most); 2000 "
	              "gets in %ld us\n",
	    (long)first_us, (long)median_us, (long)put_us[STOPPED_PUTS - 1], (long)get_us);
	/* The first finds out; the others need not wait. The rest is what a busy machine does. */
	assert_in_range(first_us, LOCK_AWAKE_US, 200000);
	assert_in_range(median_us, 0, LOCK_AWAKE_US / 2);
	assert_in_range(put_us[STOPPED_PUTS - 1], LOCK_AWAKE_US, 200000);

	end(holder, SIGKILL);
	assert_int_equal(put_sealed(scene.cache, 5, 3), CACHE_OK);
	assert_int_equal(get_sealed(scene.cache, 5), 1);
}

static void test_dead_owner(void **state)
{
	struct metrics_sum sum;

	(void)state;
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(put_sealed(scene.cache, key, key), CACHE_OK);
	end(start_holder(5, die_there), 0);
	/* Nobody repaired yet: what is found is right, what is not found is a miss. */
	for (uint64_t key = 0; key < 100; key++)
		assert_true(get_sealed(scene.cache, key) >= 0);
	assert_int_equal(put_sealed(scene.cache, 5, 1000), CACHE_OK);
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(get_sealed(scene.cache, key), 1);
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.counters[METRIC_REPAIRS], 1);

	end(start_holder(5, die_there), 0);
	assert_int_equal(cache_verify(scene.cache, false), 1);
	assert_int_equal(scene_entries(&scene), 100);
}

/* The daemon died with a shard half written; the next one's checker finds everything. */
static void test_prepare_after_death(void **state)
{
	(void)state;
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(put_sealed(scene.cache, key, key), CACHE_OK);
	end(start_holder(5, die_there), 0);
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	assert_false(scene.outcome.created);
	assert_string_equal(scene.outcome.reason, "");
	assert_int_equal(scene.outcome.entries, 100);
	assert_int_equal(scene.outcome.repaired, 1);
	scene_attach(&scene);
	for (uint64_t key = 0; key < 100; key++)
		assert_int_equal(get_sealed(scene.cache, key), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_writers_killed_at_random),
	    TEST(test_stopped_writer),
	    TEST(test_dead_owner),
	    TEST(test_prepare_after_death),
	};

	clock_init();
	return cmocka_run_group_tests_name("shm/crash", tests, NULL, NULL);
}
