#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "shm/layout_metrics.h"
#include "shm/shard.h"
#include "tests/unit/shm_scene.h"

enum { MIB = 1 << 20 };
static struct scene scene;

static int setup(void **state)
{
	(void)state;
	scene_open(&scene, 16 * MIB, 64 * 1024);
	assert_int_equal(scene_put(&scene, "k", "v"), CACHE_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	return 0;
}

static void test_geometry(void **state)
{
	static const struct row {
		const char *name;
		uint64_t size, max_value;
		int result;
		uint32_t shards;
	} rows[] = {
	    {"smallest", 16ull * MIB, 1024, 0, 8},
	    {"smallest with the default value", 16ull * MIB, MIB, 0, 1},
	    {"default", 64ull * MIB, MIB, 0, 4},
	    {"largest", 64ull * 1024 * MIB, MIB, 0, 1024},
	    {"largest with large values", 64ull * 1024 * MIB, 64ull * MIB, 0, 64},
	    {"too small", 15ull * MIB, 1024, -EINVAL, 0},
	    {"too large", 65ull * 1024 * MIB, 1024, -EINVAL, 0},
	    {"value too large", 16ull * MIB, 2 * MIB, -EINVAL, 0},
	    {"no value", 16ull * MIB, 0, -EINVAL, 0},
	    {"a value that overflows", 16ull * MIB, UINT64_MAX / 2, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct geometry plan = {0};

		print_message("%s\n", rows[i].name);
		assert_int_equal(
		    geometry_plan(rows[i].size, rows[i].max_value, &plan), rows[i].result);
		assert_int_equal(plan.shard_count, rows[i].shards);
		if (rows[i].result)
			continue;
		assert_true(plan.shard_size >= 8 * rows[i].max_value);
		assert_true(
		    plan.shards_offset + plan.shard_count * plan.shard_size <= rows[i].size);
		assert_true(
		    plan.arena_offset + (uint64_t)plan.grains * LAYOUT_GRAIN <= plan.shard_size);
		assert_true(
		    (uint64_t)plan.entry_grains_max * LAYOUT_GRAIN > rows[i].max_value * 3 / 2);
	}
	assert_int_equal(
	    geometry_plan(geometry_least_size(5 * MIB), 5 * MIB, &(struct geometry){0}), 0);
	assert_int_equal(
	    geometry_plan(geometry_least_size(5 * MIB) - 4096, 5 * MIB, &(struct geometry){0}),
	    -EINVAL);
}

static void path_of(char path[static 128], const char *suffix)
{
	snprintf(path, 128, "/dev/shm/optimax-%s%s", scene.instance, suffix);
}

static void test_goes_on(void **state)
{
	struct stat status;
	char path[128];

	(void)state;
	path_of(path, "");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, 16 * MIB);
	assert_true(status.st_blocks * 512 >= 16 * MIB); /* allocated, so no SIGBUS later */
	path_of(path, "-metrics");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);

	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	assert_false(scene.outcome.created);
	assert_int_equal(scene.outcome.entries, 1);
	assert_int_equal(scene.outcome.repaired, 0);
	scene_attach(&scene);
	assert_string_equal(scene_get(&scene, "k"), "v");
}

static void do_nothing(void *memory)
{
	(void)memory;
}

static void set_magic(void *memory)
{
	((struct layout_header *)memory)->magic ^= 1;
}

static void set_version(void *memory)
{
	((struct layout_header *)memory)->constants.version++;
}

static void set_constant(void *memory)
{
	((struct layout_header *)memory)->constants.hash_seed ^= 1;
}

static void set_layout(void *memory)
{
	struct layout_header *header = memory;

	header->constants.layout_hash ^= 1;
	header->constants_hash = XXH3_64bits(&header->constants, sizeof(header->constants));
}

static void set_noise(void *memory)
{
	unsigned char *bytes = memory;
	uint64_t random = 88172645463325252u;

	for (size_t i = 0; i < 16 * MIB; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		bytes[i] = (unsigned char)(random >> 56);
	}
}

static void set_boot(void *memory)
{
	struct layout_header *header = memory;

	header->constants.boot_id[0] ^= 1;
	header->constants_hash = XXH3_64bits(&header->constants, sizeof(header->constants));
}

