/*
 * One shard from within: its slots, buckets, free list, room, eviction and repair. Private to
 * shm/. Functions that end in _locked need the shard's lock and an odd sequence
 * (shard_begin). They return 0, or -EUCLEAN where the shard contradicts itself: the caller
 * then repairs it (shard_repair_locked).
 */
#pragma once

#include "shm/layout.h"
#include "shm/metrics.h"
#include "shm/words.h"

/* Where everything lies; follows from two numbers, so a segment's own word is not needed. */
struct geometry {
	uint64_t size, max_value;
	uint64_t shards_offset, shard_size;
	uint64_t used_offset, starts_offset, arena_offset; /* in a shard */
	uint32_t shard_count, bucket_count;
	uint32_t grains; /* of a shard's arena; a multiple of 64 */
	uint32_t slots_max; /* half the arena */
	uint32_t entry_grains_max; /* a quarter of it */
};
/* 0, or -EINVAL where not even one shard fits. */
int geometry_plan(uint64_t size, uint64_t max_value, struct geometry *ret_geometry);
/* One shard with so much room for entries, however little: for simulations on the real code. */
void geometry_plan_one_shard(uint64_t room, uint64_t max_value, struct geometry *ret_geometry);
/* The smallest segment that takes values of this size. */
uint64_t geometry_least_size(uint64_t max_value);

/* A shard whose lock this process waited for in vain, and its sequence then. */
struct cache_stuck {
	const struct layout_shard *shard;
	uint64_t sequence;
};

struct cache {
	struct layout_header *header;
	struct layout_database *databases;
	struct geometry geometry;
	uint64_t hash_seed;
	uint64_t random; /* of this process, for sampling */
	struct metrics *metrics;
	struct cache_stuck stuck;
};

struct shard {
	struct cache *cache;
	const struct geometry *geometry;
	struct layout_shard *header;
	_Atomic uint64_t *buckets, *used, *starts;
	char *arena;
};
/* segment.c: the handle of a segment mapped whole, on the heap; NULL where its header is not one
 * of this program, this boot and this size. Reads the header's page only. */
struct cache *segment_open(void *memory, uint64_t size);

/* What every get goes through is inline: a fifth of its time. */
static inline struct shard shard_at(struct cache *cache, uint32_t index)
{
	const struct geometry *geometry = &cache->geometry;
	char *start =
	    (char *)cache->header + geometry->shards_offset + index * geometry->shard_size;

	return (struct shard){
	    .cache = cache,
	    .geometry = geometry,
	    .header = (struct layout_shard *)start,
	    .buckets = (_Atomic uint64_t *)(start + (sizeof(struct layout_shard) + 63) / 64 * 64),
	    .used = (_Atomic uint64_t *)(start + geometry->used_offset),
	    .starts = (_Atomic uint64_t *)(start + geometry->starts_offset),
	    .arena = start + geometry->arena_offset,
	};
}

/* The bucket takes the hash's low bits, so the shard takes the high ones. */
static inline struct shard shard_of_hash(struct cache *cache, uint64_t hash)
{
	return shard_at(cache, (uint32_t)(hash >> 48) & (cache->geometry.shard_count - 1));
}

static inline _Atomic uint64_t *bucket_of(const struct shard *shard, uint64_t hash)
{
	return &shard->buckets[hash & (shard->geometry->bucket_count - 1)];
}

static inline uint32_t bucket_first(uint64_t bucket)
{
	return (uint32_t)bucket;
}

static inline uint32_t bucket_extent(uint64_t bucket)
{
	return (uint32_t)(bucket >> 32);
}

/* A slot's fields, copied. */
struct entry {
	uint64_t word, hash;
	int64_t created_ms, expires_ms;
	uint32_t extent, key_size, value_size, cost_us, uses, flush_generation;
	unsigned type, database_index, relation_count;
};
/* What `uses` says, and a new one. `last` in units of 2^LAYOUT_USES_PUTS_BITS puts. */
static inline uint32_t uses_times(uint32_t uses)
{
	return (uses & ~LAYOUT_USES_COUNTED) >> LAYOUT_USES_LAST_BITS;
}
static inline uint32_t uses_of(uint32_t times, uint64_t serial)
{
	return times << LAYOUT_USES_LAST_BITS |
	       (uint32_t)(serial >> LAYOUT_USES_PUTS_BITS & LAYOUT_USES_LAST_MASK);
}

