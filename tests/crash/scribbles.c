/*
 * Not a crash but a process gone wild wrote into the segment. Each row damages one thing; a get
 * never gives a wrong value, and after the shard was verified all is as it must be.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/tiny.h"

enum { KEYS = 40, TTL_MS = 600000 };

static struct tiny tiny;

static struct layout_slot *live_slot(uint32_t which)
{
	struct shard shard = tiny_shard(&tiny);

	for (uint32_t i = 0;; i++)
		if (slot_state(slot_at(&shard, i)->word) == LAYOUT_LIVE && which-- == 0)
			return slot_at(&shard, i);
}

static void slots_too_many(struct shard *shard)
{
	shard->header->slot_limit = 5 * LAYOUT_SLOT_BLOCK;
	shard->header->sequence |= 1;
}

static void slots_odd(struct shard *shard)
{
	shard->header->slot_limit = LAYOUT_SLOT_BLOCK + 3;
	shard->header->sequence |= 1;
}

static void extent_far_out(struct shard *shard)
{
	(void)shard;
	live_slot(3)->extent = UINT32_MAX - 100;
}

/* The stored word that names the owner stays the same: it lies where the next extent is. */
static void extent_too_long(struct shard *shard)
{
	(void)shard;
	live_slot(3)->value_size = 5000;
}

static void extent_overlaps(struct shard *shard)
{
	struct layout_slot *slot = live_slot(3);

	(void)shard;
	slot->value_size += 64;
}

static void two_slots_one_extent(struct shard *shard)
{
	struct layout_slot *one = live_slot(4), *other = live_slot(3);

	(void)shard;
	other->extent = one->extent;
	other->hash = one->hash;
	other->key_size = one->key_size;
	other->value_size = one->value_size;
	other->cost_us = one->cost_us;
}

static void value_flipped(struct shard *shard)
{
	struct layout_slot *slot = live_slot(3);
	struct entry entry;

	slot_read(slot, &entry);
	*extent_words(extent_at(shard, entry.extent), entry_parts(&entry).value) ^= 0x100;
}

static void key_flipped(struct shard *shard)
{
	struct layout_slot *slot = live_slot(3);
	struct entry entry;

	slot_read(slot, &entry);
	*extent_words(extent_at(shard, entry.extent), entry_parts(&entry).key) ^= 0x100;
}

static void serial_back(struct shard *shard)
{
	shard->header->serial = 3;
	shard->header->sequence |= 1;
}

static void chain_to_itself(struct shard *shard)
{
	struct layout_slot *slot = live_slot(3);

	for (uint32_t i = 0; i < shard->geometry->slots_max; i++)
		if (slot_at(shard, i) == slot)
			slot->next = i;
}

static void free_list_into_live(struct shard *shard)
{
	shard->header->free_head = 0;
}

static void hands_astray(struct shard *shard)
{
	shard->header->search_hand = UINT32_MAX;
	shard->header->sweep_hand = UINT32_MAX - 1;
}

static void bits_lost(struct shard *shard)
{
	shard->used[0] = 0;
}

static void count_wrong(struct shard *shard)
{
	shard->header->counts[CACHE_LLM][0].bytes += 32;
}

static void count_from_the_future(struct shard *shard)
{
	shard->header->counts[CACHE_LLM][0].generation += 5;
}

/* As counters that wrap around are compared, each is later than the one before, and 0 than both. */
static void flushes_to_come(struct shard *shard)
{
	(void)shard;
	live_slot(13)->flush_generation = UINT32_C(1) << 24;
	live_slot(14)->flush_generation = UINT32_C(1) << 31 | 1;
}

static const struct scribble {
	const char *name;
	void (*act)(struct shard *shard);
	unsigned lost; /* at most so many of the entries */
} scribbles[] = {
    {"more slots than can be", slots_too_many, KEYS},
    {"a number of slots that is no whole block", slots_odd, KEYS},
    {"an extent beyond the arena", extent_far_out, 1},
    {"a value larger than any may be", extent_too_long, 1},
    {"an extent that runs into the next", extent_overlaps, 1},
    {"two slots with one extent", two_slots_one_extent, 1},
    {"a bit of a value", value_flipped, 1},
    {"a bit of a key", key_flipped, 1},
    {"the serial set back", serial_back, 0},
    {"a chain that leads into itself", chain_to_itself, 0},
    {"a free list of live slots", free_list_into_live, 0},
    {"hands beyond everything", hands_astray, 0},
    {"used grains that count as free", bits_lost, 0},
    {"a count that is wrong", count_wrong, 0},
    {"a count of a generation to come", count_from_the_future, 0},
    {"entries of flushes to come", flushes_to_come, 2},
};

static const char *survive(const struct scribble *scribble)
{
	struct shard shard = tiny_shard(&tiny);
	struct cache_usage usage;
	unsigned lost = 0;
	const char *fault;
	void *kept;

	scribble->act(&shard);
	/* What the next owner of the lock makes of it, where the writer died: all but checksums. */
	kept = tiny_keep(&tiny);
	shard.header->sequence |= 1;
	if (shard_lock(&shard, 1000) || !shard_is_sound_locked(&shard, false))
		return "taking the lock leaves it unsound";
	shard_unlock(&shard);
	tiny_put_back(&tiny, kept);
	free(kept);
	for (uint64_t key = 0; key < KEYS; key++)
		if (tiny_get(&tiny, key) == TINY_WRONG)
			return "a get gives a wrong value";
	cache_verify(&tiny.cache, true);
	fault = judge_shard(&tiny);
	if (fault)
		return fault;
	for (uint64_t key = 0; key < KEYS; key++) {
		int64_t found = tiny_get(&tiny, key);

		if (found == TINY_WRONG)
			return "after the repair, a get gives a wrong value";
		lost += found != 1;
	}
	cache_usage(&tiny.cache, &usage);
	if (usage.entries[CACHE_LLM] != KEYS - lost)
		return "the counts do not say how many entries are left";
	if (lost > scribble->lost)
		return "more entries are lost than were damaged";
	for (uint64_t key = 0; key < 3 * KEYS; key++)
		if (tiny_put(&tiny, key, 2, 24 + key % 300, TTL_MS) != CACHE_OK)
			return "a put after it is dropped";
	return judge_shard(&tiny);
}

int main(void)
{
	const size_t count = sizeof(scribbles) / sizeof(scribbles[0]);
	unsigned bad = 0;
	void *kept;

	tiny_open(&tiny);
	for (uint64_t key = 0; key < KEYS; key++)
		if (tiny_put(&tiny, key, 1, 24 + key * 5, TTL_MS) != CACHE_OK)
			return 1;
	kept = tiny_keep(&tiny);
	for (size_t i = 0; i < count; i++) {
		const char *fault;

		tiny_put_back(&tiny, kept);
		fault = survive(&scribbles[i]);
		if (!fault)
			continue;
		bad++;
		fprintf(stderr, "BAD: %s: %s\n", scribbles[i].name, fault);
	}
	free(kept);
	printf("%zu kinds of damage, %u bad\n", count, bad);
	return bad != 0;
}
