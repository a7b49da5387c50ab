#include "tests/crash/operations.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SOME = 40, NEW_KEY = 150, GONE_KEY = 220, TTL_MS = 600000 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void fill_some(struct tiny *tiny)
{
	for (uint64_t key = 0; key < SOME; key++)
		must(tiny_put(tiny, key, 1, 24 + key * 5, TTL_MS) == CACHE_OK);
}

static void put_new(struct tiny *tiny)
{
	must(tiny_put(tiny, NEW_KEY, 1, 200, TTL_MS) == CACHE_OK);
}

static void put_known(struct tiny *tiny)
{
	must(tiny_put(tiny, 7, 2, 300, TTL_MS) == CACHE_OK);
}

static void remove_known(struct tiny *tiny)
{
	const uint64_t key = 7;

	must(cache_remove(&tiny->cache, CACHE_LLM, CACHE_NO_DATABASE,
	         bytes_of(&key, sizeof(key))) == CACHE_OK);
}

/* The first put of a flush generation starts the counts again. */
static void fill_and_flush(struct tiny *tiny)
{
	fill_some(tiny);
	cache_flush(&tiny->cache, ~0u, CACHE_NO_DATABASE);
}

static void put_with_relations(struct tiny *tiny)
{
	const uint64_t relations[] = {1, 2, 700, 4};
	const struct cache_put put = {
	    .type = CACHE_RESULT,
	    .database = cache_database(&tiny->cache, bytes_of_string("one")),
	    .ttl_ms = TTL_MS,
	    .clock = 5,
	    .relation_count = sizeof(relations) / sizeof(relations[0]),
	    .relations = relations,
	};

	must(tiny_put_of(tiny, &put, NEW_KEY, 1, 100) == CACHE_OK);
}

/* No room is left: what is put evicts several. */
static void fill_room(struct tiny *tiny)
{
	for (uint64_t key = 0; key < 60; key++)
		must(tiny_put(tiny, key, 1, 300 + key % 7 * 100, TTL_MS) == CACHE_OK);
}

static void put_large(struct tiny *tiny)
{
	must(tiny_put(tiny, NEW_KEY, 1, 3000, TTL_MS) == CACHE_OK);
}

/* No slot is left, and room for more. */
static void fill_slots(struct tiny *tiny)
{
	for (uint64_t key = 0; key < LAYOUT_SLOT_BLOCK; key++)
		must(tiny_put(tiny, key, 1, 24 + key % 64, TTL_MS) == CACHE_OK);
	must(tiny_shard(tiny).header->free_head == LAYOUT_NONE);
	must(tiny_shard(tiny).header->slot_limit == LAYOUT_SLOT_BLOCK);
}

/* The same, with an entry where the new slots will be. */
static void fill_slots_to_the_border(struct tiny *tiny)
{
	uint64_t key = 0;

	for (; key < 8; key++)
		must(tiny_put(tiny, key, 1, 3000, TTL_MS) == CACHE_OK);
	for (; key < LAYOUT_SLOT_BLOCK; key++)
		must(tiny_put(tiny, key, 1, 24, TTL_MS) == CACHE_OK);
	for (key = 0; key < 4; key++)
		must(tiny_put(tiny, key, 2, 24, TTL_MS) == CACHE_OK);
}

/* All slots that there can ever be are taken, by entries of one grain, and room is left. */
static void fill_all_slots(struct tiny *tiny)
{
	struct shard shard = tiny_shard(tiny);

	for (uint32_t i = 0; i < shard.geometry->slots_max; i++) {
		const struct cache_put put = {
		    .type = CACHE_ROUTE,
		    .database = CACHE_NO_DATABASE,
		    .key = bytes_of(&i, sizeof(i)),
		    .value = bytes_of_string(""),
		    .ttl_ms = TTL_MS,
		};

		must(cache_put(&tiny->cache, &put) == CACHE_OK);
	}
	must(shard.header->free_head == LAYOUT_NONE);
	must(shard.header->slot_limit == shard.geometry->slots_max);
}

