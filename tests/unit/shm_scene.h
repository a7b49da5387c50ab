/*
 * What the tests of shm/ share: an instance of their own with prepared segments, a clock that
 * they move, and the shortest way to put and get.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "shm/cache.h"
#include "shm/metrics.h"
#include "shm/segment.h"

struct scene {
	char instance[48];
	struct segment_outcome outcome;
	char message[512];
	struct cache *cache;
	struct metrics *metrics;
};

/* Fresh segments of this size, attached and counted in. */
void scene_open(struct scene *scene, uint64_t size, uint64_t max_value);
/* Prepares again, as a new supervisor's checker does. */
int scene_prepare(struct scene *scene, uint64_t size, uint64_t max_value);
void scene_attach(struct scene *scene);
/* Unlinks; what is mapped stays so until the process ends. */
void scene_close(struct scene *scene);

/* From now on clock_now_ms() is the real time and this much more. */
void scene_clock_init(void);
void scene_clock_advance(int64_t by_ms);

struct cache_put scene_put_of(enum cache_type type, const char *key, const char *value);
int scene_put(struct scene *scene, const char *key, const char *value);
/* NULL for a miss; else the value, as a string that holds until the next call. */
const char *scene_get(struct scene *scene, const char *key);
const char *scene_get_of(
    struct scene *scene, enum cache_type type, int database, const char *key, int64_t max_age_ms);

uint64_t scene_counted(
    struct scene *scene, enum cache_group group, enum metric_cache_counter counter);
uint64_t scene_entries(struct scene *scene);
