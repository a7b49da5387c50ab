#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/shard.h"
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
	/* Whatever a test did, the shards must be whole. */
	uint64_t repaired = cache_verify(scene.cache, true);

	(void)state;
	scene_close(&scene); /* before a failure can leave the segment behind */
	assert_int_equal(repaired, 0);
	return 0;
}

static void test_put_get_replace(void **state)
{
	struct cache_hit hit;
	CLEAN(buffer) struct buffer value = BUFFER_INIT;

	(void)state;
	assert_null(scene_get(&scene, "k"));
	assert_int_equal(scene_put(&scene, "k", "one"), CACHE_OK);
	assert_string_equal(scene_get(&scene, "k"), "one");
	assert_int_equal(scene_put(&scene, "k", "two, and longer"), CACHE_OK);
	assert_string_equal(scene_get(&scene, "k"), "two, and longer");
	assert_int_equal(scene_entries(&scene), 1);
	assert_int_equal(scene_put(&scene, "empty", ""), CACHE_OK);
	assert_string_equal(scene_get(&scene, "empty"), "");

	/* The value is appended; age and cost come along. */
	buffer_append_string(&value, "before ");
	scene_clock_advance(1500);
	assert_int_equal(cache_get(scene.cache, CACHE_CHAT, CACHE_NO_DATABASE, bytes_of_string("k"),
	                     -1, &value, &hit),
	    CACHE_OK);
	assert_string_equal(buffer_string(&value), "before two, and longer");
	assert_in_range(hit.age_ms, 1500, 10000);
	assert_int_equal(hit.cost_us, 1000);
	assert_int_equal(scene_counted(&scene, CACHE_GROUP_CHAT, METRIC_CACHE_HITS), 4);
	assert_int_equal(scene_counted(&scene, CACHE_GROUP_CHAT, METRIC_CACHE_MISSES), 1);
}

/* What is part of an entry's identity beside the key's bytes. */
static void test_keys_apart(void **state)
{
	struct cache_put put = scene_put_of(CACHE_STATEMENT, "k", "shop");
	int shop = cache_database(scene.cache, bytes_of_string("shop"));
	int other = cache_database(scene.cache, bytes_of_string("other"));

	(void)state;
	put.database = shop;
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_string_equal(scene_get_of(&scene, CACHE_STATEMENT, shop, "k", -1), "shop");
	assert_null(scene_get_of(&scene, CACHE_STATEMENT, other, "k", -1));
	assert_null(scene_get_of(&scene, CACHE_STATEMENT, CACHE_NO_DATABASE, "k", -1));
	assert_null(scene_get_of(&scene, CACHE_RESULT, shop, "k", -1));
	assert_null(scene_get_of(&scene, CACHE_STATEMENT, shop, "k ", -1));
}

static void test_every_size(void **state)
{
	static char value[64 * 1024 + 1];

	(void)state;
	for (size_t size = 0; size <= 64 * 1024; size = size < 100 ? size + 1 : size * 9 / 8) {
		CLEAN(buffer) struct buffer got = BUFFER_INIT;
		struct cache_put put = scene_put_of(CACHE_LLM, "size", "");
		struct cache_hit hit;

		for (size_t i = 0; i < size; i++)
			value[i] = (char)(size * 31 + i * 7);
		put.value = bytes_of(value, size);
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
		assert_int_equal(
		    cache_get(scene.cache, CACHE_LLM, CACHE_NO_DATABASE, put.key, -1, &got, &hit),
		    CACHE_OK);
		assert_true(bytes_equal(bytes_of_buffer(&got), put.value));
	}
}

static void test_expiry_and_max_age(void **state)
{
	(void)state;
	scene_put(&scene, "k", "v");
	scene_clock_advance(30000);
	assert_non_null(scene_get(&scene, "k"));
	assert_null(scene_get_of(&scene, CACHE_CHAT, CACHE_NO_DATABASE, "k", 29000));
	assert_non_null(scene_get_of(&scene, CACHE_CHAT, CACHE_NO_DATABASE, "k", 40000));
	scene_clock_advance(30001);
	assert_null(scene_get(&scene, "k"));
	assert_null(scene_get(&scene, "k"));
	assert_int_equal(scene_counted(&scene, CACHE_GROUP_CHAT, METRIC_CACHE_EXPIRED), 1);
	assert_int_equal(scene_counted(&scene, CACHE_GROUP_CHAT, METRIC_CACHE_MISSES), 3);
}

