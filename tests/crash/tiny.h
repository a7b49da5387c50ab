/*
 * A cache of one small shard in anonymous shared memory, so that every store of an operation
 * can be tried, and put back as it was in no time. Its values carry their own checksum of
 * (key, generation), so a wrong one is known by itself.
 */
#pragma once

#include "shm/layout_metrics.h"
#include "shm/shard.h"

enum {
	TINY_KEYS = 256, /* keys are 0 … TINY_KEYS - 1 */
	TINY_MAX_VALUE = 4096,
	TINY_GRAINS = 1024,
	/* Of what is long, so many are put back: */
	TINY_DATABASES = 4,
	TINY_METRICS_SLOTS = 4,
};

struct tiny {
	struct cache cache;
	struct metrics *metrics;
	struct layout_metrics *metrics_layout;
	size_t size;
	size_t databases; /* TINY_DATABASES; more where a test uses more */
};

void tiny_open(struct tiny *tiny);
/* A smaller shard, where it is looked at very often; a power of two, and at least 512. */
void tiny_open_with(struct tiny *tiny, uint32_t grains);
void tiny_close(struct tiny *tiny);
struct shard tiny_shard(struct tiny *tiny);
/* Repairs a sound shard. */
void tiny_repair(struct tiny *tiny);
/* The memory as it is, on the heap; and back. */
void *tiny_keep(const struct tiny *tiny);
void tiny_put_back(struct tiny *tiny, const void *kept);

/* For tests that single-step a child. */
void tiny_stay_on_one_cpu(void);

/* Time stands still otherwise. */
void tiny_clock_advance(int64_t by_ms);

/* A value of `size` bytes or a few more: its checksum, key and generation come first. */
int tiny_put(struct tiny *tiny, uint64_t key, uint64_t generation, size_t size, int64_t ttl_ms);
int tiny_put_of(
    struct tiny *tiny, const struct cache_put *put, uint64_t key, uint64_t generation, size_t size);
enum { TINY_MISS = -1, TINY_WRONG = -2 };
/* The generation, TINY_MISS, or TINY_WRONG where the value is not what was ever put. */
int64_t tiny_get(struct tiny *tiny, uint64_t key);

/* What is wrong with the shard, found without the code under test's own checker; NULL: nothing.
 * Needs that nobody writes. */
const char *judge_shard(struct tiny *tiny);
