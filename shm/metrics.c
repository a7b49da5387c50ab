#include "shm/metrics.h"

#include <errno.h>
#include <xxhash.h>

#include "common/bytes.h"
#include "shm/layout_metrics.h"
#include "shm/words.h"

enum { METRICS_WAIT_US = 100000, METRICS_READ_TRIES = 4 };

struct metrics {
	struct layout_metrics *layout;
	struct layout_metrics_slot *slot; /* ours; NULL until claimed */
};

uint64_t metrics_layout_hash(void)
{
	static const char names[] =
#define COUNTER(id, name, help)         "c " name "\n"
#define GAUGE(id, name, help)           "g " name "\n"
#define HISTOGRAM(id, name, unit, help) "h " name " " unit "\n"
#define CACHE_COUNTER(id, name, help)   "k " name "\n"
#include "common/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
#undef CACHE_COUNTER
#define ROLE(id, name, program, work_channel, uses_cache, per_database) "r " name "\n"
#include "common/roles.def"
#undef ROLE
	    ;
	const uint64_t sizes[] = {
	    sizeof(struct layout_metrics),
	    sizeof(struct layout_metrics_slot),
	    sizeof(struct layout_numbers),
	    sizeof(struct lock),
	    METRICS_SUB_BITS,
	    METRICS_VALUE_BITS,
	    CACHE_GROUP_COUNT,
	};

	return XXH3_64bits_withSeed(names, sizeof(names), XXH3_64bits(sizes, sizeof(sizes)));
}

struct metrics *metrics_new(struct layout_metrics *layout)
{
	struct metrics *metrics = must_zalloc(sizeof(*metrics));

	metrics->layout = layout;
	return metrics;
}

int metrics_init(struct layout_metrics *layout)
{
	return lock_init(&layout->lock);
}

/* Nothing to repair after a death: a claim and a reset are each made by their last store. */
static int take_lock(struct metrics *metrics)
{
	int taken = lock_take(&metrics->layout->lock, METRICS_WAIT_US);

	if (taken == LOCK_OWNER_DIED)
		lock_mark_repaired(&metrics->layout->lock);
	return taken < 0 ? taken : 0;
}

static bool is_slot_of(
    const struct layout_metrics_slot *slot, enum role role, struct bytes database, unsigned index)
{
	return slot->role == role && slot->index == index &&
	       slot->database_size <= sizeof(slot->database) &&
	       bytes_equal(bytes_of(slot->database, slot->database_size), database);
}

static struct layout_metrics_slot *claim_locked(
    struct layout_metrics *layout, enum role role, struct bytes database, unsigned index)
{
	for (int i = 0; i < METRICS_SLOTS; i++) {
		struct layout_metrics_slot *slot = &layout->slots[i];

		if (WORDS_LOAD_ACQUIRE(slot->state) == METRICS_SLOT_NAMED) {
			if (is_slot_of(slot, role, database, index))
				return slot;
			continue;
		}
		slot->role = role;
		CRASH_POINT();
		slot->index = index;
		CRASH_POINT();
		slot->database_size = (uint32_t)database.size;
		CRASH_POINT();
		if (database.size > 0)
			memcpy(slot->database, database.data, database.size);
		CRASH_POINT();
		WORDS_PUBLISH(slot->state, METRICS_SLOT_NAMED);
		return slot;
	}
	return NULL;
}

int metrics_claim(struct metrics *metrics, enum role role, const char *database, unsigned index)
{
	struct bytes name = bytes_of_string(database);
	int error;

	if (name.size > sizeof(metrics->layout->slots[0].database))
		return -EINVAL;
	error = take_lock(metrics);
	if (error)
		return error;
	metrics->slot = claim_locked(metrics->layout, role, name, index);
	lock_release(&metrics->layout->lock);
	if (!metrics->slot)
		return -ENOSPC;
	/* What the predecessor had open died with it. */
	for (int i = 0; i < METRIC_GAUGE_COUNT; i++)
		WORDS_STORE(metrics->slot->gauges[i], 0);
	return 0;
}

/* One writer: a load and a store, no locked instruction. */
static void add(_Atomic uint64_t *number, uint64_t by)
{
	WORDS_STORE(*number, WORDS_LOAD(*number) + by);
}

void metrics_add(struct metrics *metrics, enum metric_counter counter, uint64_t by)
{
	if (metrics->slot)
		add(&metrics->slot->numbers.counters[counter], by);
}