static void fill_expired(struct tiny *tiny)
{
	fill_some(tiny);
	for (uint64_t key = 0; key < 12; key++)
		must(tiny_put(tiny, GONE_KEY + key, 1, 100, 1) == CACHE_OK);
	tiny_clock_advance(10);
	tiny_shard(tiny).header->sweep_hand = SOME;
}

static void look_at_all(struct tiny *tiny)
{
	for (uint64_t key = 0; key < SOME; key++)
		must(tiny_get(tiny, key) != TINY_WRONG);
	tiny_get(tiny, GONE_KEY);
}

static void verify(struct tiny *tiny)
{
	cache_verify(&tiny->cache, true);
}

/* A chain leads nowhere: the put finds that out half way, repairs, and is dropped. */
static void fill_and_scribble(struct tiny *tiny)
{
	struct shard shard = tiny_shard(tiny);

	fill_some(tiny);
	for (uint32_t i = 0; i < shard.geometry->bucket_count; i++)
		shard.buckets[i] = 5000;
}

static void put_in_vain(struct tiny *tiny)
{
	must(tiny_put(tiny, NEW_KEY, 1, 200, TTL_MS) == CACHE_DROPPED);
}

/* ---- what is outside the shards ---- */

static void fill_databases(struct tiny *tiny)
{
	fill_some(tiny);
	must(cache_database(&tiny->cache, bytes_of_string("one")) == 0);
	put_with_relations(tiny);
}

static void name_database(struct tiny *tiny)
{
	must(cache_database(&tiny->cache, bytes_of_string("two")) == 1);
}

static const char *check_databases(struct tiny *tiny)
{
	if (cache_database(&tiny->cache, bytes_of_string("one")) != 0)
		return "a database lost its name";
	if (cache_database(&tiny->cache, bytes_of_string("two")) != 1)
		return "a name that was half claimed takes room";
	return cache_database(&tiny->cache, bytes_of_string("three")) == 2
	           ? NULL
	           : "the registry has holes";
}

/* Every name is taken, by a database that has an entry. */
static void fill_names(struct tiny *tiny)
{
	tiny->databases = CACHE_DATABASES_MAX;
	for (int i = 0; i < CACHE_DATABASES_MAX; i++) {
		char name[16];
		struct cache_put put = {.type = CACHE_RESULT, .ttl_ms = TTL_MS};

		snprintf(name, sizeof(name), "d%d", i);
		put.database = cache_database(&tiny->cache, bytes_of_string(name));
		must(put.database == i);
		must(tiny_put_of(tiny, &put, NEW_KEY + (uint64_t)i, 1, 24) == CACHE_OK);
	}
}

static void release_names(struct tiny *tiny)
{
	cache_release_databases(&tiny->cache);
}

static const char *check_release(struct tiny *tiny)
{
	struct cache_usage usage;

	release_names(tiny);
	cache_usage(&tiny->cache, &usage);
	if (usage.entries[CACHE_RESULT] > 0)
		return "entries of a database that lost its name are still valid";
	return cache_database(&tiny->cache, bytes_of_string("new")) == CACHE_NO_DATABASE
	           ? "no name was given back"
	           : NULL;
}

static bool has_result(struct tiny *tiny)
{
	struct buffer value = BUFFER_INIT;
	uint64_t key = NEW_KEY;
	struct cache_hit hit;
	bool found = cache_get(&tiny->cache, CACHE_RESULT, 0, bytes_of(&key, sizeof(key)), -1,
	                 &value, &hit) == CACHE_OK;

	buffer_deinit(&value);
	return found;
}

static void flush(struct tiny *tiny)
{
	cache_flush(&tiny->cache, 1u << CACHE_RESULT, CACHE_NO_DATABASE);
}