static void test_no_ttl_is_not_stored(void **state)
{
	struct cache_put put = scene_put_of(CACHE_CHAT, "k", "v");

	(void)state;
	put.ttl_ms = 0;
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_null(scene_get(&scene, "k"));
}

static void test_dropped(void **state)
{
	static char large[64 * 1024 + 1];
	static uint64_t relations[LAYOUT_RELATIONS_MAX + 1];
	static char key[8 * MIB];
	const struct row {
		const char *name;
		size_t key_size, value_size, relation_count;
		int database, type, result;
	} rows[] = {
	    {"as large as may be", 1, 64 * 1024, LAYOUT_RELATIONS_MAX, 0, CACHE_RESULT, CACHE_OK},
	    {"value too large", 1, 64 * 1024 + 1, 0, 0, CACHE_RESULT, CACHE_DROPPED},
	    {"key too large", 8 * MIB, 1, 0, 0, CACHE_RESULT, CACHE_DROPPED},
	    {"too many relations", 1, 1, LAYOUT_RELATIONS_MAX + 1, 0, CACHE_RESULT, CACHE_DROPPED},
	    {"relations of no database", 1, 1, 1, CACHE_NO_DATABASE, CACHE_RESULT, CACHE_DROPPED},
	    {"no such database", 1, 1, 0, CACHE_DATABASES_MAX, CACHE_RESULT, CACHE_DROPPED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cache_put put = scene_put_of((enum cache_type)rows[i].type, "", "");
		uint64_t dropped = scene_counted(&scene, CACHE_GROUP_SQL, METRIC_CACHE_DROPPED);

		put.key = bytes_of(key, rows[i].key_size);
		put.value = bytes_of(large, rows[i].value_size);
		put.database = rows[i].database;
		put.relations = relations;
		put.relation_count = rows[i].relation_count;
		print_message("%s\n", rows[i].name);
		assert_int_equal(cache_put(scene.cache, &put), rows[i].result);
		assert_int_equal(scene_counted(&scene, CACHE_GROUP_SQL, METRIC_CACHE_DROPPED),
		    dropped + (rows[i].result == CACHE_DROPPED));
	}
}

/* Four times what fits, of many sizes: what is there is right, dear and used entries stay. */
static void test_eviction(void **state)
{
	static char value[64 * 1024];
	uint64_t evictions, live;
	unsigned dear = 0, cheap = 0;
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 8000; i++) {
		struct cache_put put = scene_put_of(CACHE_LLM, "", "");

		snprintf(key, sizeof(key), "entry %u", i);
		put.key = bytes_of_string(key);
		put.value = bytes_of(value, 64 + (i * 7919) % 16000);
		put.cost_us = i % 10 == 0 ? 5000000 : 1000;
		memset(value, (char)i, put.value.size);
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	for (unsigned i = 0; i < 8000; i++) {
		const char *got;

		snprintf(key, sizeof(key), "entry %u", i);
		got = scene_get_of(&scene, CACHE_LLM, CACHE_NO_DATABASE, key, -1);
		if (!got)
			continue;
		assert_int_equal(got[0], (char)i);
		if (i % 10 == 0)
			dear++;
		else
			cheap++;
	}
	evictions = scene_counted(&scene, CACHE_GROUP_LLM, METRIC_CACHE_EVICTIONS);
	live = scene_entries(&scene);
	print_message("%u of 800 dear and %u of 7200 cheap are left\n", dear, cheap);
	assert_int_equal(live, dear + cheap);
	assert_int_equal(evictions, 8000 - live);
	assert_true(dear / 800.0 > 1.5 * cheap / 7200.0);
}

/* The segment is full of small entries, so slots have grown over half of it; large ones fit. */
static void test_small_then_large(void **state)
{
	static char large[64 * 1024];
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 150000; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(scene_put(&scene, key, "v"), CACHE_OK);
	}
	assert_in_range(scene_entries(&scene), 90000, 150000);
	for (unsigned i = 0; i < 100; i++) {
		struct cache_put put = scene_put_of(CACHE_LLM, "", "");

		snprintf(key, sizeof(key), "large %u", i);
		put.key = bytes_of_string(key);
		put.value = bytes_of(large, sizeof(large));
		put.cost_us = 1000000;
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
		assert_non_null(scene_get_of(&scene, CACHE_LLM, CACHE_NO_DATABASE, key, -1));
	}
}

