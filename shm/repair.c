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

/* A writer that died between its commit and the removal of the older entry left two. */
static bool drop_older_twin(struct shard *shard, uint32_t index, const struct entry *entry)
{
	struct bytes key =
	    bytes_of((const char *)extent_at(shard, entry->extent) + entry_parts(entry).key,
	        entry->key_size);
	uint64_t twin_word;
	uint32_t twin;

	if (shard_find_locked(shard, entry->hash, entry->type, entry->database_index, key, &twin) ||
	    twin == LAYOUT_NONE)
		return true;
	twin_word = WORDS_LOAD(slot_at(shard, twin)->word);
	if (twin_word > entry->word) {
		set_free(shard, index, entry->word);
		return false;
	}
	shard_remove_locked(shard, twin);
	return true;
}

/* Takes up one LIVE slot; false where it had to be given up although it was whole once. */
static bool take_up(struct shard *shard, uint32_t index, const struct entry *entry, bool checksums)
{
	if (!slot_is_sound(shard, index, entry, checksums) || !room_is_free(shard, entry)) {
		set_free(shard, index, entry->word);
		return false;
	}
	if (!drop_older_twin(shard, index, entry))
		return true;
	room_mark_locked(shard, entry->extent, entry_grains(entry), true);
	shard_link_locked(shard, index, entry->hash);
	shard_count_locked(shard, entry, true);
	return true;
}

struct repair_outcome shard_repair_locked(struct shard *shard, bool checksums)
{
	struct repair_outcome outcome = {0};
	uint64_t serial;
	uint32_t limit;

	shard_begin_locked(shard);
	clear_derived(shard);
	limit = WORDS_LOAD(shard->header->slot_limit);
	serial = WORDS_LOAD(shard->header->serial);
	for (uint32_t i = 0; i < limit; i++) {
		struct entry entry;

		slot_read(slot_at(shard, i), &entry);
		if (entry.word >> LAYOUT_STATE_BITS > serial)
			serial = entry.word >> LAYOUT_STATE_BITS;
		if (slot_state(entry.word) != LAYOUT_LIVE)
			set_free(shard, i, entry.word);
		else if (!take_up(shard, i, &entry, checksums))
			outcome.lost++;
	}
	/* After the twins, which may have freed slots that were passed already. */
	WORDS_STORE(shard->header->free_head, LAYOUT_NONE);
	for (uint32_t i = limit; i-- > 0;) {
		if (slot_state(WORDS_LOAD(slot_at(shard, i)->word)) == LAYOUT_LIVE)
			outcome.live++;
		else
			shard_push_free_locked(shard, i);
	}
	WORDS_STORE(shard->header->serial, serial);
	WORDS_STORE(shard->header->repairs, WORDS_LOAD(shard->header->repairs) + 1);
	shard_end_locked(shard);
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

/* Every chain ends, and all of them together link as many as are LIVE. */
static bool chains_hold(const struct shard *shard, uint64_t live)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint64_t linked = 0;

	for (uint32_t bucket = 0; bucket < shard->geometry->bucket_count; bucket++) {
		uint32_t index = WORDS_LOAD(shard->buckets[bucket]);

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