/* What is found there, and what the one line says of it. */
static const struct clean_row {
	const char *name;
	void (*change)(void *memory);
	uint64_t size, max_value;
	mode_t mode;
	off_t cut_to;
	const char *reason;
} clean_rows[] = {
    {"another size", do_nothing, 32 * MIB, 64 * 1024, 0600, 16 * MIB, "its size was 16777216"},
    {"another max_value", do_nothing, 16 * MIB, 65 * 1024, 0600, 16 * MIB,
        "cache.max_value was 65536 bytes, not 66560"},
    {"wrong mode", do_nothing, 16 * MIB, 64 * 1024, 0644, 16 * MIB, "its mode was 0644, not 0600"},
    {"cut short", do_nothing, 16 * MIB, 64 * 1024, 0600, 4096, "its size was 4096"},
    {"empty", do_nothing, 16 * MIB, 64 * 1024, 0600, 0, "its size was 0"},
    {"no magic", set_magic, 16 * MIB, 64 * 1024, 0600, 16 * MIB, "it was not finished"},
    {"noise", set_noise, 16 * MIB, 64 * 1024, 0600, 16 * MIB, "it was not finished"},
    {"longer", do_nothing, 16 * MIB, 64 * 1024, 0600, 16 * MIB + 1, "its size was 16777217"},
    {"version", set_version, 16 * MIB, 64 * 1024, 0600, 16 * MIB, "its layout changed"},
    {"layout", set_layout, 16 * MIB, 64 * 1024, 0600, 16 * MIB, "its layout changed"},
    {"boot", set_boot, 16 * MIB, 64 * 1024, 0600, 16 * MIB, "the machine was restarted"},
    {"damaged header", set_constant, 16 * MIB, 64 * 1024, 0600, 16 * MIB, "its header was damaged"},
};

static void test_starts_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(clean_rows) / sizeof(clean_rows[0]); i++) {
		const struct clean_row *row = &clean_rows[i];
		struct cache *cache;
		char path[128];

		print_message("%s\n", row->name);
		assert_int_equal(segment_unlink(scene.instance), 0);
		assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
		scene_attach(&scene);
		scene_put(&scene, "k", "v");
		row->change(scene.cache->header);
		path_of(path, "");
		assert_int_equal(chmod(path, row->mode), 0);
		assert_int_equal(truncate(path, row->cut_to), 0);
		if (row->size == 16 * MIB && row->max_value == 64 * 1024)
			assert_int_equal(segment_attach_cache(scene.instance, &cache), -EUCLEAN);
		assert_int_equal(scene_prepare(&scene, row->size, row->max_value), 0);
		assert_true(scene.outcome.created);
		assert_true(strncmp(scene.outcome.reason, row->reason, strlen(row->reason)) == 0);
		scene_attach(&scene);
		assert_null(scene_get(&scene, "k"));
		assert_int_equal(scene_put(&scene, "k", "v"), CACHE_OK);
		assert_int_equal(cache_verify(scene.cache, true), 0);
	}
}

/* The same for the metrics: what they were, and what the one line says. */
static void test_metrics_start_clean(void **state)
{
	static const struct row {
		const char *name;
		size_t noise; /* so many bytes of it from the start on */
		mode_t mode;
		off_t size; /* in bytes more than it had */
		const char *reason;
	} rows[] = {
	    {"as they were", 0, 0640, 0, ""},
	    {"wrong mode", 0, 0666, 0, "its mode was 0666, not 0640"},
	    {"longer", 0, 0640, 1, "its size was "},
	    {"cut short", 0, 0640, -4096, "its size was "},
	    {"another magic", 8, 0640, 0, "its layout changed"},
	    {"noise", sizeof(struct layout_metrics), 0640, 0, "its layout changed"},
	};
	char path[128];

	(void)state;
	path_of(path, "-metrics");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		int fd = open(path, O_RDWR);
		struct metrics_sum sum;

		print_message("%s\n", row->name);
		assert_true(fd >= 0);
		for (size_t at = 0; at < row->noise; at += 8)
			assert_int_equal(pwrite(fd, "\xa5\x17 noise", 8, (off_t)at), 8);
		assert_int_equal(
		    ftruncate(fd, (off_t)sizeof(struct layout_metrics) + row->size), 0);
		assert_int_equal(fchmod(fd, row->mode), 0);
		close(fd);
		assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
		assert_int_equal(
		    strncmp(scene.outcome.metrics_reason, row->reason, strlen(row->reason)), 0);
		assert_int_equal(scene.outcome.metrics_reason[0] == '\0', row->reason[0] == '\0');
		assert_false(scene.outcome.created);
		scene_attach(&scene);
		metrics_add(scene.metrics, METRIC_QUERIES, 1);
		metrics_read(scene.metrics, &sum);
		assert_true(sum.counters[METRIC_QUERIES] >= 1);
		if (row->reason[0] != '\0')
			assert_int_equal(sum.counters[METRIC_QUERIES], 1);
	}
}

