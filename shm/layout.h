/*
 * Every byte of the cache segment: header, databases, then shards of equal size. Positions are
 * offsets or indexes, never pointers. All that changes while processes are attached is atomic.
 * Who may write: a shard's fields its lock's holder, except `uses`; clocks and flush
 * generations anybody, by atomic maximum or increment; a database's name the registry lock's.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/cache.h"
#include "shm/lock.h"

/*
 *	segment: header | databases | shard 0 | shard 1 | …
 *	shard:   header | buckets | used bitmap | starts bitmap | arena
 *	arena:   extents, from the front …            … slots, from the back
 *	extent:  struct layout_extent | relations | key | value, each rounded up to words
 *
 * An extent is a run of grains. A grain's `used` bit says that an extent covers it, its
 * `starts` bit that one begins there. Slots grow by whole blocks into the arena, so that a
 * cache of few large entries does not pay for the slots of many small ones.
 *
 * A bucket is a word: in its low half the first slot of a chain, or LAYOUT_NONE; in its high
 * half where that slot's extent begins, so that a get asks for both at once. No get believes
 * the latter.
 */
enum {
	LAYOUT_VERSION = 3,
	LAYOUT_PAGE = 4096,
	LAYOUT_GRAIN = 32,
	LAYOUT_SHARDS_MAX = 1024,
	LAYOUT_SHARD_VALUES = 8, /* a shard holds at least so many of max_value */
	LAYOUT_SHARD_MIN = 1 << 20,
	LAYOUT_BUCKET_BYTES = 256, /* about one bucket for so many bytes of a shard */
	LAYOUT_SLOT_BLOCK = 64, /* slots come in blocks of a page */
	LAYOUT_RELATIONS_MAX = 1024, /* of one entry */
	LAYOUT_DATABASE_INDEXES = CACHE_DATABASES_MAX + 1, /* 0 is CACHE_NO_DATABASE */
	/* 512 × 8 bytes for 64 databases are 1.6 % of the smallest segment. Relations that share
	 * one of them only make each other stale. */
	LAYOUT_RELATION_CLOCKS = 512,
};
#define LAYOUT_MAGIC    UINT64_C(0x6f7074696d617843)
#define LAYOUT_NONE     UINT32_MAX /* no slot */
#define LAYOUT_SIZE_MIN (UINT64_C(16) << 20)
#define LAYOUT_SIZE_MAX (UINT64_C(64) << 30)

/* What prepare wrote and nobody changes; checked on attach. */
struct layout_constants {
	uint64_t version;
	uint64_t layout_hash; /* of every size and offset below, and of the cache types */
	uint64_t size;
	uint64_t max_value;
	uint64_t hash_seed;
	char boot_id[40];
};

struct layout_header {
	_Atomic uint64_t magic; /* stored last: without it the segment was never finished */
	struct layout_constants constants;
	uint64_t constants_hash;
	_Alignas(64) struct lock registry_lock;
	/* An entry is valid while this is what it was when the entry was stored. */
	_Alignas(64) _Atomic uint32_t flush_generation[CACHE_TYPE_COUNT][LAYOUT_DATABASE_INDEXES];
};

enum { LAYOUT_DATABASE_FREE, LAYOUT_DATABASE_NAMED };

struct layout_database {
	_Atomic uint32_t state; /* NAMED, with release, is the commit point of a claim */
	uint32_t name_size;
	char name[64];
	_Atomic uint64_t clock;
	_Atomic int64_t fresh_until_ms; /* reserved for the watcher's lease; not consulted yet */
	uint64_t reserved[5];
	_Atomic uint64_t
	    relation_clock[LAYOUT_RELATION_CLOCKS]; /* by relation modulo their number */
};

/* Entries of one type and database that were stored in `generation`. */
struct layout_count {
	_Atomic uint32_t generation;
	_Atomic uint32_t entries;
	_Atomic uint64_t bytes;
};

