/*
 * Eviction by sampling. An entry's worth is what making it again costs times how often it was
 * used, over its age (hyperbolic caching: nothing to keep in order, so nothing to rebuild). As
 * an extent is contiguous, what is weighed is a run of neighbours that together make room:
 * the run that loses the least worth a grain goes. Dead entries are worth nothing, so a run
 * of them goes first.
 */
#include "shm/shard.h"

#include <errno.h>

enum {
	EVICT_SAMPLES = 8,
	EVICT_LOOK_MAX = 256, /* entries weighed for one eviction, beyond the first run */
	EVICT_SWEEP = 4, /* slots looked at by each put, for dead entries */
	EVICT_YOUNG_MS = 1000, /* so that a new entry is not worth infinitely much */
};

static uint32_t random_below(struct cache *cache, uint32_t bound)
{
	/* xorshift64*: good enough to pick samples. */
	cache->random ^= cache->random >> 12;
	cache->random ^= cache->random << 25;
	cache->random ^= cache->random >> 27;
	return (uint32_t)(((cache->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * bound >> 32);
}

enum death { DEATH_NONE, DEATH_EXPIRED, DEATH_STALE };

static enum death death_of(const struct shard *shard, const struct entry *entry, int64_t now_ms)
{
	uint32_t relations[LAYOUT_RELATIONS_MAX];
	uint64_t clock;

	if (entry->expires_ms <= now_ms)
		return DEATH_EXPIRED;
	if (entry_is_flushed(shard, entry))
		return DEATH_STALE;
	if (entry->relation_count == 0)
		return DEATH_NONE;
	shard_read_dependencies(shard, entry, &clock, relations);
	return entry_is_stale(shard, entry, clock, relations) ? DEATH_STALE : DEATH_NONE;
}

static double worth_of(const struct shard *shard, const struct entry *entry, int64_t now_ms)
{
	int64_t age_ms = now_ms - entry->created_ms;

	if (death_of(shard, entry, now_ms) != DEATH_NONE)
		return 0;
	if (age_ms < 0)
		age_ms = 0;
	return ((double)entry->cost_us + 1) * ((entry->uses & ~LAYOUT_USES_COUNTED) + 1.0) /
	       (double)(age_ms + EVICT_YOUNG_MS);
}

/* The entry whose extent begins at the grain: the extent names its slot, the slot the extent. */
static int entry_starting_at(
    const struct shard *shard, uint32_t grain, uint32_t *ret_index, struct entry *ret_entry)
{
	uint64_t index = WORDS_LOAD(extent_at(shard, grain)->slot);
	struct entry entry;

	if (!room_starts(shard, grain) || index >= WORDS_LOAD(shard->header->slot_limit))
		return -EUCLEAN;
	slot_read(slot_at(shard, (uint32_t)index), &entry);
	if (slot_state(entry.word) != LAYOUT_LIVE || entry.extent != grain ||
	    !entry_fits(shard, &entry, shard_data_limit_locked(shard)))
		return -EUCLEAN;
	*ret_index = (uint32_t)index;
	*ret_entry = entry;
	return 0;
}

static int evict_entry(
    struct shard *shard, uint32_t index, const struct entry *entry, int64_t now_ms)
{
	static const enum metric_cache_counter events[] = {
	    [DEATH_NONE] = METRIC_CACHE_EVICTIONS,
	    [DEATH_EXPIRED] = METRIC_CACHE_EXPIRED,
	    [DEATH_STALE] = METRIC_CACHE_STALE,
	};
	enum death death = death_of(shard, entry, now_ms);

	if (death == DEATH_NONE || !(entry->uses & LAYOUT_USES_COUNTED))
		shard_count_event(shard, entry->type, events[death]);
	return shard_remove_locked(shard, index);
}

struct run {
	uint32_t start, end;
	double worth_a_grain;
};

/* Weighs the run of neighbours from the one that covers `grain` on, long enough for `grains`. */
static int weigh_run(const struct shard *shard, uint32_t grain, uint32_t grains, int64_t now_ms,
    unsigned *looked, struct run *ret_run)
{
	uint32_t limit = shard_data_limit_locked(shard);
	uint32_t at = room_run_start(shard, grain);
	struct run run = {.start = at};
	double worth = 0;

	if (at == LAYOUT_NONE)
		return -EUCLEAN;
	while (at < run.start + grains) {
		struct entry entry;
		uint32_t index;
		int error;

		if (!room_is_used(shard, at)) {
			at = room_next_used(shard, at, limit);
			continue;
		}
		error = entry_starting_at(shard, at, &index, &entry);
		if (error)
			return error;
		worth += worth_of(shard, &entry, now_ms);
		at += entry_grains(&entry);
		(*looked)++;
	}
	run.end = at;
	run.worth_a_grain = worth / (double)(at - run.start);
	*ret_run = run;
	return 0;
}

/* Evicts every entry that covers a grain of [from, to). */
static int evict_between(struct shard *shard, uint32_t from, uint32_t to, int64_t now_ms)
{
	uint32_t at = room_next_used(shard, from, to);

	while (at < to) {
		struct entry entry;
		uint32_t index;
		int error;

		at = room_run_start(shard, at);
		if (at == LAYOUT_NONE)
			return -EUCLEAN;
		error = entry_starting_at(shard, at, &index, &entry);
		if (!error)
			error = evict_entry(shard, index, &entry, now_ms);
		if (error)
			return error;
		at = room_next_used(shard, at, to);
	}
	return 0;
}

int evict_room_locked(struct shard *shard, uint32_t grains, int64_t now_ms, uint32_t *ret_grain)
{
	uint32_t limit = shard_data_limit_locked(shard);
	struct run best = {.worth_a_grain = -1};
	unsigned looked = 0;
	int error;

	for (int i = 0; i < EVICT_SAMPLES && (i == 0 || looked < EVICT_LOOK_MAX); i++) {
		uint32_t grain = random_below(shard->cache, limit - grains + 1);
		struct run run;

		error = weigh_run(shard, grain, grains, now_ms, &looked, &run);
		if (error)
			return error;
		if (best.worth_a_grain < 0 || run.worth_a_grain < best.worth_a_grain)
			best = run;
		if (best.worth_a_grain <= 0)
			break;
	}
	error = evict_between(shard, best.start, best.end, now_ms);
	if (error)
		return error;
	*ret_grain = best.start;
	return 0;
}

/*
 * Turns the last grains before the slots into a block of new slots. They are zeroed, thus FREE,
 * before the limit takes them in: a death in between leaves them part of the arena, unused.
 * The stores are words because a reader that was slow may still look at an extent there.
 */
static int grow_slots(struct shard *shard, int64_t now_ms)
{
	static const char zeros[LAYOUT_PAGE];
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint32_t data_limit = shard_data_limit_locked(shard);
	uint32_t from = data_limit - 2 * LAYOUT_SLOT_BLOCK;
	int error = evict_between(shard, from, data_limit, now_ms);

	if (error)
		return error;
	atomic_thread_fence(memory_order_release);
	words_copy_in(extent_words(extent_at(shard, from), 0), zeros, sizeof(zeros));
	WORDS_PUBLISH(shard->header->slot_limit, limit + LAYOUT_SLOT_BLOCK);
	for (uint32_t i = LAYOUT_SLOT_BLOCK; i-- > 0;)
		shard_push_free_locked(shard, limit + i);
	return 0;
}

/* One entry of little worth, but none of the chosen run: that is all free. */
static int evict_one(struct shard *shard, int64_t now_ms)
{
	struct run best = {.worth_a_grain = -1};
	uint32_t limit = shard_data_limit_locked(shard);
	unsigned looked = 0;

	for (int i = 0; i < EVICT_SAMPLES; i++) {
		uint32_t at = room_next_used(shard, random_below(shard->cache, limit), limit);
		struct run run;
		int error;

		if (at == limit)
			at = room_next_used(shard, 0, limit);
		if (at == limit)
			return -EUCLEAN;
		error = weigh_run(shard, at, 1, now_ms, &looked, &run);
		if (error)
			return error;
		if (best.worth_a_grain < 0 || run.worth_a_grain < best.worth_a_grain)
			best = run;
	}
	return evict_between(shard, best.start, best.end, now_ms);
}

int evict_slot_locked(
    struct shard *shard, uint32_t chosen, uint32_t grains, int64_t now_ms, uint32_t *ret_index)
{
	uint32_t border = shard_data_limit_locked(shard) - 2 * LAYOUT_SLOT_BLOCK;
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	int error = 0;

	if (WORDS_LOAD(shard->header->free_head) == LAYOUT_NONE) {
		if (limit + LAYOUT_SLOT_BLOCK <= shard->geometry->slots_max &&
		    chosen + grains <= border)
			error = grow_slots(shard, now_ms);
		else
			error = evict_one(shard, now_ms);
	}
	return error ? error : shard_pop_free_locked(shard, ret_index);
}

/* So expired entries give their room back without being looked up. */
int evict_sweep_locked(struct shard *shard, int64_t now_ms)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint32_t hand = WORDS_LOAD(shard->header->sweep_hand);

	for (int i = 0; i < EVICT_SWEEP; i++) {
		struct entry entry;
		int error = 0;

		hand = hand + 1 < limit ? hand + 1 : 0;
		slot_read(slot_at(shard, hand), &entry);
		if (slot_state(entry.word) != LAYOUT_LIVE)
			continue;
		if (!entry_fits(shard, &entry, shard_data_limit_locked(shard)))
			return -EUCLEAN;
		if (death_of(shard, &entry, now_ms) != DEATH_NONE)
			error = evict_entry(shard, hand, &entry, now_ms);
		if (error)
			return error;
	}
	WORDS_STORE(shard->header->sweep_hand, hand);
	return 0;
}
