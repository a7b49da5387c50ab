#include "shm/cache.h"

#include <errno.h>

#include "common/clock.h"
#include "shm/shard.h"

enum {
	CACHE_GET_TRIES = 5,
	CACHE_HOPS_MAX = 256,
	CACHE_MARK_EVERY = 32,
};

/* ---- get ---- */

struct lookup {
	struct shard shard;
	unsigned type, database_index;
	struct bytes key;
	uint64_t hash;
	int64_t now_ms, max_age_ms;
	struct buffer *value;
};

enum found {
	FOUND_VALID,
	FOUND_ABSENT, /* not in its chain, as the chain was read */
	FOUND_CHANGED, /* a writer was at it meanwhile: look again */
	FOUND_EXPIRED,
	FOUND_STALE,
	FOUND_TOO_OLD,
	FOUND_BROKEN, /* a checksum is wrong */
};

/*
 * The generation decides. The acquire fence orders every load above before the load of the
 * word below; it pairs with the release fence that a writer makes between the store of the
 * word and its first store to the extent (or to one that was taken from this slot). So an
 * unchanged word means that nothing that was read came from a later writer.
 */
static bool is_unchanged(const struct layout_slot *slot, const struct entry *entry)
{
	atomic_thread_fence(memory_order_acquire);
	return WORDS_LOAD(slot->word) == entry->word;
}

/*
 * A mark dirties a line that other readers of a hot entry share. So after the first uses only
 * one in CACHE_MARK_EVERY is marked, for all of them, and only where that changes anything:
 * without puts into its shard, an entry that is used often enough is not written at all. The
 * others do not even read the serial, whose line writers dirty.
 */
static void mark_used(const struct shard *shard, struct layout_slot *slot, uint32_t uses)
{
	uint32_t times = uses_times(uses), marked;

	if (times < CACHE_MARK_EVERY)
		times++;
	else if (evict_random_below(shard->cache, CACHE_MARK_EVERY) != 0)
		return;
	else if (times + CACHE_MARK_EVERY <= LAYOUT_USES_MAX)
		times += CACHE_MARK_EVERY;
	marked = uses_of(times, WORDS_LOAD(shard->header->serial));
	if (marked != uses)
		WORDS_STORE(slot->uses, marked);
}

static enum found judge(const struct lookup *lookup, const struct entry *entry, uint64_t clock,
    const uint32_t *relations)
{
	if (entry->expires_ms <= lookup->now_ms)
		return FOUND_EXPIRED;
	if (entry_is_flushed(&lookup->shard, entry) ||
	    entry_is_stale(&lookup->shard, entry, clock, relations))
		return FOUND_STALE;
	if (lookup->max_age_ms >= 0 && lookup->now_ms - entry->created_ms > lookup->max_age_ms)
		return FOUND_TOO_OLD;
	return FOUND_VALID;
}

static enum found judge_and_mark(const struct lookup *lookup, struct layout_slot *slot,
    const struct entry *entry, uint64_t clock, const uint32_t *relations)
{
	enum found found = judge(lookup, entry, clock, relations);

	if (found == FOUND_VALID)
		mark_used(&lookup->shard, slot, entry->uses);
	if (found != FOUND_EXPIRED && found != FOUND_STALE)
		return found;
	if (entry->uses & LAYOUT_USES_COUNTED)
		return FOUND_TOO_OLD; /* a miss like any other: it was counted before */
	WORDS_STORE(slot->uses, entry->uses | LAYOUT_USES_COUNTED);
	return found;
}

/* Copies the entry out of the slot if it is the key's. Its value lands behind what the buffer
 * holds, and counts only once the caller adds its size. */
static enum found copy_entry(struct lookup *lookup, struct layout_slot *slot, struct entry *entry)
{
	const struct shard *shard = &lookup->shard;
	uint32_t relations[LAYOUT_RELATIONS_MAX];
	struct layout_extent *extent;
	struct extent_parts parts;
	uint64_t checksum, clock;
	char *value;

