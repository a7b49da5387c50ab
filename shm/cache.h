/*
 * Maps key bytes to value bytes for all processes, with a time to live, eviction and flush.
 * Readers take no lock; writers hold their shard's lock (shm/lock.h); callers hold none.
 * Entries may vanish at any time. Knows nothing of messages or of what the bytes mean.
 * An entry that depends on a database's data is valid while none of its relations has a clock
 * value later than the entry's (ARCHITECTURE.md, "Fresh").
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

enum cache_group {
	CACHE_GROUP_ROUTE,
	CACHE_GROUP_CHAT,
	CACHE_GROUP_SQL,
	CACHE_GROUP_LLM,
	CACHE_GROUP_COUNT
};

enum cache_type {
#define CACHE_TYPE(id, name, group, ttl_key, writer) CACHE_##id,
#include "common/cache_types.def"
#undef CACHE_TYPE
	CACHE_TYPE_COUNT
};

enum { CACHE_NO_DATABASE = -1, CACHE_DATABASES_MAX = 64 };

enum cache_result {
	CACHE_OK = 0,
	CACHE_MISS = 1, /* get: no valid entry */
	CACHE_DROPPED = 2, /* put: too large, or the shard stayed busy; counted */
	CACHE_OUTDATED = 3, /* put: a flush came after `generation` was read; not stored */
};

struct cache;

struct cache_put {
	enum cache_type type;
	int database; /* from cache_database, or CACHE_NO_DATABASE */
	struct bytes key;
	struct bytes value;
	int64_t ttl_ms; /* 0: do not store (CACHE_OK) */
	uint64_t cost_us; /* what making it again would take */
	uint32_t generation; /* cache_generation, read before anything that the value says was */
	uint64_t clock; /* the database's clock read before the data was */
	size_t relation_count;
	const uint64_t *relations; /* cache_relation() of each relation it was read from */
};

struct cache_hit {
	int64_t age_ms;
	uint64_t cost_us;
};

/* Copies a valid entry's value behind what `value` holds. max_age_ms < 0: any age.
 * CACHE_OK or CACHE_MISS. Counts hit or miss for the entry's group in this process's metrics. */
int cache_get(struct cache *cache, enum cache_type type, int database, struct bytes key,
    int64_t max_age_ms, struct buffer *value, struct cache_hit *ret_hit);
/* CACHE_OK, CACHE_DROPPED or CACHE_OUTDATED. */
int cache_put(struct cache *cache, const struct cache_put *put);
/* CACHE_OK, CACHE_MISS where there was none, or CACHE_DROPPED where the shard stayed busy: then it
 * is still there. */
int cache_remove(struct cache *cache, enum cache_type type, int database, struct bytes key);

/* The index under which the segment knows a database of this name, claimed on first use;
 * CACHE_NO_DATABASE where all are taken. The next attach after all processes have ended gives
 * up the names of those without entries. */
int cache_database(struct cache *cache, struct bytes name);
/* A relation's identity for dependencies; equal names give equal numbers in one segment. */
uint64_t cache_relation(struct cache *cache, struct bytes schema, struct bytes table);
/* The database's clock now; read before the transaction whose result is stored. */
uint64_t cache_clock(struct cache *cache, int database);
/* Says that a relation's data changed: results that read it become stale. Microseconds. */
void cache_touch(struct cache *cache, int database, uint64_t relation);

/* How often that type of that database was flushed: what is computed from here on is newer. */
uint32_t cache_generation(const struct cache *cache, enum cache_type type, int database);
/* Makes entries invalid at once, by generation; their room comes back as it is needed.
 * type_mask: bits 1 << cache_type. database CACHE_NO_DATABASE: all. Returns about how many
 * live entries it concerned. */
uint64_t cache_flush(struct cache *cache, unsigned type_mask, int database);

/* How many live entries there are of these types of that database (CACHE_NO_DATABASE: of all),
 * right within the writes of this moment. */
uint64_t cache_count(struct cache *cache, unsigned type_mask, int database);

struct cache_usage {
	uint64_t entries[CACHE_TYPE_COUNT];
	uint64_t bytes[CACHE_TYPE_COUNT]; /* keys, values and their headers */
};
/* Of all databases, as right as cache_count. */
void cache_usage(struct cache *cache, struct cache_usage *ret_usage);

struct cache_verified {
	uint64_t shards;
	uint64_t skipped; /* shards whose lock stayed busy: not looked at */
	uint64_t repaired; /* shards */
	uint64_t lost; /* entries that a repair gave up */
};
/* Walks every shard and checks what must hold; `checksums` also every entry's checksum.
 * Repairs shards that are not clean. Returns the number of shards repaired. */
uint64_t cache_verify(struct cache *cache, bool checksums);
void cache_verify_all(struct cache *cache, bool checksums, struct cache_verified *ret_verified);

enum cache_order { CACHE_BY_SIZE, CACHE_BY_USE, CACHE_BY_COST };

/* One entry as `cache top` shows it: never its key or value. */
struct cache_listed {
	enum cache_type type;
	int database;
	uint64_t bytes; /* key, value and their headers */
	int64_t age_ms, left_ms; /* since it was stored; until it expires */
	uint64_t cost_us;
	uint32_t uses; /* about, and at most LAYOUT_USES_MAX */
};
struct cache_top {
	size_t listed;
	uint64_t entries, bytes; /* of all that are valid, listed or not */
};
/* The first `limit` entries in that order that a get could return, by a walk without a lock. */
void cache_top(struct cache *cache, unsigned type_mask, enum cache_order order, size_t limit,
    struct cache_listed *ret_entries, struct cache_top *ret_top);
/* The name of a claimed database; empty where there is none. */
struct bytes cache_database_name(const struct cache *cache, int database);

struct metrics;
/* Where this process counts hits, misses and evictions; NULL: nowhere. */
void cache_count_in(struct cache *cache, struct metrics *metrics);
