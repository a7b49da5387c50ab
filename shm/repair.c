/*
 * Derive, don't journal: all of a shard but its LIVE slots is rebuilt, so whatever a dead
 * writer left half done is gone, and nothing leaks. A death in here leaves the sequence odd,
 * and the next owner begins again; no step needs what an earlier, unfinished repair did.
 */
#include "shm/shard.h"

#include <stdlib.h>
#include <string.h>

static bool checksum_holds(const struct shard *shard, const struct entry *entry)
{
	const struct layout_extent *extent = extent_at(shard, entry->extent);
	struct extent_parts parts = entry_parts(entry);
	uint32_t relations[LAYOUT_RELATIONS_MAX];
	uint64_t clock;
	const char *start = (const char *)extent;

	/* Under the lock nobody writes the extent, so it can be hashed where it lies. */
	shard_read_dependencies(shard, entry, &clock, relations);
	return cache_hash(shard->cache, entry->type, entry->database_index,
	           bytes_of(start + parts.key, entry->key_size)) == entry->hash &&
	       entry_checksum(shard, entry, clock, relations, start + parts.value) ==
	           WORDS_LOAD(extent->checksum);
}

/* Whether a LIVE slot can be believed, by itself. */
static bool slot_is_sound(
    const struct shard *shard, uint32_t index, const struct entry *entry, bool checksums)
{
	return entry_fits(shard, entry, shard_data_limit_locked(shard)) &&
	       WORDS_LOAD(extent_at(shard, entry->extent)->slot) == index &&
	       (!checksums || checksum_holds(shard, entry));
}

static bool room_is_free(const struct shard *shard, const struct entry *entry)
{
	uint32_t end = entry->extent + entry_grains(entry);

	return room_next_used(shard, entry->extent, end) == end;
}

static void clear_derived(struct shard *shard)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	const struct geometry *geometry = shard->geometry;

	/* Only a scribbler puts the limit out of range. */
	limit = limit / LAYOUT_SLOT_BLOCK * LAYOUT_SLOT_BLOCK;
	if (limit < LAYOUT_SLOT_BLOCK)
		limit = LAYOUT_SLOT_BLOCK;
	if (limit > geometry->slots_max)
		limit = geometry->slots_max;
	WORDS_STORE(shard->header->slot_limit, limit);
	for (uint32_t i = 0; i < geometry->bucket_count; i++)
		WORDS_STORE(shard->buckets[i], LAYOUT_NONE);
	for (uint32_t i = 0; i < geometry->grains / 64; i++) {
		WORDS_STORE(shard->used[i], 0);
		WORDS_STORE(shard->starts[i], 0);
	}
	for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++) {
		for (unsigned i = 0; i < LAYOUT_DATABASE_INDEXES; i++) {
			struct layout_count *count = &shard->header->counts[type][i];

			WORDS_STORE(count->generation,
			    WORDS_LOAD(shard->cache->header->flush_generation[type][i]));
			WORDS_STORE(count->entries, 0);
			WORDS_STORE(count->bytes, 0);
		}
	}
	WORDS_STORE(shard->header->free_head, LAYOUT_NONE);
	WORDS_STORE(shard->header->search_hand, 0);
	WORDS_STORE(shard->header->sweep_hand, 0);
}

static void set_free(struct shard *shard, uint32_t index, uint64_t word)
{
	WORDS_STORE(
	    slot_at(shard, index)->word, (word & ~(uint64_t)LAYOUT_STATE_MASK) | LAYOUT_FREE);
}

static uint32_t find_newest(const struct shard *shard, uint32_t limit)
{
	uint64_t most = 0;
	uint32_t newest = 0;

	for (uint32_t i = 0; i < limit; i++) {
		uint64_t word = WORDS_LOAD(slot_at(shard, i)->word);

		if (word <= most)
			continue;
		most = word;
		newest = i;
	}
	return newest;
}

static bool has_twin(const struct shard *shard, const struct entry *entry)
{
	struct bytes key =
	    bytes_of((const char *)extent_at(shard, entry->extent) + entry_parts(entry).key,
	        entry->key_size);
	uint32_t twin;

	return shard_find_locked(
	           shard, entry->hash, entry->type, entry->database_index, key, &twin) == 0 &&
	       twin != LAYOUT_NONE;
}

/* Takes up a LIVE slot, or makes it FREE. */
static void take_up(
    struct shard *shard, uint32_t index, bool checksums, struct repair_outcome *outcome)
{
	struct entry entry;
	bool is_sound;

	slot_read(slot_at(shard, index), &entry);
	if (slot_state(entry.word) != LAYOUT_LIVE) {
		set_free(shard, index, entry.word);
		return;
	}
	is_sound = slot_is_sound(shard, index, &entry, checksums) && room_is_free(shard, &entry);
	/* What was flushed is dead; of a flush to come is only damage, and would start the counts
	 * again and again. */
	if (!is_sound || has_twin(shard, &entry) || entry_is_flushed(shard, &entry)) {
		set_free(shard, index, entry.word);
		if (is_sound)
			return;
		outcome->lost++;
		if (entry.type < CACHE_TYPE_COUNT)
			shard_count_event(shard, entry.type, METRIC_CACHE_LOST);
		return;
	}
	room_mark_locked(shard, entry.extent, entry_grains(&entry), true);
	shard_link_locked(shard, index, entry.hash);
	shard_count_locked(shard, &entry, true);
	outcome->live++;
}