	slot_read(slot, entry);
	if (slot_state(entry->word) == LAYOUT_WRITING)
		return FOUND_ABSENT; /* linked but not yet put: what it replaces comes behind it */
	if (slot_state(entry->word) != LAYOUT_LIVE || !is_unchanged(slot, entry))
		return FOUND_CHANGED;
	if (!entry_fits(shard, entry, shard->geometry->grains))
		return FOUND_BROKEN;
	if (entry->hash != lookup->hash || entry->type != lookup->type ||
	    entry->database_index != lookup->database_index || entry->key_size != lookup->key.size)
		return FOUND_ABSENT;
	extent = extent_at(shard, entry->extent);
	parts = entry_parts(entry);
	if (!words_equal(extent_words(extent, parts.key), lookup->key.data, lookup->key.size))
		return is_unchanged(slot, entry) ? FOUND_ABSENT : FOUND_CHANGED;
	shard_read_dependencies(shard, entry, &clock, relations);
	checksum = WORDS_LOAD(extent->checksum);
	value = buffer_reserve(lookup->value, entry->value_size);
	words_copy_out(value, extent_words(extent, parts.value), entry->value_size);
	if (!is_unchanged(slot, entry))
		return FOUND_CHANGED;
	if (checksum != entry_checksum(shard, entry, clock, relations, value))
		return FOUND_BROKEN;
	return judge_and_mark(lookup, slot, entry, clock, relations);
}

static enum found walk(struct lookup *lookup, struct entry *entry)
{
	const struct geometry *geometry = lookup->shard.geometry;
	uint64_t bucket = WORDS_LOAD_ACQUIRE(*bucket_of(&lookup->shard, lookup->hash));
	uint32_t index = bucket_first(bucket);

	/* While the slot comes, which says where the extent is. Of a wrong place only time is lost.
	 */
	__builtin_prefetch(extent_at(&lookup->shard, bucket_extent(bucket)));

	/* A chain that a writer changes may lead anywhere, but only to slots, and not for ever. */
	for (int hops = 0; hops < CACHE_HOPS_MAX && index < geometry->slots_max; hops++) {
		struct layout_slot *slot = slot_at(&lookup->shard, index);

		if (WORDS_LOAD(slot->hash) == lookup->hash) {
			enum found found = copy_entry(lookup, slot, entry);

			if (found != FOUND_ABSENT)
				return found;
		}
		index = WORDS_LOAD_ACQUIRE(slot->next);
	}
	return FOUND_ABSENT;
}

static enum found look(struct lookup *lookup, struct entry *entry)
{
	const struct layout_shard *header = lookup->shard.header;
	/* Only an absence needs the sequence, whose line writers dirty. */
	enum found found = walk(lookup, entry);

	for (int tries = 1; tries < CACHE_GET_TRIES; tries++) {
		uint64_t sequence;

		if (found != FOUND_ABSENT && found != FOUND_CHANGED)
			break;
		sequence = WORDS_LOAD_ACQUIRE(header->sequence);
		found = walk(lookup, entry);
		if (found != FOUND_ABSENT)
			continue;
		/* Absent for sure only if no writer moved the chain meanwhile. */
		atomic_thread_fence(memory_order_acquire);
		if (sequence % 2 == 0 && WORDS_LOAD(header->sequence) == sequence)
			break;
	}
	return found;
}

static bool is_known(enum cache_type type, int database)
{
	return (unsigned)type < CACHE_TYPE_COUNT && database >= CACHE_NO_DATABASE &&
	       database < CACHE_DATABASES_MAX;
}

int cache_get(struct cache *cache, enum cache_type type, int database, struct bytes key,
    int64_t max_age_ms, struct buffer *value, struct cache_hit *ret_hit)
{
	struct lookup lookup = {.type = type, .key = key, .max_age_ms = max_age_ms, .value = value};
	struct entry entry;
	enum found found;

	if (!is_known(type, database))
		return CACHE_MISS;
	lookup.database_index = (unsigned)(database + 1);
	lookup.hash = cache_hash(cache, type, lookup.database_index, key);
	lookup.shard = shard_of_hash(cache, lookup.hash);
	/* The first of two dependent cache misses (bucket; slot and extent) passes meanwhile. */
	__builtin_prefetch(bucket_of(&lookup.shard, lookup.hash));
	lookup.now_ms = clock_now_ms();
	found = look(&lookup, &entry);
	if (found != FOUND_VALID) {
		if (found == FOUND_EXPIRED)
			shard_count_event(&lookup.shard, type, METRIC_CACHE_EXPIRED);
		if (found == FOUND_STALE)
			shard_count_event(&lookup.shard, type, METRIC_CACHE_STALE);
		shard_count_event(&lookup.shard, type, METRIC_CACHE_MISSES);
		return CACHE_MISS;
	}
	value->size += entry.value_size;
	*ret_hit = (struct cache_hit){
	    .age_ms = lookup.now_ms > entry.created_ms ? lookup.now_ms - entry.created_ms : 0,
	    .cost_us = entry.cost_us,
	};
	shard_count_event(&lookup.shard, type, METRIC_CACHE_HITS);
	return CACHE_OK;
}