static const char *check_flush(struct tiny *tiny)
{
	flush(tiny);
	return has_result(tiny) ? "a flush does not reach an entry" : NULL;
}

static void prepare_touch(struct tiny *tiny)
{
	fill_databases(tiny);
	tiny->cache.databases[0].clock = 5;
}

static void touch(struct tiny *tiny)
{
	cache_touch(&tiny->cache, 0, 700);
}

/* The relation's clock is never behind the database's: that would lose the change. */
static const char *check_touch(struct tiny *tiny)
{
	if (cache_clock(&tiny->cache, 0) > 5 && has_result(tiny))
		return "a change is lost: the clock moved and the result did not become stale";
	touch(tiny);
	return has_result(tiny) ? "a touch does not reach an entry" : NULL;
}

static void prepare_metrics(struct tiny *tiny)
{
	fill_some(tiny);
	metrics_add(tiny->metrics, METRIC_QUERIES, 10);
	metrics_observe(tiny->metrics, METRIC_RESPONSE, 500);
}

static void claim_metrics(struct tiny *tiny)
{
	struct metrics *metrics = metrics_new(tiny->metrics_layout);

	must(metrics_claim(metrics, ROLE_DATABASE, "one", 3) == 0);
	free(metrics);
}

static const char *check_metrics(struct tiny *tiny)
{
	struct layout_metrics_slot *slots = tiny->metrics_layout->slots;
	struct metrics_sum sum;

	claim_metrics(tiny);
	metrics_read(tiny->metrics, &sum);
	if (sum.counters[METRIC_QUERIES] != 10 || sum.histograms[METRIC_RESPONSE].count != 1)
		return "a counter is not what was counted";
	if (slots[0].role != ROLE_ROUTER || slots[1].state != METRICS_SLOT_NAMED ||
	    slots[1].role != ROLE_DATABASE || slots[1].index != 3 || slots[1].database_size != 3 ||
	    slots[2].state != METRICS_SLOT_FREE)
		return "a slot of the metrics leaked, or is another's";
	return NULL;
}

static void prepare_release(struct tiny *tiny)
{
	prepare_metrics(tiny);
	metrics_reset(tiny->metrics);
	metrics_add(tiny->metrics, METRIC_QUERIES, 7);
	claim_metrics(tiny);
}

static void release_metrics(struct tiny *tiny)
{
	metrics_release_slots(tiny->metrics_layout, 1);
}

/* Whatever was done of it, the totals are what they were, then and after the next start. */
static const char *check_release_of_metrics(struct tiny *tiny)
{
	struct layout_metrics_slot *slots = tiny->metrics_layout->slots;
	struct metrics_sum sum;

	metrics_read(tiny->metrics, &sum);
	if (sum.counters[METRIC_QUERIES] != 7 || sum.histograms[METRIC_RESPONSE].count != 0)
		return "a total changed";
	release_metrics(tiny);
	metrics_read(tiny->metrics, &sum);
	if (sum.counters[METRIC_QUERIES] != 7 || sum.histograms[METRIC_RESPONSE].count != 0)
		return "a total changed with the next start";
	if (slots[0].state != METRICS_SLOT_FREE || slots[1].state != METRICS_SLOT_FREE)
		return "a slot was not given up";
	must(metrics_claim(tiny->metrics, ROLE_ROUTER, "", 0) == 0);
	metrics_add(tiny->metrics, METRIC_QUERIES, 1);
	metrics_read(tiny->metrics, &sum);
	return sum.counters[METRIC_QUERIES] == 8 ? NULL : "counting does not go on";
}

static void count_metrics(struct tiny *tiny)
{
	metrics_add(tiny->metrics, METRIC_QUERIES, 1);
	metrics_set(tiny->metrics, METRIC_CLIENTS, 2);
	metrics_observe(tiny->metrics, METRIC_RESPONSE, 500);
}

