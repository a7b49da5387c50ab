/*
 * The invariants of a clean shard, written down once more and as plainly as can be: every
 * grain has an owner or is free, every live slot is linked once and in its own bucket, no key
 * is there twice, live + free = slots, all checksums and counts hold.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/tiny.h"

enum { GRAINS_MAX = 4096, SLOTS_MAX = 1024 };

struct findings {
	struct entry entries[SLOTS_MAX]; /* each slot's; first, as it is not cleared */
	bool live[SLOTS_MAX], linked[SLOTS_MAX], listed[SLOTS_MAX];
	uint8_t owners[GRAINS_MAX];
	bool starts[GRAINS_MAX];
	struct {
		uint64_t entries, bytes;
	} counts[CACHE_TYPE_COUNT][LAYOUT_DATABASE_INDEXES];
	uint32_t limit, data_limit;
};

static bool bit(const _Atomic uint64_t *bitmap, uint32_t at)
{
	return WORDS_LOAD(bitmap[at / 64]) >> at % 64 & 1;
}

static const void *key_of(const struct shard *shard, const struct entry *entry)
{
	return (const char *)extent_at(shard, entry->extent) + entry_parts(entry).key;
}

static bool checksum_is_right(const struct shard *shard, const struct entry *entry)
{
	const char *start = (const char *)extent_at(shard, entry->extent);
	uint32_t relations[LAYOUT_RELATIONS_MAX];
	uint64_t clock;

	shard_read_dependencies(shard, entry, &clock, relations);
	return cache_hash(shard->cache, entry->type, entry->database_index,
	           bytes_of(key_of(shard, entry), entry->key_size)) == entry->hash &&
	       entry_checksum(shard, entry, clock, relations, start + entry_parts(entry).value) ==
	           extent_at(shard, entry->extent)->checksum;
}

static const char *judge_slots(const struct shard *shard, struct findings *found)
{
	for (uint32_t i = 0; i < found->limit; i++) {
		struct entry *entry = &found->entries[i];

		slot_read(slot_at(shard, i), entry);
		if (slot_state(entry->word) == LAYOUT_FREE)
			continue;
		if (slot_state(entry->word) != LAYOUT_LIVE)
			return "a slot is neither live nor free";
		if (!entry_fits(shard, entry, found->data_limit))
			return "a live slot has an extent out of range";
		if (entry->word >> LAYOUT_STATE_BITS > shard->header->serial)
			return "a slot is from the future: the serial went back";
		if (extent_at(shard, entry->extent)->slot != i)
			return "an extent is not its slot's";
		if (!checksum_is_right(shard, entry))
			return "a checksum is wrong";
		found->live[i] = true;
		found->starts[entry->extent] = true;
		for (uint32_t k = 0; k < entry_grains(entry); k++)
			if (found->owners[entry->extent + k]++)
				return "two extents overlap";
		if (entry->flush_generation ==
		    shard->header->counts[entry->type][entry->database_index].generation) {
			found->counts[entry->type][entry->database_index].entries++;
			found->counts[entry->type][entry->database_index].bytes +=
			    entry_grains(entry) * LAYOUT_GRAIN + sizeof(struct layout_slot);
		}
	}
	return NULL;
}

static const char *judge_twins(const struct shard *shard, const struct findings *found)
{
	for (uint32_t i = 0; i < found->limit; i++) {
		for (uint32_t k = 0; found->live[i] && k < i; k++) {
			const struct entry *a = &found->entries[i], *b = &found->entries[k];

			if (found->live[k] && a->hash == b->hash && a->type == b->type &&
			    a->database_index == b->database_index && a->key_size == b->key_size &&
			    memcmp(key_of(shard, a), key_of(shard, b), a->key_size) == 0)
				return "a key is there twice";
		}
	}
	return NULL;
}

static const char *judge_chains(const struct shard *shard, struct findings *found)
{
	for (uint32_t bucket = 0; bucket < shard->geometry->bucket_count; bucket++) {
		uint32_t first = (uint32_t)shard->buckets[bucket];

		if (first < found->limit &&
		    shard->buckets[bucket] >> 32 != slot_at(shard, first)->extent)
			return "a bucket does not know its first slot's extent";
		for (uint32_t at = first; at != LAYOUT_NONE; at = slot_at(shard, at)->next) {
			if (at >= found->limit)
				return "a chain leads to no slot";
			if (!found->live[at])
				return "a chain leads to a slot that is not live";
			if (found->linked[at])
				return "a slot is linked twice";
			if ((found->entries[at].hash & (shard->geometry->bucket_count - 1)) !=
			    bucket)
				return "a slot is in the wrong bucket";
			found->linked[at] = true;
		}
	}
	for (uint32_t i = 0; i < found->limit; i++)
		if (found->live[i] && !found->linked[i])
			return "a live slot is in no chain";
	return NULL;
}

static const char *judge_free(const struct shard *shard, struct findings *found)
{
	for (uint32_t at = shard->header->free_head; at != LAYOUT_NONE;
	     at = slot_at(shard, at)->next) {
		if (at >= found->limit)
			return "the free list leads to no slot";
		if (found->live[at])
			return "a live slot is in the free list";
		if (found->listed[at])
			return "a slot is in the free list twice";
		found->listed[at] = true;
	}
	for (uint32_t i = 0; i < found->limit; i++)
		if (!found->live[i] && !found->listed[i])
			return "a slot leaked";
	return NULL;
}

static const char *judge_room(const struct shard *shard, const struct findings *found)
{
	for (uint32_t i = 0; i < shard->geometry->grains; i++) {
		if (bit(shard->used, i) && !found->owners[i])
			return "a grain leaked";
		if (!bit(shard->used, i) && found->owners[i])
			return "a grain in use counts as free";
		if (bit(shard->starts, i) != found->starts[i])
			return "a start bit is wrong";
	}
	return NULL;
}

static const char *judge_counts(const struct shard *shard, const struct findings *found)
{
	for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++) {
		for (unsigned i = 0; i < LAYOUT_DATABASE_INDEXES; i++) {
			const struct layout_count *count = &shard->header->counts[type][i];

			if (count->entries != found->counts[type][i].entries)
				return "a count of entries is wrong";
			if (count->bytes != found->counts[type][i].bytes)
				return "a count of bytes is wrong";
		}
	}
	return NULL;
}

const char *judge_shard(struct tiny *tiny)
{
	static struct findings found;
	struct shard shard = tiny_shard(tiny);
	const char *fault;

	memset(found.live, 0, sizeof(found) - offsetof(struct findings, live));
	found.limit = shard.header->slot_limit;
	if (shard.header->sequence % 2 != 0)
		return "the sequence is odd";
	if (found.limit == 0 || found.limit > shard.geometry->slots_max ||
	    found.limit % LAYOUT_SLOT_BLOCK != 0)
		return "the number of slots is out of range";
	found.data_limit = shard.geometry->grains - 2 * found.limit;
	fault = judge_slots(&shard, &found);
	if (!fault)
		fault = judge_twins(&shard, &found);
	if (!fault)
		fault = judge_chains(&shard, &found);
	if (!fault)
		fault = judge_free(&shard, &found);
	if (!fault)
		fault = judge_room(&shard, &found);
	if (!fault)
		fault = judge_counts(&shard, &found);
	/* The code's own checker must say the same. */
	if (!fault && !shard_is_sound_locked(&shard, true))
		return "shard_is_sound_locked complains of a sound shard";
	if (fault && shard_is_sound_locked(&shard, true))
		fprintf(stderr, "shard_is_sound_locked does not see: %s\n", fault);
	return fault;
}
