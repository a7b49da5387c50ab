/*
 * Walks over the whole cache, for people: what holds, and which entries are the largest, the
 * most used and the dearest.
 */
#include <string.h>

#include "common/clock.h"
#include "shm/shard.h"

enum { SURVEY_WAIT_US = 1000000 };

void cache_verify_all(struct cache *cache, bool checksums, struct cache_verified *ret_verified)
{
	struct cache_verified verified = {.shards = cache->geometry.shard_count};

	for (uint32_t i = 0; i < cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(cache, i);
		uint64_t repairs = WORDS_LOAD(shard.header->repairs);

		if (shard_lock(&shard, SURVEY_WAIT_US)) {
			verified.skipped++;
			continue;
		}
		if (!shard_is_sound_locked(&shard, checksums))
			verified.lost += shard_repair_locked(&shard, checksums).lost;
		if (WORDS_LOAD(shard.header->repairs) != repairs)
			verified.repaired++;
		shard_unlock(&shard);
	}
	*ret_verified = verified;
}

uint64_t cache_verify(struct cache *cache, bool checksums)
{
	struct cache_verified verified;

	cache_verify_all(cache, checksums, &verified);
	return verified.repaired;
}

static double rank_of(const struct cache_listed *listed, enum cache_order order)
{
	switch (order) {
	case CACHE_BY_SIZE:
		return (double)listed->bytes;
	case CACHE_BY_USE:
		return listed->uses;
	case CACHE_BY_COST:
		return (double)listed->cost_us;
	}
	return 0;
}

/* Keeps the best `limit`, in order. */
static size_t insert(struct cache_listed *entries, size_t count, size_t limit,
    enum cache_order order, const struct cache_listed *listed)
{
	size_t at = count;

	while (at > 0 && rank_of(&entries[at - 1], order) < rank_of(listed, order))
		at--;
	if (at == limit)
		return count;
	if (count < limit)
		count++;
	memmove(&entries[at + 1], &entries[at], (count - at - 1) * sizeof(*entries));
	entries[at] = *listed;
	return count;
}

static bool is_unchanged(const struct layout_slot *slot, const struct entry *entry)
{
	atomic_thread_fence(memory_order_acquire);
	return WORDS_LOAD(slot->word) == entry->word;
}

static bool read_stale(const struct shard *shard, const struct entry *entry)
{
	uint32_t relations[LAYOUT_RELATIONS_MAX];
	uint64_t clock;

	shard_read_dependencies(shard, entry, &clock, relations);
	return entry_is_stale(shard, entry, clock, relations);
}

/*
 * What was read is of one entry only if the slot's word is still the same afterwards. Valid is
 * what a get would return: neither past its time, nor flushed, nor older than a relation of its.
 */
static bool read_valid(
    const struct shard *shard, uint32_t index, int64_t now_ms, struct entry *ret_entry)
{
	const struct layout_slot *slot = slot_at(shard, index);

	slot_read(slot, ret_entry);
	if (slot_state(ret_entry->word) != LAYOUT_LIVE || !is_unchanged(slot, ret_entry) ||
	    !entry_fits(shard, ret_entry, shard->geometry->grains))
		return false;
	return ret_entry->expires_ms > now_ms && !entry_is_flushed(shard, ret_entry) &&
	       !read_stale(shard, ret_entry) && is_unchanged(slot, ret_entry);
}

void cache_top(struct cache *cache, unsigned type_mask, enum cache_order order, size_t limit,
    struct cache_listed *ret_entries, struct cache_top *ret_top)
{
	int64_t now_ms = clock_now_ms();
	struct cache_top top = {0};

	for (uint32_t i = 0; i < cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(cache, i);
		uint32_t slots = WORDS_LOAD_ACQUIRE(shard.header->slot_limit);

		for (uint32_t k = 0; k < slots && k < shard.geometry->slots_max; k++) {
			struct entry entry;

			if (!read_valid(&shard, k, now_ms, &entry) ||
			    !(type_mask >> entry.type & 1))
				continue;
			top.entries++;
			top.bytes += entry_bytes(&entry);
			top.listed = insert(ret_entries, top.listed, limit, order,
			    &(struct cache_listed){
			        .type = (enum cache_type)entry.type,
			        .database = (int)entry.database_index - 1,
			        .bytes = entry_bytes(&entry),
			        .age_ms = now_ms - entry.created_ms,
			        .left_ms = entry.expires_ms - now_ms,
			        .cost_us = entry.cost_us,
			        .uses = uses_times(entry.uses),
			    });
		}
	}
	*ret_top = top;
}

struct bytes cache_database_name(const struct cache *cache, int database)
{
	const struct layout_database *at;

	if (database < 0 || database >= CACHE_DATABASES_MAX)
		return bytes_of("", 0);
	at = &cache->databases[database];
	if (WORDS_LOAD_ACQUIRE(at->state) != LAYOUT_DATABASE_NAMED ||
	    at->name_size > sizeof(at->name))
		return bytes_of("", 0);
	return bytes_of(at->name, at->name_size);
}
