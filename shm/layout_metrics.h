/*
 * Every byte of the metrics segment: header, two baselines, slots. A slot's numbers have one
 * writer, the process that claimed it; its name is written once, under the lock.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "shm/lock.h"
#include "shm/metrics.h"

enum {
	METRICS_VERSION = 2,
	METRICS_SLOTS = 512, /* 1 router, 16 inference workers, the rest for the databases' */
	/* Prepare gives all of them up where more are taken: half may be of what is configured no
	 * longer. */
	METRICS_SLOTS_KEPT = METRICS_SLOTS / 2,
	/*
	 * Values below 32 have a bucket each; above, every power of two is cut into 32 equal
	 * parts, so a bucket's middle is at most 1/64 (1.6 %) from what fell into it.
	 */
	METRICS_SUB_BITS = 5,
	METRICS_SUB_BUCKETS = 1 << METRICS_SUB_BITS,
	METRICS_VALUE_BITS = 32, /* larger values count as the largest: over an hour, in us */
	METRICS_BUCKETS = METRICS_SUB_BUCKETS * (METRICS_VALUE_BITS - METRICS_SUB_BITS + 1),
};
#define METRICS_MAGIC UINT64_C(0x6f7074696d61784d)

struct layout_histogram {
	_Atomic uint64_t sum;
	_Atomic uint64_t buckets[METRICS_BUCKETS];
};

/* All that only grows. */
struct layout_numbers {
	_Atomic uint64_t counters[METRIC_COUNTER_COUNT];
	_Atomic uint64_t cache[CACHE_GROUP_COUNT][METRIC_CACHE_COUNTER_COUNT];
	struct layout_histogram histograms[METRIC_HISTOGRAM_COUNT];
};
enum { METRICS_NUMBERS = sizeof(struct layout_numbers) / sizeof(uint64_t) };

enum { METRICS_SLOT_FREE, METRICS_SLOT_NAMED };
/* In `baseline`: what the slots say is in it already, and they are being given up. */
enum { METRICS_RELEASED = 2 };

struct layout_metrics_slot {
	_Alignas(64) _Atomic uint32_t state; /* NAMED, with release, is the commit point */
	uint32_t role;
	uint32_t index;
	uint32_t database_size;
	char database[64];
	_Atomic int64_t gauges[METRIC_GAUGE_COUNT];
	_Alignas(64) struct layout_numbers numbers;
};

struct layout_metrics {
	_Atomic uint64_t magic; /* stored last */
	uint64_t version;
	uint64_t layout_hash; /* of the sizes below and of every metric's name and place */
	_Atomic uint32_t baseline; /* which of the two holds, and METRICS_RELEASED */
	uint32_t reserved;
	_Alignas(64) struct lock lock; /* claims and resets */
	_Alignas(64) struct layout_numbers baselines[2];
	struct layout_metrics_slot slots[METRICS_SLOTS];
};

static_assert(sizeof(struct layout_numbers) % 8 == 0, "numbers are words");
static_assert(offsetof(struct layout_metrics, lock) == 64, "metrics lock");
static_assert(offsetof(struct layout_metrics, baselines) == 128, "metrics baselines");

/* What segment.c makes and checks. */
uint64_t metrics_layout_hash(void);
struct metrics *metrics_new(struct layout_metrics *layout);
int metrics_init(struct layout_metrics *layout);
/* Gives up all slots where more than `most` are taken; the totals stay. Only while nobody counts;
 * may die anywhere, and is called again then. */
void metrics_release_slots(struct layout_metrics *layout, unsigned most);