/* ---- put ---- */

static void write_slot(struct layout_slot *slot, const struct entry *entry)
{
	WORDS_STORE(slot->hash, entry->hash);
	WORDS_STORE(slot->created_ms, entry->created_ms);
	WORDS_STORE(slot->expires_ms, entry->expires_ms);
	WORDS_STORE(slot->extent, entry->extent);
	WORDS_STORE(slot->key_size, entry->key_size);
	WORDS_STORE(slot->value_size, entry->value_size);
	WORDS_STORE(slot->cost_us, entry->cost_us);
	WORDS_STORE(slot->uses, entry->uses);
	WORDS_STORE(slot->flush_generation, entry->flush_generation);
	WORDS_STORE(
	    slot->kind, entry->type | entry->database_index << 8 | entry->relation_count << 16);
}

static void write_extent(const struct shard *shard, uint32_t index, const struct entry *entry,
    const struct cache_put *put, const uint32_t *relations)
{
	struct layout_extent *extent = extent_at(shard, entry->extent);
	struct extent_parts parts = entry_parts(entry);

	WORDS_STORE(
	    extent->checksum, entry_checksum(shard, entry, put->clock, relations, put->value.data));
	WORDS_STORE(extent->clock, put->clock);
	WORDS_STORE(extent->slot, index);
	words_copy_in(extent_words(extent, sizeof(*extent)), relations,
	    entry->relation_count * sizeof(*relations));
	words_copy_in(extent_words(extent, parts.key), put->key.data, put->key.size);
	words_copy_in(extent_words(extent, parts.value), put->value.data, put->value.size);
}

/* Finds room and a slot, making both where there are none. */
static int take_place(
    struct shard *shard, uint32_t grains, int64_t now_ms, uint32_t *ret_grain, uint32_t *ret_index)
{
	uint32_t grain = room_find_locked(shard, grains);
	int error = 0;

	if (grain == LAYOUT_NONE)
		error = evict_room_locked(shard, grains, now_ms, &grain);
	if (!error)
		error = evict_slot_locked(shard, grain, grains, now_ms, ret_index);
	if (error)
		return error;
	*ret_grain = grain;
	return 0;
}

static int store_locked(struct shard *shard, struct entry *entry, const struct cache_put *put,
    const uint32_t *relations)
{
	uint32_t index, older, times = 0;
	struct layout_slot *slot;
	int error = evict_sweep_locked(shard, entry->created_ms);

	if (!error)
		error = take_place(
		    shard, entry_grains(entry), entry->created_ms, &entry->extent, &index);
	/* After the evictions, which may have taken the older entry along. */
	if (!error)
		error = shard_find_locked(
		    shard, entry->hash, entry->type, entry->database_index, put->key, &older);
	if (error)
		return error;
	slot = slot_at(shard, index);
	entry->word = (WORDS_LOAD(shard->header->serial) + 1) << LAYOUT_STATE_BITS;
	WORDS_STORE(shard->header->serial, entry->word >> LAYOUT_STATE_BITS);
	/* What is stored again has the uses of the entry that it replaces. */
	if (older != LAYOUT_NONE)
		times = uses_times(WORDS_LOAD(slot_at(shard, older)->uses));
	entry->uses = uses_of(times, entry->word >> LAYOUT_STATE_BITS);
	WORDS_STORE(slot->word, entry->word | LAYOUT_WRITING);
	/* Before any store to the extent is seen, it is seen that this slot is WRITING and that
	 * those whose extents were taken are FREE: see is_unchanged. */
	atomic_thread_fence(memory_order_release);
	write_slot(slot, entry);
	write_extent(shard, index, entry, put, relations);
	room_mark_locked(shard, entry->extent, entry_grains(entry), true);
	/* Linked before it is LIVE: otherwise who still comes to this slot from what was in it
	 * before would find the new entry, and the older one the next time. */
	shard_link_locked(shard, index, entry->hash);
	WORDS_PUBLISH(slot->word, entry->word | LAYOUT_LIVE); /* the commit point */
	shard_count_locked(shard, entry, true);
	return older == LAYOUT_NONE ? 0 : shard_remove_locked(shard, older);
}

