/*
 * Room by bitmap, first fit from a moving hand. The bitmaps are seen by the lock's holder only
 * and follow from the LIVE slots alone. Extents are contiguous: a get has one dependent cache
 * miss for any size of value, and rounding costs half a grain (16 bytes) an entry.
 */
#include "shm/shard.h"

/* The first bit that is `value`, from `from` on; `limit` where there is none before it. */
static uint32_t next_bit(const _Atomic uint64_t *bitmap, uint32_t from, uint32_t limit, bool value)
{
	while (from < limit) {
		uint64_t word = WORDS_LOAD(bitmap[from / 64]);

		word = (value ? word : ~word) >> from % 64;
		if (word != 0) {
			from += (uint32_t)__builtin_ctzll(word);
			return from < limit ? from : limit;
		}
		from = (from / 64 + 1) * 64;
	}
	return limit;
}

/* The last set bit up to and with `from`; LAYOUT_NONE where there is none. */
static uint32_t last_bit(const _Atomic uint64_t *bitmap, uint32_t from)
{
	uint32_t index = from / 64;
	uint64_t word = WORDS_LOAD(bitmap[index]) << (63 - from % 64);

	if (word != 0)
		return from - (uint32_t)__builtin_clzll(word);
	while (index-- > 0) {
		word = WORDS_LOAD(bitmap[index]);
		if (word != 0)
			return index * 64 + 63 - (uint32_t)__builtin_clzll(word);
	}
	return LAYOUT_NONE;
}

bool room_is_used(const struct shard *shard, uint32_t grain)
{
	return WORDS_LOAD(shard->used[grain / 64]) >> grain % 64 & 1;
}

bool room_starts(const struct shard *shard, uint32_t grain)
{
	return WORDS_LOAD(shard->starts[grain / 64]) >> grain % 64 & 1;
}

uint32_t room_next_used(const struct shard *shard, uint32_t from, uint32_t limit)
{
	return next_bit(shard->used, from, limit, true);
}

uint32_t room_run_start(const struct shard *shard, uint32_t grain)
{
	if (room_is_used(shard, grain))
		return last_bit(shard->starts, grain);
	grain = last_bit(shard->used, grain);
	return grain == LAYOUT_NONE ? 0 : grain + 1;
}

uint64_t room_count_bits(const struct shard *shard, const _Atomic uint64_t *bitmap)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < shard->geometry->grains / 64; i++)
		count += (uint64_t)__builtin_popcountll(WORDS_LOAD(bitmap[i]));
	return count;
}

void room_mark_locked(struct shard *shard, uint32_t from, uint32_t grains, bool used)
{
	uint64_t start = UINT64_C(1) << from % 64;
	_Atomic uint64_t *starts = &shard->starts[from / 64];
	uint32_t end = from + grains;

	WORDS_STORE(*starts, used ? WORDS_LOAD(*starts) | start : WORDS_LOAD(*starts) & ~start);
	while (from < end) {
		uint32_t bits = 64 - from % 64 < end - from ? 64 - from % 64 : end - from;
		uint64_t mask = (bits == 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1)
		                << from % 64;
		_Atomic uint64_t *word = &shard->used[from / 64];

		WORDS_STORE(*word, used ? WORDS_LOAD(*word) | mask : WORDS_LOAD(*word) & ~mask);
		from += bits;
	}
}

/* The first gap of `grains` in [from, to) that begins among the next *left grains. */
static uint32_t find_between(
    const struct shard *shard, uint32_t from, uint32_t to, uint32_t grains, uint64_t *left)
{
	uint32_t reach = from < to && to - from > *left ? from + (uint32_t)*left : to;
	uint32_t at = from;

	while (at < reach) {
		uint32_t gap = next_bit(shard->used, at, reach, false);

		if (gap == reach || grains > to - gap)
			break;
		at = next_bit(shard->used, gap, gap + grains, true);
		if (at == gap + grains)
			return gap;
	}
	*left -= reach > from ? reach - from : 0;
	return LAYOUT_NONE;
}

uint32_t room_find_locked(struct shard *shard, uint32_t grains)
{
	uint32_t limit = shard_data_limit_locked(shard);
	uint32_t hand = WORDS_LOAD(shard->header->search_hand);
	/* A full look at a large shard would cost more than an eviction. */
	uint64_t left = UINT64_C(32768) + 4 * (uint64_t)grains;
	uint32_t grain;

	if (hand >= limit)
		hand = 0;
	grain = find_between(shard, hand, limit, grains, &left);
	if (grain == LAYOUT_NONE)
		grain = find_between(shard, 0, limit, grains, &left);
	if (grain != LAYOUT_NONE)
		WORDS_STORE(shard->header->search_hand, grain + grains);
	else
		WORDS_STORE(
		    shard->header->search_hand, (uint32_t)((hand + UINT64_C(32768)) % limit));
	return grain;
}
