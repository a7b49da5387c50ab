/*
 * The database registry and the freshness clocks. All in atomic words of the segment's
 * header part; only claiming a name takes a lock.
 */
#include <errno.h>
#include <xxhash.h>

#include "shm/shard.h"

enum { REGISTRY_WAIT_US = 100000 };

static int find_database(const struct cache *cache, struct bytes name)
{
	for (int i = 0; i < CACHE_DATABASES_MAX; i++) {
		const struct layout_database *database = &cache->databases[i];

		/* Acquire: a name is whole before it is published, and never changes after. */
		if (WORDS_LOAD_ACQUIRE(database->state) == LAYOUT_DATABASE_NAMED &&
		    database->name_size <= sizeof(database->name) &&
		    bytes_equal(bytes_of(database->name, database->name_size), name))
			return i;
	}
	return CACHE_NO_DATABASE;
}

static int claim_database(struct cache *cache, struct bytes name)
{
	for (int i = 0; i < CACHE_DATABASES_MAX; i++) {
		struct layout_database *database = &cache->databases[i];

		if (WORDS_LOAD(database->state) == LAYOUT_DATABASE_NAMED)
			continue;
		/* Not atomic: only the lock's holder looks at what is not published yet. */
		memcpy(database->name, name.data, name.size);
		CRASH_POINT();
		database->name_size = (uint32_t)name.size;
		CRASH_POINT();
		WORDS_PUBLISH(database->state, LAYOUT_DATABASE_NAMED);
		return i;
	}
	return CACHE_NO_DATABASE;
}

int cache_database(struct cache *cache, struct bytes name)
{
	int index, taken;

	if (name.size == 0 || name.size > sizeof(cache->databases->name))
		return CACHE_NO_DATABASE;
	index = find_database(cache, name);
	if (index != CACHE_NO_DATABASE)
		return index;
	taken = lock_take(&cache->header->registry_lock, REGISTRY_WAIT_US);
	if (taken < 0)
		return CACHE_NO_DATABASE;
	/* Nothing to repair after a death: a claim is made by its last store. */
	if (taken == LOCK_OWNER_DIED)
		lock_mark_repaired(&cache->header->registry_lock);
	index = find_database(cache, name);
	if (index == CACHE_NO_DATABASE)
		index = claim_database(cache, name);
	lock_release(&cache->header->registry_lock);
	return index;
}

static bool has_entries(struct cache *cache, unsigned database_index)
{
	for (uint32_t i = 0; i < cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(cache, i);

		for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++)
			if (WORDS_LOAD(shard.header->counts[type][database_index].entries) > 0)
				return true;
	}
	return false;
}

/* Where every name is taken, by databases that still have entries: those become invalid. */
static void release_all_where_full(struct cache *cache)
{
	for (unsigned i = 0; i < CACHE_DATABASES_MAX; i++)
		if (WORDS_LOAD(cache->databases[i].state) != LAYOUT_DATABASE_NAMED)
			return;
	cache_flush(cache, ~0u, CACHE_NO_DATABASE);
	for (unsigned i = 0; i < CACHE_DATABASES_MAX; i++)
		WORDS_STORE(cache->databases[i].state, LAYOUT_DATABASE_FREE);
}

/* The clocks stay: they only grow, whoever has the place. */
void cache_release_databases(struct cache *cache)
{
	for (unsigned i = 0; i < CACHE_DATABASES_MAX; i++)
		if (!has_entries(cache, i + 1))
			WORDS_STORE(cache->databases[i].state, LAYOUT_DATABASE_FREE);
	release_all_where_full(cache);
}

/* Each name is hashed by itself, so that no two pairs run together into the same bytes. */
uint64_t cache_relation(struct cache *cache, struct bytes schema, struct bytes table)
{
	uint64_t hash = XXH3_64bits_withSeed(schema.data, schema.size, cache->hash_seed);

	return XXH3_64bits_withSeed(table.data, table.size, hash);
}

static bool is_database(int database)
{
	return database >= 0 && database < CACHE_DATABASES_MAX;
}

uint64_t cache_clock(struct cache *cache, int database)
{
	return is_database(database) ? atomic_load(&cache->databases[database].clock) : 0;
}

static void raise_to(_Atomic uint64_t *value, uint64_t least)
{
	uint64_t now = atomic_load(value);

	while (now < least && !atomic_compare_exchange_weak(value, &now, least))
		;
	CRASH_POINT();
}

/*
 * The relation first, then the clock. Who reads the old clock in between stores a result that
 * is stale from the start; the other way round, a death in between would lose the change.
 * Two at once may use the same value: each had its change committed before it read the clock,
 * so a transaction that begins after it sees the raised clock sees both changes.
 */
void cache_touch(struct cache *cache, int database, uint64_t relation)
{
	struct layout_database *at;
	uint64_t value;

	if (!is_database(database))
		return;
	at = &cache->databases[database];
	value = atomic_load(&at->clock) + 1;
	/* The same cut to 32 bits as an entry's relations. */
	raise_to(&at->relation_clock[(uint32_t)relation % LAYOUT_RELATION_CLOCKS], value);
	raise_to(&at->clock, value);
}
