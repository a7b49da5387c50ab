#include "tests/crash/tiny.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "common/clock.h"

/* Both on one CPU: a step is a switch to the other and back, and that is faster than waking it. */
void tiny_stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static size_t round_up(size_t value, size_t to)
{
	return (value + to - 1) / to * to;
}

static void *map_shared(size_t size)
{
	void *memory = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

/* As geometry.c would plan it, were so small a shard allowed. */
static struct geometry plan(uint32_t grains)
{
	struct geometry geometry = {
	    .max_value = TINY_MAX_VALUE,
	    .shard_count = 1,
	    .bucket_count = grains / 32,
	    .grains = grains,
	    .slots_max = grains / 4,
	    .entry_grains_max = grains / 4,
	};

	geometry.shards_offset =
	    LAYOUT_PAGE +
	    round_up(sizeof(struct layout_database) * CACHE_DATABASES_MAX, LAYOUT_PAGE);
	geometry.used_offset = round_up(
	    round_up(sizeof(struct layout_shard), 64) + geometry.bucket_count * sizeof(uint64_t),
	    64);
	geometry.starts_offset = round_up(geometry.used_offset + geometry.grains / 8, 64);
	geometry.arena_offset = round_up(geometry.starts_offset + geometry.grains / 8, 64);
	geometry.shard_size =
	    round_up(geometry.arena_offset + (size_t)geometry.grains * LAYOUT_GRAIN, LAYOUT_PAGE);
	geometry.size = geometry.shards_offset + geometry.shard_size;
	return geometry;
}

void tiny_open(struct tiny *tiny)
{
	tiny_open_with(tiny, TINY_GRAINS);
}

void tiny_open_with(struct tiny *tiny, uint32_t grains)
{
	struct shard shard;

	*tiny =
	    (struct tiny){.cache = {.geometry = plan(grains), .hash_seed = 12345, .random = 99}};
	tiny->size = tiny->cache.geometry.size;
	tiny->databases = TINY_DATABASES;
	tiny->cache.header = map_shared(tiny->size);
	tiny->cache.databases =
	    (struct layout_database *)((char *)tiny->cache.header + LAYOUT_PAGE);
	tiny->metrics_layout = map_shared(sizeof(*tiny->metrics_layout));
	tiny->metrics = metrics_new(tiny->metrics_layout);
	shard = tiny_shard(tiny);
	if (lock_init(&tiny->cache.header->registry_lock) || shard_init(&shard) ||
	    metrics_init(tiny->metrics_layout) ||
	    metrics_claim(tiny->metrics, ROLE_ROUTER, "", 0)) {
		fprintf(stderr, "no tiny cache\n");
		exit(1);
	}
	cache_count_in(&tiny->cache, tiny->metrics);
}

void tiny_close(struct tiny *tiny)
{
	munmap(tiny->cache.header, tiny->size);
	munmap(tiny->metrics_layout, sizeof(*tiny->metrics_layout));
	free(tiny->metrics);
}

struct shard tiny_shard(struct tiny *tiny)
{
	return shard_at(&tiny->cache, 0);
}

/* What can change. */
struct part {
	void *at;
	size_t size;
};
enum { PARTS = 3 };

static size_t list_parts(const struct tiny *tiny, struct part parts[static PARTS])
{
	const struct geometry *geometry = &tiny->cache.geometry;
	size_t sum = 0;

	parts[0] = (struct part){
	    tiny->cache.header, LAYOUT_PAGE + tiny->databases * sizeof(struct layout_database)};
	parts[1] = (struct part){
	    (char *)tiny->cache.header + geometry->shards_offset, geometry->shard_size};
	parts[2] = (struct part){
	    tiny->metrics_layout, offsetof(struct layout_metrics, slots) +
	                              TINY_METRICS_SLOTS * sizeof(struct layout_metrics_slot)};
	for (int i = 0; i < PARTS; i++)
		sum += parts[i].size;
	return sum;
}

void *tiny_keep(const struct tiny *tiny)
{
	struct part parts[PARTS];
	char *kept = malloc(list_parts(tiny, parts)), *to = kept;

	if (!kept)
		abort();
	for (int i = 0; i < PARTS; to += parts[i++].size)
		memcpy(to, parts[i].at, parts[i].size);
	return kept;
}

void tiny_put_back(struct tiny *tiny, const void *kept)
{
	struct part parts[PARTS];
	const char *from = kept;

	list_parts(tiny, parts);
	for (int i = 0; i < PARTS; from += parts[i++].size)
		memcpy(parts[i].at, from, parts[i].size);
}

/* In the place of common/clock.c: time stands still, so what an operation does is the same
 * every time. It starts late enough that nothing is older than the clock. */
static int64_t now_ms = 1000000;

int64_t clock_now_us(void)
{
	return now_ms * 1000;
}

int64_t clock_now_ms(void)
{
	return now_ms;
}

void tiny_clock_advance(int64_t by_ms)
{
	now_ms += by_ms;
}

struct sealed {
	uint64_t checksum, key, generation;
	unsigned char filling[TINY_MAX_VALUE - 24];
};

int tiny_put_of(
    struct tiny *tiny, const struct cache_put *put, uint64_t key, uint64_t generation, size_t size)
{
	struct cache_put sealed_put = *put;
	struct sealed sealed;

	if (size < 24)
		size = 24;
	sealed.key = key;
	sealed.generation = generation;
	memset(sealed.filling, (int)(key * 7 + generation), size - 24);
	sealed.checksum = XXH3_64bits(&sealed.key, size - 8);
	sealed_put.key = bytes_of(&key, sizeof(key));
	sealed_put.value = bytes_of(&sealed, size);
	sealed_put.generation = cache_generation(&tiny->cache, put->type, put->database);
	return cache_put(&tiny->cache, &sealed_put);
}

int tiny_put(struct tiny *tiny, uint64_t key, uint64_t generation, size_t size, int64_t ttl_ms)
{
	const struct cache_put put = {
	    .type = CACHE_LLM,
	    .database = CACHE_NO_DATABASE,
	    .ttl_ms = ttl_ms,
	    .cost_us = 1000 + key,
	};

	return tiny_put_of(tiny, &put, key, generation, size);
}

int64_t tiny_get(struct tiny *tiny, uint64_t key)
{
	static _Thread_local struct buffer value;
	const struct sealed *sealed;
	struct cache_hit hit;

	buffer_reset(&value);
	if (cache_get(&tiny->cache, CACHE_LLM, CACHE_NO_DATABASE, bytes_of(&key, sizeof(key)), -1,
	        &value, &hit) != CACHE_OK)
		return TINY_MISS;
	sealed = (const struct sealed *)value.data;
	if (value.size < 24 || sealed->key != key ||
	    sealed->checksum != XXH3_64bits(&sealed->key, value.size - 8))
		return TINY_WRONG;
	return (int64_t)sealed->generation;
}

void tiny_repair(struct tiny *tiny)
{
	struct shard shard = tiny_shard(tiny);

	if (shard_lock(&shard, 1000000) == 0) {
		shard_repair_locked(&shard, false);
		shard_unlock(&shard);
	}
}