struct repair_outcome shard_repair_locked(struct shard *shard, bool checksums)
{
	struct repair_outcome outcome = {0};
	uint64_t serial, newest_serial;
	uint32_t limit, newest;

	shard_begin_locked(shard);
	clear_derived(shard);
	limit = WORDS_LOAD(shard->header->slot_limit);
	/*
	 * A writer that died between its commit and the removal of the older entry left two with
	 * one key, and the newer is the newest there is. It is taken up first, so nobody who saw
	 * it finds the older one again. Any other two with one key are damage.
	 */
	newest = find_newest(shard, limit);
	take_up(shard, newest, checksums, &outcome);
	for (uint32_t i = 0; i < limit; i++)
		if (i != newest)
			take_up(shard, i, checksums, &outcome);
	for (uint32_t i = limit; i-- > 0;)
		if (slot_state(WORDS_LOAD(slot_at(shard, i)->word)) != LAYOUT_LIVE)
			shard_push_free_locked(shard, i);
	serial = WORDS_LOAD(shard->header->serial);
	newest_serial = WORDS_LOAD(slot_at(shard, newest)->word) >> LAYOUT_STATE_BITS;
	WORDS_STORE(shard->header->serial, newest_serial > serial ? newest_serial : serial);
	WORDS_STORE(shard->header->repairs, WORDS_LOAD(shard->header->repairs) + 1);
	shard_end_locked(shard);
	if (shard->cache->metrics)
		metrics_add(shard->cache->metrics, METRIC_REPAIRS, 1);
	return outcome;
}

struct tally {
	uint64_t live, grains;
	uint64_t entries[CACHE_TYPE_COUNT][LAYOUT_DATABASE_INDEXES];
	uint64_t bytes[CACHE_TYPE_COUNT][LAYOUT_DATABASE_INDEXES];
};

static bool tally_slots(const struct shard *shard, bool checksums, struct tally *tally)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);

	for (uint32_t i = 0; i < limit; i++) {
		struct entry entry;
		uint32_t same;

		slot_read(slot_at(shard, i), &entry);
		if (slot_state(entry.word) == LAYOUT_FREE)
			continue;
		if (slot_state(entry.word) != LAYOUT_LIVE ||
		    entry.word >> LAYOUT_STATE_BITS > WORDS_LOAD(shard->header->serial) ||
		    !slot_is_sound(shard, i, &entry, checksums) ||
		    !room_starts(shard, entry.extent))
			return false;
		/* The first with this key in its bucket is this one: linked, and no twin before. */
		if (shard_find_locked(shard, entry.hash, entry.type, entry.database_index,
		        bytes_of(
		            (const char *)extent_at(shard, entry.extent) + entry_parts(&entry).key,
		            entry.key_size),
		        &same) ||
		    same != i)
			return false;
		tally->live++;
		tally->grains += entry_grains(&entry);
		if (entry.flush_generation ==
		    WORDS_LOAD(
		        shard->header->counts[entry.type][entry.database_index].generation)) {
			tally->entries[entry.type][entry.database_index]++;
			tally->bytes[entry.type][entry.database_index] += entry_bytes(&entry);
		}
	}
	return true;
}

static bool counts_hold(const struct shard *shard, const struct tally *tally)
{
	for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++)
		for (unsigned i = 0; i < LAYOUT_DATABASE_INDEXES; i++)
			if (WORDS_LOAD(shard->header->counts[type][i].entries) !=
			        tally->entries[type][i] ||
			    WORDS_LOAD(shard->header->counts[type][i].bytes) !=
			        tally->bytes[type][i])
				return false;
	return true;
}

/* Every chain ends, all of them together link as many as are LIVE, and each bucket knows its first
 * slot's extent. */
static bool chains_hold(const struct shard *shard, uint64_t live)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint64_t linked = 0;

	for (uint32_t bucket = 0; bucket < shard->geometry->bucket_count; bucket++) {
		uint64_t word = WORDS_LOAD(shard->buckets[bucket]);
		uint32_t index = bucket_first(word);

		if (index < limit &&
		    bucket_extent(word) != WORDS_LOAD(slot_at(shard, index)->extent))
			return false;
		for (; index != LAYOUT_NONE; index = WORDS_LOAD(slot_at(shard, index)->next))
			if (index >= limit || ++linked > live)
				return false;
	}
	return linked == live;
}

static bool free_list_holds(const struct shard *shard, uint64_t live)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint32_t index = WORDS_LOAD(shard->header->free_head);
	uint64_t listed = 0;

	for (; index != LAYOUT_NONE; index = WORDS_LOAD(slot_at(shard, index)->next)) {
		if (index >= limit || ++listed > limit)
			return false;
		if (slot_state(WORDS_LOAD(slot_at(shard, index)->word)) != LAYOUT_FREE)
			return false;
	}
	return listed + live == limit;
}

bool shard_is_sound_locked(struct shard *shard, bool checksums)
{
	struct tally tally = {0};
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);

	if (WORDS_LOAD(shard->header->sequence) % 2 != 0 || limit % LAYOUT_SLOT_BLOCK != 0 ||
	    limit == 0 || limit > shard->geometry->slots_max)
		return false;
	if (!tally_slots(shard, checksums, &tally))
		return false;
	/* As many used grains as the entries have, and as many starts: so no two overlap and
	 * no grain is lost. */
	return room_count_bits(shard, shard->used) == tally.grains &&
	       room_count_bits(shard, shard->starts) == tally.live &&
	       chains_hold(shard, tally.live) && free_list_holds(shard, tally.live) &&
	       counts_hold(shard, &tally);
}