struct layout_shard {
	_Alignas(64) struct lock lock;
	_Alignas(64) _Atomic uint64_t sequence; /* odd while a writer is at work, or died at it */
	_Atomic uint64_t serial; /* the last generation given to a slot */
	_Atomic uint64_t repairs;
	_Atomic uint32_t slot_limit; /* slots there are; grows, by whole blocks, never shrinks */
	_Atomic uint32_t free_head; /* of the list of free slots, by `next` */
	_Atomic uint32_t search_hand; /* grain at which the search for room goes on */
	_Atomic uint32_t sweep_hand; /* slot at which the search for dead entries goes on */
	struct layout_count counts[CACHE_TYPE_COUNT][LAYOUT_DATABASE_INDEXES];
};

enum layout_state { LAYOUT_FREE = 0, LAYOUT_WRITING = 1, LAYOUT_LIVE = 2 };
enum { LAYOUT_STATE_BITS = 2, LAYOUT_STATE_MASK = 3 };

/* Kind: type, database index << 8, relation count << 16. */
struct layout_slot {
	/* generation << 2 | state. Generations are the shard's serial: never used twice in a
	 * shard, and of two entries with one key the larger is the newer. */
	_Atomic uint64_t word;
	_Atomic uint64_t hash;
	_Atomic int64_t created_ms;
	_Atomic int64_t expires_ms;
	_Atomic uint32_t next;
	_Atomic uint32_t extent; /* first grain */
	_Atomic uint32_t key_size;
	_Atomic uint32_t value_size;
	_Atomic uint32_t cost_us;
	_Atomic uint32_t uses; /* readers write it too, at any time: see below */
	_Atomic uint32_t flush_generation;
	_Atomic uint32_t kind;
};
/*
 * Uses: when it was last used, in the shard's puts; how often, up to LAYOUT_USES_MAX; and
 * whether the entry was counted as expired or stale. A guide for eviction, no truth: readers
 * store it plainly, may lose a mark, or hit a successor in the slot.
 */
enum {
	LAYOUT_USES_LAST_BITS = 24,
	LAYOUT_USES_LAST_MASK = (1 << LAYOUT_USES_LAST_BITS) - 1,
	LAYOUT_USES_PUTS_BITS = 3, /* a unit of `last` is so many puts, as a power of two */
	LAYOUT_USES_MAX = 64,
};
#define LAYOUT_USES_COUNTED (UINT32_C(1) << 31)

struct layout_extent {
	_Atomic uint64_t checksum;
	_Atomic uint64_t clock; /* the database's, before what the value says was read */
	_Atomic uint64_t slot; /* whose extent it is */
};

static_assert(sizeof(struct layout_slot) == 64, "a slot is one cache line");
static_assert(sizeof(struct layout_slot) == 2 * LAYOUT_GRAIN, "a slot is two grains");
static_assert(LAYOUT_SLOT_BLOCK * sizeof(struct layout_slot) == LAYOUT_PAGE, "slot block");
static_assert(sizeof(struct layout_extent) == 24, "extent header");
static_assert(sizeof(struct layout_database) == 128 + 8 * LAYOUT_RELATION_CLOCKS, "database");
static_assert(offsetof(struct layout_database, clock) == 72, "database clock");
static_assert(sizeof(struct layout_constants) == 80, "constants without padding");
static_assert(offsetof(struct layout_header, registry_lock) == 128, "registry lock");
static_assert(offsetof(struct layout_header, flush_generation) == 192, "flush generations");
static_assert(sizeof(struct layout_header) <= LAYOUT_PAGE, "header fits its page");
static_assert(offsetof(struct layout_shard, sequence) == 64, "shard sequence");
static_assert(offsetof(struct layout_shard, counts) == 104, "shard counts");
static_assert(sizeof(struct layout_count) == 16, "count");
static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4, "atomics are bare");
static_assert(LAYOUT_DATABASE_INDEXES <= 256 && CACHE_TYPE_COUNT <= 256, "kind has a byte each");
static_assert(LAYOUT_USES_MAX << LAYOUT_USES_LAST_BITS > 0, "uses and the counted bit");
static_assert(LAYOUT_RELATIONS_MAX <= UINT16_MAX, "kind has 16 bits for relations");