void metrics_set(struct metrics *metrics, enum metric_gauge gauge, int64_t value)
{
	if (metrics->slot)
		WORDS_STORE(metrics->slot->gauges[gauge], value);
}

void metrics_add_cache(
    struct metrics *metrics, enum cache_group group, enum metric_cache_counter counter, uint64_t by)
{
	if (metrics->slot)
		add(&metrics->slot->numbers.cache[group][counter], by);
}

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value >> METRICS_VALUE_BITS != 0)
		return METRICS_BUCKETS - 1;
	if (value < METRICS_SUB_BUCKETS)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - METRICS_SUB_BITS;
	/* The leading bit is worth one row of sub-buckets more than `shift` says. */
	return (shift << METRICS_SUB_BITS) + (unsigned)(value >> shift);
}

static uint64_t bucket_middle(unsigned bucket)
{
	unsigned shift;
	uint64_t low;

	if (bucket < 2 * METRICS_SUB_BUCKETS)
		return bucket;
	shift = (bucket >> METRICS_SUB_BITS) - 1;
	low = (uint64_t)(bucket - (shift << METRICS_SUB_BITS)) << shift;
	return low + (UINT64_C(1) << shift) / 2;
}

void metrics_observe(struct metrics *metrics, enum metric_histogram histogram, uint64_t value)
{
	struct layout_histogram *at;

	if (!metrics->slot)
		return;
	at = &metrics->slot->numbers.histograms[histogram];
	add(&at->sum, value);
	add(&at->buckets[bucket_of(value)], 1);
}

/* struct layout_numbers as plain words: sums and baselines treat all of them alike. */
struct numbers {
	union {
		uint64_t words[METRICS_NUMBERS];
		struct {
			uint64_t counters[METRIC_COUNTER_COUNT];
			uint64_t cache[CACHE_GROUP_COUNT][METRIC_CACHE_COUNTER_COUNT];
			struct {
				uint64_t sum;
				uint64_t buckets[METRICS_BUCKETS];
			} histograms[METRIC_HISTOGRAM_COUNT];
		};
	};
};
static_assert(sizeof(struct numbers) == sizeof(struct layout_numbers), "one is the other");

static _Atomic uint64_t *words_of(struct layout_numbers *numbers)
{
	return (_Atomic uint64_t *)numbers;
}

static void sum_slots(struct layout_metrics *layout, struct numbers *ret_sum, int64_t *ret_gauges)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	memset(ret_gauges, 0, METRIC_GAUGE_COUNT * sizeof(*ret_gauges));
	for (int i = 0; i < METRICS_SLOTS; i++) {
		struct layout_metrics_slot *slot = &layout->slots[i];

		if (WORDS_LOAD_ACQUIRE(slot->state) != METRICS_SLOT_NAMED)
			continue;
		for (int k = 0; k < METRICS_NUMBERS; k++)
			ret_sum->words[k] += WORDS_LOAD(words_of(&slot->numbers)[k]);
		for (int k = 0; k < METRIC_GAUGE_COUNT; k++)
			ret_gauges[k] += WORDS_LOAD(slot->gauges[k]);
	}
}

static uint64_t percentile(const uint64_t *buckets, uint64_t count, double share)
{
	/* The smallest value that at least this share of the observations does not exceed. */
	uint64_t rank = (uint64_t)(share * (double)count), seen = 0;

	if ((double)rank < share * (double)count)
		rank++;
	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		seen += buckets[i];
		if (seen >= rank && seen > 0)
			return bucket_middle(i);
	}
	return 0;
}

static void sum_histogram(uint64_t sum, const uint64_t *buckets, struct metrics_histogram_sum *ret)
{
	struct metrics_histogram_sum result = {0};

	for (int i = 0; i < METRICS_BUCKETS; i++)
		result.count += buckets[i];
	result.average = result.count ? (double)sum / (double)result.count : 0;
	result.p50 = percentile(buckets, result.count, 0.5);
	result.p90 = percentile(buckets, result.count, 0.9);
	result.p99 = percentile(buckets, result.count, 0.99);
	result.p999 = percentile(buckets, result.count, 0.999);
	*ret = result;
}

/* The sums since the baseline of this word of the layout's. */
static void read_numbers(
    struct layout_metrics *layout, uint32_t word, struct numbers *ret, int64_t *ret_gauges)
{
	_Atomic uint64_t *base = words_of(&layout->baselines[word & 1]);