/* Parts of an entry's extent, in bytes from its start. */
struct extent_parts {
	size_t key, value, size;
};

static inline struct layout_slot *slot_at(const struct shard *shard, uint32_t index)
{
	char *end = shard->arena + (size_t)shard->geometry->grains * LAYOUT_GRAIN;

	return (struct layout_slot *)end - (index + (size_t)1);
}

static inline void slot_read(const struct layout_slot *slot, struct entry *ret_entry)
{
	/* Acquire, and first: what a LIVE word's release published is seen by all later loads. */
	uint64_t word = WORDS_LOAD_ACQUIRE(slot->word);
	uint32_t kind = WORDS_LOAD(slot->kind);

	*ret_entry = (struct entry){
	    .word = word,
	    .hash = WORDS_LOAD(slot->hash),
	    .created_ms = WORDS_LOAD(slot->created_ms),
	    .expires_ms = WORDS_LOAD(slot->expires_ms),
	    .extent = WORDS_LOAD(slot->extent),
	    .key_size = WORDS_LOAD(slot->key_size),
	    .value_size = WORDS_LOAD(slot->value_size),
	    .cost_us = WORDS_LOAD(slot->cost_us),
	    .uses = WORDS_LOAD(slot->uses),
	    .flush_generation = WORDS_LOAD(slot->flush_generation),
	    .type = kind & 0xff,
	    .database_index = kind >> 8 & 0xff,
	    .relation_count = kind >> 16,
	};
}

static inline struct extent_parts entry_parts(const struct entry *entry)
{
	struct extent_parts parts;

	parts.key =
	    sizeof(struct layout_extent) + words_round(entry->relation_count * sizeof(uint32_t));
	parts.value = parts.key + words_round(entry->key_size);
	parts.size = parts.value + words_round(entry->value_size);
	return parts;
}

static inline uint32_t entry_grains(const struct entry *entry)
{
	return (uint32_t)((entry_parts(entry).size + LAYOUT_GRAIN - 1) / LAYOUT_GRAIN);
}

/* What it takes of a shard: its grains and its slot. */
static inline uint64_t entry_bytes(const struct entry *entry)
{
	return (uint64_t)entry_grains(entry) * LAYOUT_GRAIN + sizeof(struct layout_slot);
}

/* Whether all of it lies before grain `limit` and nothing in it is out of range. */
static inline bool entry_fits(const struct shard *shard, const struct entry *entry, uint32_t limit)
{
	uint32_t grains = entry_grains(entry);

	return entry->type < CACHE_TYPE_COUNT && entry->database_index < LAYOUT_DATABASE_INDEXES &&
	       entry->relation_count <= LAYOUT_RELATIONS_MAX &&
	       entry->value_size <= shard->geometry->max_value &&
	       grains <= shard->geometry->entry_grains_max && entry->extent < limit &&
	       grains <= limit - entry->extent;
}

static inline struct layout_extent *extent_at(const struct shard *shard, uint32_t grain)
{
	return (struct layout_extent *)(shard->arena + (size_t)grain * LAYOUT_GRAIN);
}

static inline _Atomic uint64_t *extent_words(const struct layout_extent *extent, size_t offset)
{
	return (_Atomic uint64_t *)((uintptr_t)extent + offset);
}

static inline enum layout_state slot_state(uint64_t word)
{
	return (enum layout_state)(word & LAYOUT_STATE_MASK);
}

uint64_t entry_checksum(const struct shard *shard, const struct entry *entry, uint64_t clock,
    const uint32_t *relations, const void *value);
/* Acquire: a get that begins after a flush returned must see it. */
static inline bool entry_is_flushed(const struct shard *shard, const struct entry *entry)
{
	return entry->flush_generation !=
	       WORDS_LOAD_ACQUIRE(
	           shard->cache->header->flush_generation[entry->type][entry->database_index]);
}