/* A good header over shards of noise: everything is given up, nothing is read out of bounds. */
static void test_noise(void **state)
{
	uint64_t offset = scene.cache->geometry.shards_offset;
	uint32_t *words = (uint32_t *)((char *)scene.cache->header + offset);

	(void)state;
	srandom(3);
	for (uint64_t i = 0; i < (16 * MIB - offset) / 4; i++)
		words[i] = (uint32_t)random() >> random() % 32;
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	assert_false(scene.outcome.created);
	assert_int_equal(scene.outcome.repaired, scene.cache->geometry.shard_count);
	scene_attach(&scene);
	cache_verify(scene.cache, true);
	assert_int_equal(cache_verify(scene.cache, true), 0);
	assert_int_equal(scene_put(&scene, "k", "v"), CACHE_OK);
	assert_string_equal(scene_get(&scene, "k"), "v");
}

static void test_refused(void **state)
{
	struct cache *cache;
	struct metrics *metrics;

	(void)state;
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 8 * MIB), -EINVAL);
	assert_non_null(strstr(scene.message, "at least 65 MiB"));
	snprintf(scene.instance, sizeof(scene.instance), "a/b");
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 1024), -EINVAL);
	assert_non_null(strstr(scene.message, "unfit"));
	assert_int_equal(segment_attach_cache("test-nobody-made-this", &cache), -ENOENT);
	assert_int_equal(segment_attach_metrics("test-nobody-made-this", true, &metrics), -ENOENT);
	snprintf(scene.instance, sizeof(scene.instance), "test-%d", (int)getpid());
}

/* Runs in a child that is another user, or has another /dev/shm: 77 where that cannot be. */
static void in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int prepare_as_nobody(void)
{
	struct cache *cache;

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) {
		print_message("skipped: only root can become another user\n");
		return 77;
	}
	if (scene_prepare(&scene, 16 * MIB, 64 * 1024) != -EPERM)
		return 1;
	print_message("%s\n", scene.message);
	return !strstr(scene.message, "belongs to user root") ||
	       segment_attach_cache(scene.instance, &cache) == 0;
}

static void test_owned_by_another(void **state)
{
	char path[128];

	(void)state;
	in_child(prepare_as_nobody);
	/* Root can open it all the same, and must still refuse it. */
	path_of(path, "");
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), -EPERM);
	assert_non_null(strstr(scene.message, "belongs to user nobody"));
}

static bool mount_shm(const char *size)
{
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", "/dev/shm", "tmpfs", 0, size) == 0)
		return true;
	print_message("skipped: no mount namespace of our own here\n");
	return false;
}

static int prepare_without_any_room(void)
{
	if (!mount_shm("size=1m"))
		return 77;
	if (scene_prepare(&scene, 16 * MIB, 64 * 1024) != -ENOSPC)
		return 1;
	print_message("%s\n", scene.message);
	return !strstr(scene.message, "the metrics segment needs ");
}

static int prepare_without_room(void)
{
	char path[128];

	if (!mount_shm("size=12m"))
		return 77;
	if (scene_prepare(&scene, 16 * MIB, 64 * 1024) != -ENOSPC)
		return 1;
	print_message("%s\n", scene.message);
	path_of(path, "");
	return !strstr(scene.message, "needs 16 MiB in /dev/shm, where ") ||
	       !strstr(scene.message, "make `cache.size` smaller") || access(path, F_OK) == 0;
}