	/* The baseline is read before the sums: they only grow. */
	sum_slots(layout, ret, ret_gauges);
	if (word & METRICS_RELEASED)
		memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < METRICS_NUMBERS; i++) {
		/* A baseline that holds what was given up is below zero, and wraps around. */
		int64_t since = (int64_t)(ret->words[i] - WORDS_LOAD(base[i]));

		ret->words[i] = since > 0 ? (uint64_t)since : 0;
	}
}

void metrics_read(struct metrics *metrics, struct metrics_sum *ret_sum)
{
	struct layout_metrics *layout = metrics->layout;
	struct numbers numbers;
	struct metrics_sum sum;

	/* Again where slots were given up meanwhile; a reset does not come more often than that. */
	for (int tries = 0; tries < METRICS_READ_TRIES; tries++) {
		uint32_t word = WORDS_LOAD_ACQUIRE(layout->baseline);

		read_numbers(layout, word, &numbers, sum.gauges);
		atomic_thread_fence(memory_order_acquire);
		if (WORDS_LOAD(layout->baseline) == word)
			break;
	}
	memcpy(sum.counters, numbers.counters, sizeof(sum.counters));
	memcpy(sum.cache, numbers.cache, sizeof(sum.cache));
	for (int i = 0; i < METRIC_HISTOGRAM_COUNT; i++)
		sum_histogram(
		    numbers.histograms[i].sum, numbers.histograms[i].buckets, &sum.histograms[i]);
	*ret_sum = sum;
}

/* The other baseline is filled first and then made to hold, so a death in between resets
 * nothing rather than half. */
void metrics_reset(struct metrics *metrics)
{
	int64_t gauges[METRIC_GAUGE_COUNT];
	struct numbers numbers;
	_Atomic uint64_t *base;
	uint32_t next;

	if (take_lock(metrics))
		return;
	next = (WORDS_LOAD(metrics->layout->baseline) & 1) ^ 1;
	base = words_of(&metrics->layout->baselines[next]);
	sum_slots(metrics->layout, &numbers, gauges);
	for (int i = 0; i < METRICS_NUMBERS; i++)
		WORDS_STORE(base[i], numbers.words[i]);
	WORDS_PUBLISH(metrics->layout->baseline, next);
	lock_release(&metrics->layout->lock);
}

static void clear_slots(struct layout_metrics *layout)
{
	for (int i = 0; i < METRICS_SLOTS; i++) {
		struct layout_metrics_slot *slot = &layout->slots[i];

		if (WORDS_LOAD(slot->state) != METRICS_SLOT_NAMED)
			continue;
		for (int k = 0; k < METRICS_NUMBERS; k++)
			WORDS_STORE(words_of(&slot->numbers)[k], 0);
		for (int k = 0; k < METRIC_GAUGE_COUNT; k++)
			WORDS_STORE(slot->gauges[k], 0);
		WORDS_PUBLISH(slot->state, METRICS_SLOT_FREE);
	}
}

/*
 * What the slots say goes into the other baseline, below zero. One store makes that hold and says
 * that the slots count no more; only then are they cleared. Who dies in between leaves the totals
 * as they were, and the next one goes on from there.
 */
void metrics_release_slots(struct layout_metrics *layout, unsigned most)
{
	uint32_t word = WORDS_LOAD(layout->baseline), next = (word & 1) ^ 1;
	int64_t gauges[METRIC_GAUGE_COUNT];
	struct numbers numbers;
	unsigned taken = 0;

	for (int i = 0; i < METRICS_SLOTS; i++)
		taken += WORDS_LOAD(layout->slots[i].state) == METRICS_SLOT_NAMED;
	if (word & METRICS_RELEASED) {
		next = word & 1;
	} else if (taken > most) {
		sum_slots(layout, &numbers, gauges);
		for (int i = 0; i < METRICS_NUMBERS; i++)
			WORDS_STORE(words_of(&layout->baselines[next])[i],
			    WORDS_LOAD(words_of(&layout->baselines[word & 1])[i]) -
			        numbers.words[i]);
		WORDS_PUBLISH(layout->baseline, next | METRICS_RELEASED);
	} else {
		return;
	}
	clear_slots(layout);
	WORDS_PUBLISH(layout->baseline, next);
}
