#include "shm/shard.h"

#include <errno.h>
#include <xxhash.h>

#include "common/clock.h"

/* The key is compared in full by every get, and is in `hash`; everything else is in here. */
uint64_t entry_checksum(const struct shard *shard, const struct entry *entry, uint64_t clock,
    const uint32_t *relations, const void *value)
{
	const struct {
		uint64_t hash, clock, relations, value;
		int64_t created_ms, expires_ms;
		uint32_t extent, key_size, value_size, cost_us, flush_generation, kind;
	} covered = {
	    .hash = entry->hash,
	    .clock = clock,
	    .relations = XXH3_64bits(relations, entry->relation_count * sizeof(*relations)),
	    .value = XXH3_64bits(value, entry->value_size),
	    .created_ms = entry->created_ms,
	    .expires_ms = entry->expires_ms,
	    .extent = entry->extent,
	    .key_size = entry->key_size,
	    .value_size = entry->value_size,
	    .cost_us = entry->cost_us,
	    .flush_generation = entry->flush_generation,
	    .kind = entry->type | entry->database_index << 8 | entry->relation_count << 16,
	};

	static_assert(sizeof(covered) == 72, "no padding is hashed");
	return XXH3_64bits_withSeed(&covered, sizeof(covered), shard->cache->hash_seed);
}

uint64_t cache_hash(
    const struct cache *cache, unsigned type, unsigned database_index, struct bytes key)
{
	uint64_t salt = (database_index << 8 | type) * UINT64_C(0x9e3779b97f4a7c15);

	return XXH3_64bits_withSeed(key.data, key.size, cache->hash_seed ^ salt);
}

bool entry_is_stale(
    const struct shard *shard, const struct entry *entry, uint64_t clock, const uint32_t *relations)
{
	const struct layout_database *database;

	if (entry->relation_count == 0)
		return false;
	if (entry->database_index == 0)
		return true;
	database = &shard->cache->databases[entry->database_index - 1];
	for (unsigned i = 0; i < entry->relation_count; i++)
		if (atomic_load(&database->relation_clock[relations[i] % LAYOUT_RELATION_CLOCKS]) >
		    clock)
			return true;
	return false;
}

static const enum cache_group groups[CACHE_TYPE_COUNT] = {
#define CACHE_TYPE(id, name, group, ttl_key, writer) [CACHE_##id] = CACHE_GROUP_##group,
#include "common/cache_types.def"
#undef CACHE_TYPE
};

void shard_count_event(const struct shard *shard, unsigned type, enum metric_cache_counter event)
{
	if (shard->cache->metrics)
		metrics_add_cache(shard->cache->metrics, groups[type], event, 1);
}

static bool limit_is_sound(const struct shard *shard)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);

	return limit > 0 && limit <= shard->geometry->slots_max && limit % LAYOUT_SLOT_BLOCK == 0;
}

int shard_lock(struct shard *shard, unsigned wait_us)
{
	int taken = lock_take(&shard->header->lock, wait_us);

	if (taken < 0)
		return taken;
	/* The sequence is asked even where the lock was free: prepare makes new locks, so what
	 * the old ones knew of a dead owner is gone, and so it is when a repairer dies between
	 * marking the lock and its unlock. */
	if (taken == LOCK_TAKEN && WORDS_LOAD(shard->header->sequence) % 2 == 0 &&
	    limit_is_sound(shard))
		return 0;
	shard_repair_locked(shard, false);
	if (taken == LOCK_OWNER_DIED)
		lock_mark_repaired(&shard->header->lock);
	return 0;
}

/*
 * A writer that was stopped in there must not stop a put, which returns within 1 ms. Who waited
 * in vain does not wait again until the sequence has moved, which says that somebody works.
 */
int shard_lock_soon(struct shard *shard)
{
	struct cache_stuck *stuck = &shard->cache->stuck;
	bool known =
	    stuck->shard == shard->header && stuck->sequence == WORDS_LOAD(shard->header->sequence);
	int error = shard_lock(shard, known ? 0 : LOCK_AWAKE_US);

	if (error == -ETIMEDOUT)
		*stuck = (struct cache_stuck){shard->header, WORDS_LOAD(shard->header->sequence)};
	return error;
}

void shard_unlock(struct shard *shard)
{
	lock_release(&shard->header->lock);
}

/* The release fence orders the odd sequence before every store of the operation, so a reader
 * that saw one of them, and fences, does not take the old even value for current. */
void shard_begin_locked(struct shard *shard)
{
	WORDS_STORE(shard->header->sequence, WORDS_LOAD(shard->header->sequence) | 1);
	atomic_thread_fence(memory_order_release);
}

void shard_end_locked(struct shard *shard)
{
	WORDS_PUBLISH(shard->header->sequence, (WORDS_LOAD(shard->header->sequence) | 1) + 1);
}

uint32_t shard_data_limit_locked(const struct shard *shard)
{
	return shard->geometry->grains - 2 * WORDS_LOAD(shard->header->slot_limit);
}