static const char *check_count(struct tiny *tiny)
{
	struct metrics_sum sum;

	metrics_read(tiny->metrics, &sum);
	if (sum.counters[METRIC_QUERIES] != 10 && sum.counters[METRIC_QUERIES] != 11)
		return "a counter went back";
	return sum.histograms[METRIC_RESPONSE].count < 1 ? "a histogram went back" : NULL;
}

static void reset_metrics(struct tiny *tiny)
{
	metrics_reset(tiny->metrics);
}

static const char *check_reset(struct tiny *tiny)
{
	struct metrics_sum sum;
	uint64_t expected;

	metrics_read(tiny->metrics, &sum);
	expected = sum.counters[METRIC_QUERIES];
	if (expected != 0 && expected != 10)
		return "a counter is neither what it was nor zero";
	if (sum.histograms[METRIC_RESPONSE].count != expected / 10)
		return "half of it was reset";
	metrics_reset(tiny->metrics);
	metrics_add(tiny->metrics, METRIC_QUERIES, 3);
	metrics_read(tiny->metrics, &sum);
	return sum.counters[METRIC_QUERIES] == 3 ? NULL : "a reset after it fails";
}

static void take_and_release(struct tiny *tiny)
{
	struct shard shard = tiny_shard(tiny);

	must(shard_lock(&shard, 1000000) == 0);
	shard_unlock(&shard);
}

struct holder {
	struct lock *lock;
	_Atomic bool held;
};

static void *hold(void *shared)
{
	struct holder *holder = shared;

	must(lock_take(holder->lock, 0) == LOCK_TAKEN);
	atomic_store(&holder->held, true);
	pause();
	return NULL;
}

/* Who waits in vain for a lock that a living thread has. */
static void wait_for_lock(struct tiny *tiny)
{
	static struct holder holder;
	pthread_t thread;

	holder.lock = &tiny->cache.header->registry_lock;
	must(pthread_create(&thread, NULL, hold, &holder) == 0);
	while (!atomic_load(&holder.held))
		sched_yield();
	must(lock_take(holder.lock, LOCK_AWAKE_US + 1) == -ETIMEDOUT);
}

const struct operation operations[] = {
    {"put of a new key", fill_some, put_new, .repairs = true},
    {"put of a known key", fill_some, put_known, .repairs = true},
    {"put after a flush", fill_and_flush, put_new, .repairs = true},
    {"put with relations", fill_some, put_with_relations},
    {"put that evicts for room", fill_room, put_large, .repairs = true},
    {"put that grows the slots", fill_slots, put_new, .repairs = true},
    {"put that grows the slots over entries", fill_slots_to_the_border, put_new},
    {"put that evicts for a slot", fill_all_slots, put_new},
    {"put that sweeps expired entries", fill_expired, put_new, .repairs = true},
    {"remove", fill_some, remove_known, .repairs = true},
    {"put where somebody scribbled", fill_and_scribble, put_in_vain, .is_unsound = true},
    {"get", fill_expired, look_at_all},
    {"verify", fill_some, verify},
    {"flush", fill_databases, flush, .check = check_flush},
    {"touch", prepare_touch, touch, .check = check_touch},
    {"a database is named", fill_databases, name_database, .check = check_databases},
    {"all names are given back", fill_names, release_names, .check = check_release},
    {"metrics: claim", prepare_metrics, claim_metrics, .check = check_metrics},
    {"metrics: count", prepare_metrics, count_metrics, .check = check_count},
    {"metrics: slots are given up", prepare_release, release_metrics,
        .check = check_release_of_metrics},
    {"metrics: reset", prepare_metrics, reset_metrics, .check = check_reset},
    {"wait for a lock", fill_some, wait_for_lock},
};
const size_t operation_count = sizeof(operations) / sizeof(operations[0]);
const struct operation operation_repair = {.name = "repair", .run = take_and_release};