/* How much of a full segment is keys and values, on sizes as answers have them. */
static void test_overhead(void **state)
{
	uint64_t payload = 0, used, entries;
	static char value[256 * 1024];
	double headers, waste;
	char key[64];

	(void)state;
	srandom(7);
	for (unsigned i = 0; i < 30000; i++) {
		struct cache_put put = scene_put_of(CACHE_LLM, "", "");
		unsigned size = 1u << (7 + random() % 8);

		snprintf(key, sizeof(key), "%032u", i);
		put.key = bytes_of_string(key);
		put.value = bytes_of(value, size + (unsigned)random() % size);
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	entries = scene_entries(&scene);
	for (uint32_t i = 0; i < scene.cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(scene.cache, i);

		for (uint32_t k = 0; k < shard.header->slot_limit; k++) {
			struct entry entry;

			slot_read(slot_at(&shard, k), &entry);
			if (slot_state(entry.word) == LAYOUT_LIVE)
				payload += entry.key_size + entry.value_size;
		}
	}
	used = 16 * MIB - scene.cache->geometry.shards_offset;
	headers = (double)entries * (sizeof(struct layout_slot) + sizeof(struct layout_extent));
	waste = 1 - ((double)payload + headers) / (double)used;
	print_message("%lu entries, %.1f %% of the shards is neither payload nor header\n",
	    (unsigned long)entries, waste * 100);
	assert_true(waste < 0.2);
}

/* Half of the cache has expired: new entries take its room, and evict nothing that lives. */
static void test_expired_give_room_back(void **state)
{
	static char value[8 * 1024];
	char key[32];
	uint64_t lived = 0;

	(void)state;
	for (unsigned i = 0; i < 1600; i++) {
		struct cache_put put = scene_put_of(CACHE_LLM, "", "");

		snprintf(key, sizeof(key), "%u", i);
		put.key = bytes_of_string(key);
		put.value = bytes_of(value, sizeof(value));
		put.ttl_ms = i % 2 ? 1000 : 1000000;
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	scene_clock_advance(2000);
	for (unsigned i = 0; i < 700; i++) {
		struct cache_put put = scene_put_of(CACHE_CHAT, "", "");

		snprintf(key, sizeof(key), "new %u", i);
		put.key = bytes_of_string(key);
		put.value = bytes_of(value, sizeof(value));
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	for (unsigned i = 0; i < 1600; i += 2) {
		snprintf(key, sizeof(key), "%u", i);
		lived += scene_get_of(&scene, CACHE_LLM, CACHE_NO_DATABASE, key, -1) != NULL;
	}
	print_message("%lu of 800 live on\n", (unsigned long)lived);
	assert_in_range(lived, 760, 800);
	assert_in_range(scene_counted(&scene, CACHE_GROUP_LLM, METRIC_CACHE_EXPIRED), 600, 800);
}

static void test_remove(void **state)
{
	struct bytes key = bytes_of_string("k");
	struct cache_usage usage;

	(void)state;
	scene_put(&scene, "k", "v");
	scene_put(&scene, "other", "w");
	assert_int_equal(cache_remove(scene.cache, CACHE_CHAT, 0, key), CACHE_MISS);
	assert_int_equal(
	    cache_remove(scene.cache, CACHE_CHAT, CACHE_DATABASES_MAX, key), CACHE_MISS);
	assert_string_equal(scene_get(&scene, "k"), "v");
	assert_int_equal(cache_remove(scene.cache, CACHE_CHAT, CACHE_NO_DATABASE, key), CACHE_OK);
	assert_int_equal(cache_remove(scene.cache, CACHE_CHAT, CACHE_NO_DATABASE, key), CACHE_MISS);
	assert_null(scene_get(&scene, "k"));
	assert_string_equal(scene_get(&scene, "other"), "w");
	cache_usage(scene.cache, &usage);
	assert_int_equal(usage.entries[CACHE_CHAT], 1);
	assert_int_equal(cache_verify(scene.cache, true), 0);
}

static void test_flush(void **state)
{
	int shop = cache_database(scene.cache, bytes_of_string("shop"));
	struct cache_put put = scene_put_of(CACHE_STATEMENT, "s", "v");

	(void)state;
	scene_put(&scene, "a", "v");
	scene_put(&scene, "b", "v");
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	put.database = shop;
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_int_equal(scene_entries(&scene), 4);
	assert_int_equal(cache_count(scene.cache, ~0u, CACHE_NO_DATABASE), 4);
	assert_int_equal(cache_count(scene.cache, 1u << CACHE_STATEMENT, CACHE_NO_DATABASE), 2);
	assert_int_equal(cache_count(scene.cache, 1u << CACHE_STATEMENT, shop), 1);
	assert_int_equal(cache_count(scene.cache, 1u << CACHE_CHAT, shop), 0);

	assert_int_equal(cache_flush(scene.cache, 1u << CACHE_STATEMENT, shop), 1);
	assert_null(scene_get_of(&scene, CACHE_STATEMENT, shop, "s", -1));
	assert_non_null(scene_get_of(&scene, CACHE_STATEMENT, CACHE_NO_DATABASE, "s", -1));
	assert_int_equal(scene_counted(&scene, CACHE_GROUP_SQL, METRIC_CACHE_STALE), 1);

	assert_int_equal(cache_flush(scene.cache, 1u << CACHE_CHAT, CACHE_NO_DATABASE), 2);
	assert_null(scene_get(&scene, "a"));
	assert_int_equal(scene_entries(&scene), 1);

	scene_put(&scene, "a", "again");
	assert_string_equal(scene_get(&scene, "a"), "again");
	assert_int_equal(cache_flush(scene.cache, ~0u, CACHE_NO_DATABASE), 2);
	assert_int_equal(scene_entries(&scene), 0);
	assert_null(scene_get(&scene, "a"));
}

/* What was computed before a flush is not kept after it, however late it comes. */
static void test_put_after_flush(void **state)
{
	int shop = cache_database(scene.cache, bytes_of_string("shop"));
	struct cache_put put = scene_put_of(CACHE_RESULT, "q", "rows");

	(void)state;
	put.database = shop;
	put.generation = cache_generation(scene.cache, CACHE_RESULT, shop);
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	cache_flush(scene.cache, 1u << CACHE_RESULT, shop);
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OUTDATED);
	assert_null(scene_get_of(&scene, CACHE_RESULT, shop, "q", -1));
	put.generation = cache_generation(scene.cache, CACHE_RESULT, shop);
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_non_null(scene_get_of(&scene, CACHE_RESULT, shop, "q", -1));
	/* Another type's flush does not concern it. */
	cache_flush(scene.cache, 1u << CACHE_CHAT, CACHE_NO_DATABASE);
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
}

static void test_relations(void **state)
{
	int shop = cache_database(scene.cache, bytes_of_string("shop"));
	int other = cache_database(scene.cache, bytes_of_string("other"));
	uint64_t orders =
	    cache_relation(scene.cache, bytes_of_string("public"), bytes_of_string("orders"));
	uint64_t products =
	    cache_relation(scene.cache, bytes_of_string("public"), bytes_of_string("products"));
	uint64_t both[] = {orders, products};
	struct cache_put put = scene_put_of(CACHE_RESULT, "q", "rows");

	(void)state;
	assert_true(orders != products);
	assert_true(orders == cache_relation(scene.cache, bytes_of_string("public"),
	                          bytes_of_string("orders")));
	assert_true(cache_relation(scene.cache, bytes_of_string("ab"), bytes_of_string("c")) !=
	            cache_relation(scene.cache, bytes_of_string("a"), bytes_of_string("bc")));
	put.database = shop;
	put.relations = both;
	put.relation_count = 2;
	put.clock = cache_clock(scene.cache, shop);
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);

	cache_touch(scene.cache, other, orders);
	cache_touch(scene.cache, shop,
	    cache_relation(scene.cache, bytes_of_string("s"), bytes_of_string("elsewhere")));
	assert_non_null(scene_get_of(&scene, CACHE_RESULT, shop, "q", -1));

	cache_touch(scene.cache, shop, products);
	assert_null(scene_get_of(&scene, CACHE_RESULT, shop, "q", -1));
	assert_int_equal(scene_counted(&scene, CACHE_GROUP_SQL, METRIC_CACHE_STALE), 1);

	/* What was read before the change and is stored after it is stale from the start. */
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_null(scene_get_of(&scene, CACHE_RESULT, shop, "q", -1));
	put.clock = cache_clock(scene.cache, shop);
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_non_null(scene_get_of(&scene, CACHE_RESULT, shop, "q", -1));
}

static size_t list(
    unsigned type_mask, enum cache_order order, size_t limit, struct cache_listed *entries)
{
	struct cache_top top;

	cache_top(scene.cache, type_mask, order, limit, entries, &top);
	return top.listed;
}

static void test_top(void **state)
{
	int shop = cache_database(scene.cache, bytes_of_string("shop"));
	struct cache_listed top[3];
	char key[16], value[3000] = "";

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct cache_put put = scene_put_of(i % 2 ? CACHE_RESULT : CACHE_CHAT, "", "");

		snprintf(key, sizeof(key), "%u", i);
		put.key = bytes_of_string(key);
		put.value = bytes_of(value, 100 + 100 * i);
		put.cost_us = 1000 * (i + 1) % 7000;
		put.database = shop;
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	for (int i = 0; i < 3; i++)
		scene_get_of(&scene, CACHE_CHAT, shop, "4", -1);
	assert_int_equal(list(~0u, CACHE_BY_SIZE, 3, top), 3);
	assert_true(top[0].bytes > top[1].bytes && top[1].bytes > top[2].bytes);
	assert_in_range(top[0].bytes, 2000, 2300);
	assert_int_equal(top[0].type, CACHE_RESULT);
	assert_int_equal(top[0].database, shop);
	assert_int_equal(list(~0u, CACHE_BY_USE, 1, top), 1);
	assert_int_equal(top[0].uses, 3);
	assert_in_range(top[0].bytes, 500, 700);
	assert_int_equal(list(1u << CACHE_CHAT, CACHE_BY_COST, 3, top), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(top[i].type, CACHE_CHAT);
	assert_true(top[0].cost_us >= top[1].cost_us && top[1].cost_us >= top[2].cost_us);

	/* What is no longer valid is not shown. */
	cache_flush(scene.cache, 1u << CACHE_CHAT, CACHE_NO_DATABASE);
	assert_int_equal(list(1u << CACHE_CHAT, CACHE_BY_SIZE, 3, top), 0);
	scene_clock_advance(60001);
	assert_int_equal(list(~0u, CACHE_BY_SIZE, 3, top), 0);
}

static void assert_top_holds(uint64_t entries, const char *why)
{
	struct cache_listed listed[32];
	struct cache_top top;
	uint64_t bytes = 0;

	cache_top(scene.cache, ~0u, CACHE_BY_SIZE, 32, listed, &top);
	for (size_t i = 0; i < top.listed; i++)
		bytes += listed[i].bytes;
	if (top.listed != entries || top.entries != entries || top.bytes != bytes)
		fail_msg("%s: %zu listed, %zu in all", why, top.listed, (size_t)top.entries);
}

/* Only what a get could return is listed, and the sums are those of just that. */
static void test_top_leaves_out_what_is_no_longer_valid(void **state)
{
	int shop = cache_database(scene.cache, bytes_of_string("shop"));
	/* Not by name: two names may share a clock. */
	const uint64_t customers = 1, orders = 2, both[] = {customers, orders};
	struct cache_usage usage;
	struct cache_listed one;
	struct cache_top top;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct cache_put put = scene_put_of(CACHE_RESULT, "", "value");

		snprintf(key, sizeof(key), "%u", i);
		put.key = bytes_of_string(key);
		put.database = shop;
		put.clock = cache_clock(scene.cache, shop);
		put.relations = both;
		put.relation_count = i % 3; /* none, customers, both */
		put.ttl_ms = i < 6 ? 10000 : 60000;
		assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	assert_top_holds(12, "all are valid");
	cache_usage(scene.cache, &usage);
	cache_top(scene.cache, ~0u, CACHE_BY_SIZE, 1, &one, &top);
	assert_int_equal(top.listed, 1);
	assert_int_equal(top.entries, usage.entries[CACHE_RESULT]);
	assert_int_equal(top.bytes, usage.bytes[CACHE_RESULT]);

	cache_touch(scene.cache, shop, orders);
	assert_top_holds(8, "orders changed");
	scene_clock_advance(10001);
	assert_top_holds(4, "half expired");
	cache_flush(scene.cache, 1u << CACHE_RESULT, shop);
	assert_top_holds(0, "flushed");
}

/* A shard whose lock stays taken is told, not passed over in silence. */
static void test_verify_tells_what_it_skipped(void **state)
{
	struct cache_verified verified;
	struct shard shard = shard_at(scene.cache, 1);
	struct lock *lock = &shard.header->lock;
	pid_t pid;

	(void)state;
	cache_verify_all(scene.cache, true, &verified);
	assert_int_equal(verified.shards, scene.cache->geometry.shard_count);
	assert_int_equal(verified.skipped, 0);
	pid = fork();
	if (pid == 0) {
		lock_take(lock, 1000);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	cache_verify_all(scene.cache, true, &verified);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(verified.skipped, 1);
	assert_int_equal(verified.repaired, 0);
	cache_verify_all(scene.cache, true, &verified);
	assert_int_equal(verified.skipped, 0);
	assert_int_equal(verified.repaired, 1);
}

static void test_databases(void **state)
{
	char name[80];
	int first = cache_database(scene.cache, bytes_of_string("db 0"));

	(void)state;
	assert_int_equal(first, cache_database(scene.cache, bytes_of_string("db 0")));
	for (int i = 0; i < CACHE_DATABASES_MAX; i++) {
		snprintf(name, sizeof(name), "db %d", i);
		assert_int_equal(cache_database(scene.cache, bytes_of_string(name)), i);
	}
	assert_int_equal(
	    cache_database(scene.cache, bytes_of_string("one more")), CACHE_NO_DATABASE);
	assert_int_equal(cache_database(scene.cache, bytes_of_string("db 63")), 63);
	assert_int_equal(cache_database(scene.cache, bytes_of_string("")), CACHE_NO_DATABASE);
	memset(name, 'x', sizeof(name));
	assert_int_equal(
	    cache_database(scene.cache, bytes_of(name, sizeof(name))), CACHE_NO_DATABASE);
}

/* A new supervisor's checker gives names back: of databases without entries, else of all. */
static void test_database_names_are_given_back(void **state)
{
	struct cache_put put = scene_put_of(CACHE_RESULT, "q", "rows");
	char name[16];

	(void)state;
	for (int i = 0; i < CACHE_DATABASES_MAX; i++) {
		snprintf(name, sizeof(name), "db %d", i);
		cache_database(scene.cache, bytes_of_string(name));
	}
	put.database = 7;
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	scene_attach(&scene);
	assert_int_equal(cache_database(scene.cache, bytes_of_string("new")), 0);
	assert_int_equal(cache_database(scene.cache, bytes_of_string("db 7")), 7);
	assert_non_null(scene_get_of(&scene, CACHE_RESULT, 7, "q", -1));

	for (int i = 0; i < CACHE_DATABASES_MAX; i++) {
		snprintf(name, sizeof(name), "db %d", i);
		put.database = cache_database(scene.cache, bytes_of_string(name));
		if (put.database != CACHE_NO_DATABASE)
			assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	}
	put.database = 0;
	assert_int_equal(cache_put(scene.cache, &put), CACHE_OK);
	assert_int_equal(scene_prepare(&scene, 16 * MIB, 64 * 1024), 0);
	scene_attach(&scene);
	assert_int_equal(cache_database(scene.cache, bytes_of_string("newer")), 0);
	assert_null(scene_get_of(&scene, CACHE_RESULT, 0, "q", -1));
}

/* An entry whose bytes were scribbled over is never returned, and verify finds it. */
static void test_scribbled_value(void **state)
{
	struct metrics_sum sum;
	struct shard shard;
	struct entry entry;

	(void)state;
	scene_put(&scene, "k", "precious");
	scene_put(&scene, "other", "intact");
	for (uint32_t i = 0; i < scene.cache->geometry.shard_count; i++) {
		shard = shard_at(scene.cache, i);
		for (uint32_t k = 0; k < shard.header->slot_limit; k++) {
			slot_read(slot_at(&shard, k), &entry);
			if (slot_state(entry.word) == LAYOUT_LIVE && entry.value_size == 8)
				((char *)extent_at(
				    &shard, entry.extent))[entry_parts(&entry).value + 3] ^= 1;
		}
	}
	assert_null(scene_get(&scene, "k"));
	assert_int_equal(cache_verify(scene.cache, false), 0);
	assert_int_equal(cache_verify(scene.cache, true), 1);
	assert_int_equal(scene_entries(&scene), 1);
	assert_string_equal(scene_get(&scene, "other"), "intact");
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.cache[CACHE_GROUP_CHAT][METRIC_CACHE_LOST], 1);
	assert_int_equal(sum.counters[METRIC_REPAIRS], 1);
}

/* Every word of a shard's derived part scribbled over: noticed or harmless, never a crash. */
static void test_scribbled_shard(void **state)
{
	uint64_t random = 88172645463325252ull;
	char key[16];

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct shard shard;
		uint64_t *words;
		size_t count;

		for (int i = 0; i < 30; i++) {
			snprintf(key, sizeof(key), "%d", i);
			scene_put(&scene, key, key);
		}
		shard = shard_at(scene.cache, (uint32_t)round % scene.cache->geometry.shard_count);
		words = (uint64_t *)((char *)shard.header + 64); /* behind the lock */
		count = (scene.cache->geometry.arena_offset + 4096 - 64) / 8;
		for (int i = 0; i < 200; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			words[random % count] = random * 0x9e3779b97f4a7c15;
		}
		shard.header->free_head = (uint32_t)random;
		for (int i = 0; i < 30; i++) {
			const char *got;

			snprintf(key, sizeof(key), "%d", i);
			got = scene_get(&scene, key);
			assert_true(!got || strcmp(got, key) == 0);
		}
		if (round % 2)
			for (int i = 0; i < 60; i++) {
				snprintf(key, sizeof(key), "%d", i);
				scene_put(&scene, key, key);
			}
		cache_verify(scene.cache, true);
		assert_int_equal(cache_verify(scene.cache, true), 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_put_get_replace),
	    TEST(test_keys_apart),
	    TEST(test_every_size),
	    TEST(test_expiry_and_max_age),
	    TEST(test_no_ttl_is_not_stored),
	    TEST(test_dropped),
	    TEST(test_eviction),
	    TEST(test_small_then_large),
	    TEST(test_overhead),
	    TEST(test_expired_give_room_back),
	    TEST(test_remove),
	    TEST(test_flush),
	    TEST(test_put_after_flush),
	    TEST(test_relations),
	    TEST(test_top),
	    TEST(test_top_leaves_out_what_is_no_longer_valid),
	    TEST(test_verify_tells_what_it_skipped),
	    TEST(test_databases),
	    TEST(test_database_names_are_given_back),
	    TEST(test_scribbled_value),
	    TEST(test_scribbled_shard),
	};

	scene_clock_init();
	return cmocka_run_group_tests_name("shm/cache", tests, NULL, NULL);
}