int shard_find_locked(const struct shard *shard, uint64_t hash, unsigned type,
    unsigned database_index, struct bytes key, uint32_t *ret_index)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint32_t index = bucket_first(WORDS_LOAD(*bucket_of(shard, hash)));
	struct entry entry;

	for (uint32_t hops = 0; index != LAYOUT_NONE; hops++) {
		struct layout_slot *slot;

		if (index >= limit || hops >= limit)
			return -EUCLEAN;
		slot = slot_at(shard, index);
		if (WORDS_LOAD(slot->hash) == hash) {
			slot_read(slot, &entry);
			if (slot_state(entry.word) != LAYOUT_LIVE ||
			    !entry_fits(shard, &entry, shard_data_limit_locked(shard)))
				return -EUCLEAN;
			if (entry.type == type && entry.database_index == database_index &&
			    entry.key_size == key.size &&
			    words_equal(extent_words(extent_at(shard, entry.extent),
			                    entry_parts(&entry).key),
			        key.data, key.size))
				break;
		}
		index = WORDS_LOAD(slot->next);
	}
	*ret_index = index;
	return 0;
}

/* Release: who finds the slot by the bucket finds what the slot says. */
static void set_bucket(struct shard *shard, _Atomic uint64_t *bucket, uint32_t first)
{
	uint64_t extent = 0;

	if (first < WORDS_LOAD(shard->header->slot_limit))
		extent = WORDS_LOAD(slot_at(shard, first)->extent);
	WORDS_PUBLISH(*bucket, extent << 32 | first);
}

void shard_link_locked(struct shard *shard, uint32_t index, uint64_t hash)
{
	_Atomic uint64_t *bucket = bucket_of(shard, hash);

	WORDS_STORE(slot_at(shard, index)->next, bucket_first(WORDS_LOAD(*bucket)));
	set_bucket(shard, bucket, index);
}

static int unlink_locked(struct shard *shard, uint32_t index, uint64_t hash)
{
	uint32_t limit = WORDS_LOAD(shard->header->slot_limit);
	uint32_t next = WORDS_LOAD(slot_at(shard, index)->next);
	_Atomic uint64_t *bucket = bucket_of(shard, hash);
	uint32_t at = bucket_first(WORDS_LOAD(*bucket));

	if (at == index) {
		set_bucket(shard, bucket, next);
		return 0;
	}
	for (uint32_t hops = 0; hops < limit && at < limit; hops++) {
		_Atomic uint32_t *link = &slot_at(shard, at)->next;

		at = WORDS_LOAD(*link);
		if (at == index) {
			WORDS_PUBLISH(*link, next);
			return 0;
		}
	}
	return -EUCLEAN;
}

/* FREE comes first: from then on the entry is gone, and repair gives back what follows. */
int shard_remove_locked(struct shard *shard, uint32_t index)
{
	struct layout_slot *slot = slot_at(shard, index);
	struct entry entry;
	int error;

	slot_read(slot, &entry);
	if (slot_state(entry.word) != LAYOUT_LIVE ||
	    !entry_fits(shard, &entry, shard_data_limit_locked(shard)))
		return -EUCLEAN;
	WORDS_STORE(slot->word, (entry.word & ~(uint64_t)LAYOUT_STATE_MASK) | LAYOUT_FREE);
	error = unlink_locked(shard, index, entry.hash);
	if (error)
		return error;
	room_mark_locked(shard, entry.extent, entry_grains(&entry), false);
	/* The next entry goes where memory is warm, and the arena fills from the front. */
	WORDS_STORE(shard->header->search_hand, entry.extent);
	shard_count_locked(shard, &entry, false);
	shard_push_free_locked(shard, index);
	return 0;
}

int shard_pop_free_locked(struct shard *shard, uint32_t *ret_index)
{
	uint32_t index = WORDS_LOAD(shard->header->free_head);
	const struct layout_slot *slot;

	if (index >= WORDS_LOAD(shard->header->slot_limit))
		return -EUCLEAN;
	slot = slot_at(shard, index);
	if (slot_state(WORDS_LOAD(slot->word)) == LAYOUT_LIVE)
		return -EUCLEAN;
	WORDS_STORE(shard->header->free_head, WORDS_LOAD(slot->next));
	*ret_index = index;
	return 0;
}

void shard_push_free_locked(struct shard *shard, uint32_t index)
{
	WORDS_STORE(slot_at(shard, index)->next, WORDS_LOAD(shard->header->free_head));
	WORDS_STORE(shard->header->free_head, index);
}

/*
 * A count belongs to one flush generation: a flush makes all of them out of date at once, and
 * the first entry of the new generation starts it again. Entries of an older generation are
 * in no count any more, so their removal changes none.
 */
void shard_count_locked(struct shard *shard, const struct entry *entry, bool add)
{
	struct layout_count *count = &shard->header->counts[entry->type][entry->database_index];
	uint32_t generation = WORDS_LOAD(count->generation);
	uint64_t bytes = entry_bytes(entry);

	if (generation != entry->flush_generation) {
		if (!add || (int32_t)(entry->flush_generation - generation) < 0)
			return;
		WORDS_STORE(count->entries, 0);
		WORDS_STORE(count->bytes, 0);
		WORDS_STORE(count->generation, entry->flush_generation);
	}
	if (add) {
		WORDS_STORE(count->entries, WORDS_LOAD(count->entries) + 1);
		WORDS_STORE(count->bytes, WORDS_LOAD(count->bytes) + bytes);
	} else {
		WORDS_STORE(count->entries, WORDS_LOAD(count->entries) - 1);
		WORDS_STORE(count->bytes, WORDS_LOAD(count->bytes) - bytes);
	}
}

int shard_init(struct shard *shard)
{
	int error = lock_init(&shard->header->lock);

	if (error)
		return error;
	WORDS_STORE(shard->header->slot_limit, LAYOUT_SLOT_BLOCK);
	shard_repair_locked(shard, false);
	return 0;
}
