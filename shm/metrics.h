/*
 * Counters, gauges and latency histograms (common/metrics.def) in the metrics segment: one
 * slot per (role, database, index) with a single writer at a time, all relaxed 64-bit words,
 * so that reading never waits and a killed writer neither loses nor doubles a count.
 * A successor claims its predecessor's slot and goes on. A reset stores a baseline.
 */
#pragma once

#include <stdint.h>

#include "common/role.h"
#include "shm/cache.h"

enum metric_counter {
#define COUNTER(id, name, help) METRIC_##id,
#define GAUGE(id, name, help)
#define HISTOGRAM(id, name, unit, help)
#define CACHE_COUNTER(id, name, help)
#include "common/metrics.def"
	METRIC_COUNTER_COUNT
};
#undef COUNTER
#undef GAUGE
#define COUNTER(id, name, help)
#define GAUGE(id, name, help) METRIC_##id,
enum metric_gauge {
#include "common/metrics.def"
	METRIC_GAUGE_COUNT
};
#undef GAUGE
#undef HISTOGRAM
#define GAUGE(id, name, help)
#define HISTOGRAM(id, name, unit, help) METRIC_##id,
enum metric_histogram {
#include "common/metrics.def"
	METRIC_HISTOGRAM_COUNT
};
#undef HISTOGRAM
#undef CACHE_COUNTER
#define HISTOGRAM(id, name, unit, help)
#define CACHE_COUNTER(id, name, help) METRIC_CACHE_##id,
enum metric_cache_counter {
#include "common/metrics.def"
	METRIC_CACHE_COUNTER_COUNT
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
#undef CACHE_COUNTER

struct metrics;

/* Claims the slot of (role, database, index); database "" where the role has none. 0 or -ENOSPC. */
int metrics_claim(struct metrics *metrics, enum role role, const char *database, unsigned index);

void metrics_add(struct metrics *metrics, enum metric_counter counter, uint64_t by);
void metrics_set(struct metrics *metrics, enum metric_gauge gauge, int64_t value);
void metrics_observe(struct metrics *metrics, enum metric_histogram histogram, uint64_t value);
void metrics_add_cache(struct metrics *metrics, enum cache_group group,
    enum metric_cache_counter counter, uint64_t by);

/* Sums over all slots since the last reset. */
struct metrics_histogram_sum {
	uint64_t count;
	double average;
	uint64_t p50, p90, p99, p999;
};
struct metrics_sum {
	uint64_t counters[METRIC_COUNTER_COUNT];
	int64_t gauges[METRIC_GAUGE_COUNT];
	uint64_t cache[CACHE_GROUP_COUNT][METRIC_CACHE_COUNTER_COUNT];
	struct metrics_histogram_sum histograms[METRIC_HISTOGRAM_COUNT];
};
void metrics_read(struct metrics *metrics, struct metrics_sum *ret_sum);
/* Counters and histograms count from here on; gauges stay. */
void metrics_reset(struct metrics *metrics);