/* Its header is good, but behind that there are holes, and somebody has taken their room. */
static int prepare_with_holes(void)
{
	char path[128];
	int other;

	if (!mount_shm("size=24m"))
		return 77;
	path_of(path, "");
	if (scene_prepare(&scene, 16 * MIB, 64 * 1024) != 0 || truncate(path, MIB) != 0 ||
	    truncate(path, 16 * MIB) != 0)
		return 1;
	other = open("/dev/shm/other", O_RDWR | O_CREAT, 0600);
	if (other < 0 || posix_fallocate(other, 0, 12 * MIB) != 0)
		return 1;
	if (scene_prepare(&scene, 16 * MIB, 64 * 1024) != -ENOSPC)
		return 1;
	print_message("%s\n", scene.message);
	close(other);
	return unlink("/dev/shm/other") != 0 || scene_prepare(&scene, 16 * MIB, 64 * 1024) != 0;
}

static void test_full(void **state)
{
	in_child(prepare_with_holes);
	(void)state;
	in_child(prepare_without_room);
	in_child(prepare_without_any_room);
}

/* Every size from the smallest to the largest: shards fit, and the last byte is in reach. */
static void test_geometry_of_all_sizes(void **state)
{
	const uint64_t gib = UINT64_C(1) << 30;
	const uint64_t values[] = {1, 64 << 10, 1 << 20, 64 << 20, gib, 8 * gib};

	(void)state;
	for (uint64_t size = LAYOUT_SIZE_MIN; size <= LAYOUT_SIZE_MAX;
	     size += size / 3 / 4096 * 4096) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			struct geometry geometry;
			uint64_t end;

			if (geometry_plan(size, values[i], &geometry) != 0) {
				assert_true(size < geometry_least_size(values[i]));
				continue;
			}
			end = geometry.arena_offset + (uint64_t)geometry.grains * LAYOUT_GRAIN;
			assert_true(end <= geometry.shard_size);
			assert_true(
			    geometry.shards_offset + geometry.shard_count * geometry.shard_size <=
			    size);
			assert_true(geometry.shard_size >= LAYOUT_SHARD_VALUES * values[i]);
			assert_true((uint64_t)geometry.entry_grains_max * LAYOUT_GRAIN > values[i]);
			assert_true(
			    geometry.slots_max > 0 && geometry.slots_max <= geometry.grains / 4);
		}
	}
	assert_int_equal(geometry_plan(LAYOUT_SIZE_MAX + 1, 1, &(struct geometry){0}), -EINVAL);
	assert_int_equal(geometry_plan(LAYOUT_SIZE_MIN - 1, 1, &(struct geometry){0}), -EINVAL);
}

/* 64 GiB of address space, of which only the shards that are used get memory. */
static void test_largest_segment(void **state)
{
	struct cache cache = {.hash_seed = 1, .random = 1};
	CLEAN(buffer) struct buffer value = BUFFER_INIT;

	(void)state;
	assert_int_equal(geometry_plan(LAYOUT_SIZE_MAX, MIB, &cache.geometry), 0);
	cache.header = mmap(NULL, LAYOUT_SIZE_MAX, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(cache.header, MAP_FAILED);
	cache.databases = (struct layout_database *)((char *)cache.header + LAYOUT_PAGE);
	for (uint64_t k = 0; k < 5; k++) {
		struct bytes key = bytes_of((const char *)&k, sizeof(k));
		struct cache_put put = {.type = CACHE_CHAT,
		    .database = CACHE_NO_DATABASE,
		    .key = key,
		    .value = bytes_of_string("far away"),
		    .ttl_ms = 60000};
		struct shard shard = shard_of_hash(&cache, cache_hash(&cache, CACHE_CHAT, 0, key));
		struct cache_hit hit;

		assert_int_equal(shard_init(&shard), 0);
		buffer_reset(&value);
		assert_int_equal(cache_put(&cache, &put), CACHE_OK);
		assert_int_equal(
		    cache_get(&cache, CACHE_CHAT, CACHE_NO_DATABASE, key, -1, &value, &hit),
		    CACHE_OK);
		assert_string_equal(buffer_string(&value), "far away");
	}
	munmap(cache.header, LAYOUT_SIZE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_geometry),
	    cmocka_unit_test(test_geometry_of_all_sizes),
	    cmocka_unit_test(test_largest_segment),
	    TEST(test_goes_on),
	    TEST(test_starts_clean),
	    TEST(test_noise),
	    TEST(test_metrics_start_clean),
	    TEST(test_refused),
	    TEST(test_owned_by_another),
	    TEST(test_full),
	};

	scene_clock_init();
	return cmocka_run_group_tests_name("shm/segment", tests, NULL, NULL);
}
