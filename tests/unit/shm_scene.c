#include "tests/unit/shm_scene.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"

static _Atomic int64_t *clock_offset_ms;

int scene_prepare(struct scene *scene, uint64_t size, uint64_t max_value)
{
	struct segment_geometry geometry = {.cache_size_bytes = size, .max_value_bytes = max_value};

	return segment_prepare(
	    scene->instance, &geometry, &scene->outcome, scene->message, sizeof(scene->message));
}

void scene_attach(struct scene *scene)
{
	free(scene->metrics);
	free(scene->cache);
	assert_int_equal(segment_attach_metrics(scene->instance, true, &scene->metrics), 0);
	assert_int_equal(metrics_claim(scene->metrics, ROLE_ROUTER, "", 0), 0);
	assert_int_equal(segment_attach_cache(scene->instance, &scene->cache), 0);
	cache_count_in(scene->cache, scene->metrics);
}

void scene_open(struct scene *scene, uint64_t size, uint64_t max_value)
{
	*scene = (struct scene){0};
	snprintf(scene->instance, sizeof(scene->instance), "test-%d", (int)getpid());
	segment_unlink(scene->instance);
	if (scene_prepare(scene, size, max_value) != 0)
		fail_msg("%s", scene->message);
	assert_true(scene->outcome.created);
	scene_attach(scene);
}

void scene_close(struct scene *scene)
{
	assert_int_equal(segment_unlink(scene->instance), 0);
	free(scene->cache);
	free(scene->metrics);
}

void scene_clock_init(void)
{
	char path[] = "/tmp/optimax-clock-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(int64_t)), 0);
	clock_offset_ms = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(clock_offset_ms, MAP_FAILED);
	close(fd);
	setenv("OPTIMAX_TEST_CLOCK", path, 1);
	clock_init();
	unlink(path);
}

void scene_clock_advance(int64_t by_ms)
{
	atomic_fetch_add(clock_offset_ms, by_ms);
}

struct cache_put scene_put_of(enum cache_type type, const char *key, const char *value)
{
	return (struct cache_put){
	    .type = type,
	    .database = CACHE_NO_DATABASE,
	    .key = bytes_of_string(key),
	    .value = bytes_of_string(value),
	    .ttl_ms = 60000,
	    .cost_us = 1000,
	};
}

int scene_put(struct scene *scene, const char *key, const char *value)
{
	struct cache_put put = scene_put_of(CACHE_CHAT, key, value);

	put.generation = cache_generation(scene->cache, put.type, put.database);
	return cache_put(scene->cache, &put);
}

const char *scene_get_of(
    struct scene *scene, enum cache_type type, int database, const char *key, int64_t max_age_ms)
{
	static struct buffer value;
	struct cache_hit hit;

	buffer_reset(&value);
	if (cache_get(scene->cache, type, database, bytes_of_string(key), max_age_ms, &value,
	        &hit) != CACHE_OK) {
		assert_int_equal(value.size, 0);
		return NULL;
	}
	return buffer_string(&value);
}

const char *scene_get(struct scene *scene, const char *key)
{
	return scene_get_of(scene, CACHE_CHAT, CACHE_NO_DATABASE, key, -1);
}

uint64_t scene_counted(
    struct scene *scene, enum cache_group group, enum metric_cache_counter counter)
{
	struct metrics_sum sum;

	metrics_read(scene->metrics, &sum);
	return sum.cache[group][counter];
}

uint64_t scene_entries(struct scene *scene)
{
	struct cache_usage usage;
	uint64_t entries = 0;

	cache_usage(scene->cache, &usage);
	for (int type = 0; type < CACHE_TYPE_COUNT; type++)
		entries += usage.entries[type];
	return entries;
}