/* Older than a relation it depends on. */
bool entry_is_stale(const struct shard *shard, const struct entry *entry, uint64_t clock,
    const uint32_t *relations);
uint64_t cache_hash(
    const struct cache *cache, unsigned type, unsigned database_index, struct bytes key);

/* Where an entry's group counts in this process's metrics. */
void shard_count_event(const struct shard *shard, unsigned type, enum metric_cache_counter event);

/* shard.c: a fresh shard in zeroed memory. 0 or -errno. */
int shard_init(struct shard *shard);
/* 0 with the shard clean and locked, or -errno (-ETIMEDOUT where it stayed busy). */
int shard_lock(struct shard *shard, unsigned wait_us);
/* The same for a put: never sleeps. */
int shard_lock_soon(struct shard *shard);
void shard_unlock(struct shard *shard);
void shard_begin_locked(struct shard *shard);
void shard_end_locked(struct shard *shard);
uint32_t shard_data_limit_locked(const struct shard *shard);
int shard_find_locked(const struct shard *shard, uint64_t hash, unsigned type,
    unsigned database_index, struct bytes key, uint32_t *ret_index);
void shard_link_locked(struct shard *shard, uint32_t index, uint64_t hash);
int shard_remove_locked(struct shard *shard, uint32_t index);
/* -EUCLEAN where the list is empty too: ask free_head before. */
int shard_pop_free_locked(struct shard *shard, uint32_t *ret_index);
void shard_push_free_locked(struct shard *shard, uint32_t index);
void shard_count_locked(struct shard *shard, const struct entry *entry, bool add);
/* Reads an entry's relations and clock; `relations` has room for LAYOUT_RELATIONS_MAX. */
static inline void shard_read_dependencies(
    const struct shard *shard, const struct entry *entry, uint64_t *ret_clock, uint32_t *relations)
{
	const struct layout_extent *extent = extent_at(shard, entry->extent);

	words_copy_out(relations, extent_words(extent, sizeof(*extent)),
	    entry->relation_count * sizeof(*relations));
	*ret_clock = WORDS_LOAD(extent->clock);
}

/* room.c: the bitmaps. Grain numbers; LAYOUT_NONE where there is none. */
uint32_t room_find_locked(struct shard *shard, uint32_t grains);
void room_mark_locked(struct shard *shard, uint32_t from, uint32_t grains, bool used);
bool room_is_used(const struct shard *shard, uint32_t grain);
bool room_starts(const struct shard *shard, uint32_t grain);
uint32_t room_next_used(const struct shard *shard, uint32_t from, uint32_t limit);
/* The start of the extent or of the gap that covers the grain. */
uint32_t room_run_start(const struct shard *shard, uint32_t grain);
uint64_t room_count_bits(const struct shard *shard, const _Atomic uint64_t *bitmap);

/* evict.c */
/* For sampling; not for secrets. */
uint32_t evict_random_below(struct cache *cache, uint32_t bound);
int evict_room_locked(struct shard *shard, uint32_t grains, int64_t now_ms, uint32_t *ret_grain);
/* Takes a slot from the free list, from new slots, or from an entry of the least worth. The
 * run of grains that the caller has chosen, but not marked, is left alone. */
int evict_slot_locked(
    struct shard *shard, uint32_t chosen, uint32_t grains, int64_t now_ms, uint32_t *ret_index);
int evict_sweep_locked(struct shard *shard, int64_t now_ms);

/* freshness.c: gives up the names of databases without entries, or of all where there are only
 * such as have some. Only while nobody else is attached, after every shard was repaired. */
void cache_release_databases(struct cache *cache);

/* repair.c */
struct repair_outcome {
	uint64_t live;
	uint64_t lost; /* entries that were LIVE and contradicted something */
};
/* Rebuilds everything from LIVE slots; leaves the sequence even. May be killed anywhere. Counts
 * itself, and what is lost by type. */
struct repair_outcome shard_repair_locked(struct shard *shard, bool checksums);
bool shard_is_sound_locked(struct shard *shard, bool checksums);
