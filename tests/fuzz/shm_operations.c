/*
 * Operations on a shard against the simplest model there is: for each key the generation that was
 * put last, until when, and whether it was flushed or touched since. A get gives that or, once
 * something was evicted, a miss; and at the end the shard is as it must be.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/tiny.h"
#include "tests/fuzz/fuzz.h"

enum { GRAINS = 512, KEYS = 48, OPERATIONS_MAX = 400 };

static struct tiny tiny;
static void *fresh;

static struct {
	uint64_t generation; /* 0: none */
	int64_t expires_ms;
} model[KEYS];
static int64_t now_ms;
static uint64_t generations;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static uint64_t evictions(void)
{
	struct layout_numbers *numbers = &tiny.metrics_layout->slots[0].numbers;

	return numbers->cache[CACHE_GROUP_LLM][METRIC_CACHE_EVICTIONS] +
	       numbers->cache[CACHE_GROUP_LLM][METRIC_CACHE_DROPPED];
}

static void put(uint64_t key, size_t size, int64_t ttl_ms)
{
	int result = tiny_put(&tiny, key, ++generations, size, ttl_ms);

	must(result == CACHE_OK || result == CACHE_DROPPED, "a put returns neither");
	must(result == CACHE_OK || size > TINY_MAX_VALUE / 2, "a small put is dropped");
	if (result != CACHE_OK || ttl_ms <= 0)
		return;
	model[key].generation = generations;
	model[key].expires_ms = now_ms + ttl_ms;
}

static void get(uint64_t key)
{
	int64_t found = tiny_get(&tiny, key);
	bool is_valid = model[key].generation != 0 && model[key].expires_ms > now_ms;

	must(found != TINY_WRONG, "a wrong value");
	if (found == TINY_MISS)
		must(!is_valid || evictions() > 0, "a key is missed that was put and not evicted");
	else
		must(is_valid && (uint64_t)found == model[key].generation,
		    "a value that was replaced, flushed or is past its time");
}

static void flush(unsigned mask)
{
	cache_flush(&tiny.cache, mask, CACHE_NO_DATABASE);
	if (!(mask >> CACHE_LLM & 1))
		return;
	for (uint64_t key = 0; key < KEYS; key++)
		model[key].generation = 0;
}

static void repair(bool is_odd)
{
	struct shard shard = tiny_shard(&tiny);

	if (is_odd)
		shard.header->sequence |= 1;
	must(shard_lock(&shard, 1000) == 0, "the lock is lost");
	shard_unlock(&shard);
}

static void run_one(unsigned operation, uint64_t key, unsigned more)
{
	switch (operation) {
	case 0:
	case 1:
	case 2:
		put(key, more * 3, 100000);
		break;
	case 3:
		put(key, (size_t)more * 16, 1 + more);
		break;
	case 4:
		now_ms += more;
		tiny_clock_advance(more);
		break;
	case 5:
		flush(more);
		break;
	case 6:
		repair(more & 1);
		break;
	case 7:
		must(cache_verify(&tiny.cache, true) == 0, "the checker repairs a sound shard");
		break;
	default:
		get(key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *fault;

	if (!fresh) {
		tiny_open_with(&tiny, GRAINS);
		fresh = tiny_keep(&tiny);
	}
	tiny_put_back(&tiny, fresh);
	tiny.cache.random = 4711;
	memset(model, 0, sizeof(model));
	for (size_t i = 0; i + 2 < size && i < 3 * OPERATIONS_MAX; i += 3)
		run_one(bytes[i] % 12, bytes[i + 1] % KEYS, bytes[i + 2]);
	for (uint64_t key = 0; key < KEYS; key++)
		get(key);
	fault = judge_shard(&tiny);
	must(!fault, fault ? fault : "");
	return 0;
}