/* The end of a write. The shard contradicts itself where there was an error: somebody scribbled,
 * and checksums tell what is good. */
static void end_write(struct shard *shard, int error)
{
	if (error)
		shard_repair_locked(shard, true);
	else
		shard_end_locked(shard);
	shard_unlock(shard);
}

static int put_entry(struct shard *shard, struct entry *entry, const struct cache_put *put,
    const uint32_t *relations)
{
	int error = shard_lock_soon(shard);

	if (error)
		return error;
	shard_begin_locked(shard);
	error = store_locked(shard, entry, put, relations);
	end_write(shard, error);
	return error;
}

static bool fill_entry(
    const struct cache *cache, const struct cache_put *put, struct entry *ret_entry)
{
	struct entry entry = {
	    .created_ms = clock_now_ms(),
	    .cost_us = put->cost_us < UINT32_MAX ? (uint32_t)put->cost_us : UINT32_MAX,
	    .type = put->type,
	    .database_index = (unsigned)(put->database + 1),
	    .relation_count = (unsigned)put->relation_count,
	    .flush_generation = put->generation,
	};

	/* Before the sizes are cut to 32 bits. */
	if (put->value.size > cache->geometry.max_value ||
	    put->key.size > (uint64_t)cache->geometry.entry_grains_max * LAYOUT_GRAIN ||
	    put->value.size > UINT32_MAX || put->relation_count > LAYOUT_RELATIONS_MAX)
		return false;
	if (put->relation_count > 0 && put->database == CACHE_NO_DATABASE)
		return false; /* nothing could ever make it stale */
	entry.key_size = (uint32_t)put->key.size;
	entry.value_size = (uint32_t)put->value.size;
	if (entry_grains(&entry) > cache->geometry.entry_grains_max)
		return false;
	entry.expires_ms =
	    put->ttl_ms < INT64_MAX - entry.created_ms ? entry.created_ms + put->ttl_ms : INT64_MAX;
	entry.hash = cache_hash(cache, entry.type, entry.database_index, put->key);
	*ret_entry = entry;
	return true;
}

int cache_put(struct cache *cache, const struct cache_put *put)
{
	uint32_t relations[LAYOUT_RELATIONS_MAX];
	struct entry entry = {0};
	struct shard shard;

	if (put->ttl_ms <= 0)
		return CACHE_OK;
	if ((unsigned)put->type >= CACHE_TYPE_COUNT)
		return CACHE_DROPPED;
	if (is_known(put->type, put->database) && fill_entry(cache, put, &entry)) {
		if (put->generation != cache_generation(cache, put->type, put->database))
			return CACHE_OUTDATED;
		for (size_t i = 0; i < put->relation_count; i++)
			relations[i] = (uint32_t)put->relations[i];
		shard = shard_of_hash(cache, entry.hash);
		if (put_entry(&shard, &entry, put, relations) == 0)
			return CACHE_OK;
	}
	shard = shard_at(cache, 0);
	shard_count_event(&shard, put->type, METRIC_CACHE_DROPPED);
	return CACHE_DROPPED;
}

