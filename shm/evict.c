/*
 * Eviction by sampling: nothing to keep in order, so nothing to rebuild. An entry's worth is
 * what making it again costs times how often it was used, over the puts since its last use:
 * time would weigh a busy day and a quiet one differently. As an extent is contiguous, what is
 * weighed is a run of neighbours that together make room: the run whose loss is the least goes.
 * Dead entries and gaps are worth nothing, so they go first.
 * bench/eviction measures this against LRU.
 */
#include "shm/shard.h"

#include <errno.h>

enum {
	EVICT_SAMPLES = 8,
	EVICT_LOOK_MAX = 256, /* entries weighed for one eviction, beyond the first run */
	EVICT_SLIDE = 16, /* runs weighed from one sample on */
	EVICT_SWEEP = 4, /* slots looked at by each put, for dead entries */
	/* What was never used counts as this part of a use: much of what is dear is asked once. */
	EVICT_UNUSED_PART = 32,
	/* Puts, in units of `last`, so that a new entry is not worth infinitely much. */
	EVICT_YOUNG = 16 >> LAYOUT_USES_PUTS_BITS,
};

uint32_t evict_random_below(struct cache *cache, uint32_t bound)
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
	uint32_t now = uses_of(0, WORDS_LOAD(shard->header->serial));
	uint32_t age = (now - entry->uses) & LAYOUT_USES_LAST_MASK;

	if (death_of(shard, entry, now_ms) != DEATH_NONE)
		return 0;
	return ((double)entry->cost_us + 1) * (EVICT_UNUSED_PART * uses_times(entry->uses) + 1) /
	       (double)(age + EVICT_YOUNG);
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
	double worth;
};

/* Over the entry, or the gap, that begins at the grain: its worth, and where it ends. */
static int weigh_step(const struct shard *shard, int64_t now_ms, uint32_t *at, double *ret_worth)
{
	struct entry entry;
	uint32_t index;
	int error;

	if (!room_is_used(shard, *at)) {
		*at = room_next_used(shard, *at, shard_data_limit_locked(shard));
		*ret_worth = 0;
		return 0;
	}
	error = entry_starting_at(shard, *at, &index, &entry);
	if (error)
		return error;
	*ret_worth = worth_of(shard, &entry, now_ms);
	*at += entry_grains(&entry);
	return 0;
}

/*
 * Weighs runs of neighbours that are long enough for `grains`, from the one that covers `grain`
 * on, each beginning where the one before has its second entry. Keeps the best of all so far.
 */
static int weigh_runs(const struct shard *shard, uint32_t grain, uint32_t grains, int64_t now_ms,
    unsigned *looked, struct run *best)
{
	uint32_t limit = shard_data_limit_locked(shard);
	uint32_t start = room_run_start(shard, grain), end = start;
	double worth = 0, part;

	if (start == LAYOUT_NONE)
		return -EUCLEAN;
	for (int i = 0; i < EVICT_SLIDE; i++) {
		int error = 0;

		while (end - start < grains && end < limit && !error) {
			error = weigh_step(shard, now_ms, &end, &part);
			worth += part;
			(*looked)++;
		}
		if (error || end - start < grains)
			return error;
		if (best->worth < 0 || worth < best->worth)
			*best = (struct run){start, end, worth > 0 ? worth : 0};
		error = weigh_step(shard, now_ms, &start, &part);
		if (error)
			return error;
		worth -= part;
	}
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
	struct run best = {.worth = -1};
	unsigned looked = 0;
	int error;

	for (int i = 0; i < EVICT_SAMPLES && (i == 0 || looked < EVICT_LOOK_MAX); i++) {
		uint32_t grain = evict_random_below(shard->cache, limit - grains + 1);

		error = weigh_runs(shard, grain, grains, now_ms, &looked, &best);
		if (error)
			return error;
		if (best.worth <= 0)
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

/* One entry of little worth, for its slot: no slot is free, so all that are sampled are LIVE. */
static int evict_one(struct shard *shard, int64_t now_ms)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit), best_index = 0;
	struct entry best = {0};
	double least = -1;

	for (int i = 0; i < EVICT_SAMPLES; i++) {
		uint32_t index = evict_random_below(shard->cache, limit);
		struct entry entry;
		double worth;

		slot_read(slot_at(shard, index), &entry);
		if (slot_state(entry.word) != LAYOUT_LIVE ||
		    !entry_fits(shard, &entry, shard_data_limit_locked(shard)))
			return -EUCLEAN;
		worth = worth_of(shard, &entry, now_ms);
		if (least >= 0 && worth >= least)
			continue;
		least = worth;
		best_index = index;
		best = entry;
	}
	return evict_entry(shard, best_index, &best, now_ms);
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
