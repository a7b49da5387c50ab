#include "daemon/figures.h"

#include "common/pack.h"
#include "daemon/threshold.h"

static const char *const group_names[CACHE_GROUP_COUNT] = {
    [CACHE_GROUP_ROUTE] = "route",
    [CACHE_GROUP_CHAT] = "chat",
    [CACHE_GROUP_SQL] = "sql",
    [CACHE_GROUP_LLM] = "llm",
};

static const enum cache_group groups[CACHE_TYPE_COUNT] = {
#define CACHE_TYPE(id, name, group, ttl_key, writer) [CACHE_##id] = CACHE_GROUP_##group,
#include "common/cache_types.def"
#undef CACHE_TYPE
};

static const char *const cache_counter_names[METRIC_CACHE_COUNTER_COUNT] = {
#define COUNTER(id, name, help)
#define GAUGE(id, name, help)
#define HISTOGRAM(id, name, unit, help)
#define CACHE_COUNTER(id, name, help) [METRIC_CACHE_##id] = name,
#include "common/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
#undef CACHE_COUNTER
};

static double share(uint64_t part, uint64_t rest)
{
	return part + rest > 0 ? (double)part / (double)(part + rest) : 0.0;
}

static void pack_group(const struct metrics_sum *sum, const struct cache_usage *usage,
    enum cache_group group, struct buffer *message)
{
	uint64_t entries = 0, bytes = 0;

	for (int type = 0; usage && type < CACHE_TYPE_COUNT; type++) {
		if (groups[type] != group)
			continue;
		entries += usage->entries[type];
		bytes += usage->bytes[type];
	}
	pack_map(message, METRIC_CACHE_COUNTER_COUNT + (usage ? 2 : 0));
	for (int counter = 0; counter < METRIC_CACHE_COUNTER_COUNT; counter++)
		pack_pair_int(
		    message, cache_counter_names[counter], (int64_t)sum->cache[group][counter]);
	if (!usage)
		return;
	pack_pair_int(message, "entries", (int64_t)entries);
	pack_pair_int(message, "bytes", (int64_t)bytes);
}

static void pack_cache(
    const struct metrics_sum *sum, const struct cache_usage *usage, struct buffer *message)
{
	uint64_t hits = 0, misses = 0, entries = 0, bytes = 0;

	for (int group = 0; group < CACHE_GROUP_COUNT; group++) {
		hits += sum->cache[group][METRIC_CACHE_HITS];
		misses += sum->cache[group][METRIC_CACHE_MISSES];
	}
	for (int type = 0; usage && type < CACHE_TYPE_COUNT; type++) {
		entries += usage->entries[type];
		bytes += usage->bytes[type];
	}
	pack_map(message, 2 + CACHE_GROUP_COUNT + (usage ? 2 : 0));
	pack_pair_float(message, "hit_rate", share(hits, misses));
	pack_pair_int(message, "repairs", (int64_t)sum->counters[METRIC_REPAIRS]);
	if (usage) {
		pack_pair_int(message, "total_entries", (int64_t)entries);
		pack_pair_int(message, "bytes", (int64_t)bytes);
	}
	for (int group = 0; group < CACHE_GROUP_COUNT; group++) {
		pack_string(message, group_names[group]);
		pack_group(sum, usage, (enum cache_group)group, message);
	}
}

static void pack_response_times(
    const struct metrics_histogram_sum *response, struct buffer *message)
{
	pack_map(message, 5);
	pack_pair_float(message, "average_ms", response->average / 1000.0);
	pack_pair_float(message, "p50_ms", (double)response->p50 / 1000.0);
	pack_pair_float(message, "p90_ms", (double)response->p90 / 1000.0);
	pack_pair_float(message, "p99_ms", (double)response->p99 / 1000.0);
	pack_pair_float(message, "p999_ms", (double)response->p999 / 1000.0);
}

static uint64_t sum_bins(const struct metrics_sum *sum, enum metric_counter first)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < THRESHOLD_BINS; i++)
		all += sum->counters[first + i];
	return all;
}

/* Who decided, and how often a model said what the heuristic leaned to. */
static void pack_routing(const struct metrics_sum *sum, struct buffer *message)
{
	static const struct {
		const char *key;
		enum metric_counter counter;
	} ways[] = {
	    {"sql_text", METRIC_ROUTED_SQL_TEXT},
	    {"corrections", METRIC_ROUTED_CORRECTION},
	    {"when_unsure", METRIC_ROUTED_UNSURE},
	    {"refused", METRIC_ROUTED_REFUSED},
	    {"client", METRIC_ROUTED_CLIENT},
	};
	const size_t count = sizeof(ways) / sizeof(ways[0]);
	uint64_t heuristic = sum->counters[METRIC_ROUTED_HEURISTIC];
	uint64_t model = sum->counters[METRIC_ROUTED_MODEL];

	pack_string(message, "heuristic_routing");
	pack_map(message, 2 + count);
	pack_pair_int(message, "hits", (int64_t)heuristic);
	pack_pair_float(message, "percentage", 100.0 * share(heuristic, model));
	for (size_t i = 0; i < count; i++)
		pack_pair_int(message, ways[i].key, (int64_t)sum->counters[ways[i].counter]);
	pack_string(message, "model_routing");
	pack_map(message, 3);
	pack_pair_int(message, "hits", (int64_t)model);
	pack_pair_int(message, "asked", (int64_t)sum_bins(sum, METRIC_ROUTE_ASKED_50));
	pack_pair_int(message, "agreed", (int64_t)sum_bins(sum, METRIC_ROUTE_AGREED_50));
}

void figures_pack(
    const struct metrics_sum *sum, const struct cache_usage *usage, struct buffer *message)
{
	pack_pair_int(message, "total_requests", (int64_t)sum->counters[METRIC_REQUESTS]);
	pack_routing(sum, message);
	pack_string(message, "cache_stats");
	pack_cache(sum, usage, message);
	pack_string(message, "sql_repairs");
	pack_map(message, 2);
	pack_pair_int(message, "asked", (int64_t)sum->counters[METRIC_SQL_REPAIRS]);
	pack_pair_int(message, "mended", (int64_t)sum->counters[METRIC_SQL_REPAIRED]);
	pack_string(message, "response_times");
	pack_response_times(&sum->histograms[METRIC_RESPONSE], message);
}