int cache_remove(struct cache *cache, enum cache_type type, int database, struct bytes key)
{
	unsigned database_index = (unsigned)(database + 1);
	uint32_t index = LAYOUT_NONE;
	struct shard shard;
	uint64_t hash;
	int error;

	if (!is_known(type, database))
		return CACHE_MISS;
	hash = cache_hash(cache, type, database_index, key);
	shard = shard_of_hash(cache, hash);
	if (shard_lock_soon(&shard) != 0)
		return CACHE_DROPPED;
	shard_begin_locked(&shard);
	error = shard_find_locked(&shard, hash, type, database_index, key, &index);
	if (!error && index != LAYOUT_NONE)
		error = shard_remove_locked(&shard, index);
	end_write(&shard, error);
	return !error && index == LAYOUT_NONE ? CACHE_MISS : CACHE_OK;
}

/* ---- all of it ---- */

uint32_t cache_generation(const struct cache *cache, enum cache_type type, int database)
{
	if (!is_known(type, database))
		return 0;
	return WORDS_LOAD_ACQUIRE(cache->header->flush_generation[type][database + 1]);
}

struct generations {
	uint32_t of[CACHE_TYPE_COUNT][LAYOUT_DATABASE_INDEXES];
};

/* CACHE_NO_DATABASE: all of them, and what is of none. */
static bool is_concerned(int database, unsigned database_index)
{
	return database == CACHE_NO_DATABASE || database_index == (unsigned)(database + 1);
}

/* Without a name it has none. So of 64 databases few need a look, in up to 1,024 shards. */
static bool may_have_entries(const struct cache *cache, unsigned database_index)
{
	return database_index == 0 ||
	       WORDS_LOAD(cache->databases[database_index - 1].state) == LAYOUT_DATABASE_NAMED;
}

/* What is counted of these generations. */
static struct cache_usage sum_counts(
    struct cache *cache, unsigned type_mask, int database, const struct generations *generations)
{
	unsigned indexes[LAYOUT_DATABASE_INDEXES], concerned = 0;
	struct cache_usage usage = {0};

	for (unsigned i = 0; i < LAYOUT_DATABASE_INDEXES; i++)
		if (is_concerned(database, i) && may_have_entries(cache, i))
			indexes[concerned++] = i;
	for (uint32_t i = 0; i < cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(cache, i);

		for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++) {
			for (unsigned k = 0; (type_mask >> type & 1) && k < concerned; k++) {
				const struct layout_count *count =
				    &shard.header->counts[type][indexes[k]];

				if (WORDS_LOAD(count->generation) !=
				    generations->of[type][indexes[k]])
					continue;
				usage.entries[type] += WORDS_LOAD(count->entries);
				usage.bytes[type] += WORDS_LOAD(count->bytes);
			}
		}
	}
	return usage;
}

static uint64_t all_types(const struct cache_usage *usage)
{
	uint64_t entries = 0;

	for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++)
		entries += usage->entries[type];
	return entries;
}

uint64_t cache_flush(struct cache *cache, unsigned type_mask, int database)
{
	struct generations flushed = {0};
	struct cache_usage usage;

	/* All is invalid before the first count is looked at. */
	for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++) {
		for (unsigned i = 0; i < LAYOUT_DATABASE_INDEXES; i++) {
			if (!(type_mask >> type & 1) || !is_concerned(database, i))
				continue;
			flushed.of[type][i] =
			    atomic_fetch_add(&cache->header->flush_generation[type][i], 1);
			CRASH_POINT();
		}
	}
	usage = sum_counts(cache, type_mask, database, &flushed);
	return all_types(&usage);
}

static struct cache_usage sum_now(struct cache *cache, unsigned type_mask, int database)
{
	struct generations now;

	for (unsigned type = 0; type < CACHE_TYPE_COUNT; type++)
		for (unsigned i = 0; i < LAYOUT_DATABASE_INDEXES; i++)
			now.of[type][i] = WORDS_LOAD(cache->header->flush_generation[type][i]);
	return sum_counts(cache, type_mask, database, &now);
}

uint64_t cache_count(struct cache *cache, unsigned type_mask, int database)
{
	struct cache_usage usage = sum_now(cache, type_mask, database);

	return all_types(&usage);
}

void cache_usage(struct cache *cache, struct cache_usage *ret_usage)
{
	*ret_usage = sum_now(cache, ~0u, CACHE_NO_DATABASE);
}

void cache_count_in(struct cache *cache, struct metrics *metrics)
{
	cache->metrics = metrics;
}
