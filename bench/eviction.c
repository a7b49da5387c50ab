/*
 * Eviction on the real code against LRU, and beside it a CLOCK with cost, GDSF and an unlimited
 * room: a trace of requests, one entry for each statement. At several sizes it prints hit rate
 * and seconds saved of each, and fails where ours is not better than LRU: see README.md.
 *
 * The cache lies in private memory, in one shard: the smallest real segment would hold all of
 * it. All get the same room, in bytes that an entry takes in the arena, its slot included.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench/eviction_policies.h"
#include "common/bytes.h"
#include "common/clock.h"
#include "shm/shard.h"

enum { TTL_MS = 24 * 3600 * 1000 };
static const struct {
	double share;
	bool averaged;
} sizes[] = {{0.01, true}, {0.02, false}, {0.05, true}, {0.10, false}, {0.20, true}};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), AVERAGED = 3 };

struct options {
	uint64_t seed, requests, ids;
	const char *pattern;
	const char *file; /* NULL: generated */
	double least_average;
};

static struct cache *new_cache(const struct geometry *geometry)
{
	struct cache *cache = must_zalloc(sizeof(*cache));
	struct shard shard;

	cache->geometry = *geometry;
	cache->hash_seed = 1;
	cache->random = 1;
	cache->header =
	    mmap(NULL, geometry->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cache->header == MAP_FAILED)
		abort();
	cache->databases = (struct layout_database *)((char *)cache->header + LAYOUT_PAGE);
	shard = shard_at(cache, 0);
	if (shard_init(&shard) != 0)
		abort();
	return cache;
}

static void free_cache(struct cache *cache)
{
	munmap(cache->header, cache->geometry.size);
	free(cache);
}

static struct policy_outcome run_ours(const struct trace *trace, const struct geometry *geometry)
{
	static const char value[TRACE_VALUE_MAX];
	CLEAN(buffer) struct buffer got = BUFFER_INIT;
	struct cache *cache = new_cache(geometry);
	struct policy_outcome outcome = {0};

	for (size_t n = 0; n < trace->request_count; n++) {
		const struct trace_item *item = &trace->items[trace->requests[n]];
		struct cache_put put = {
		    .type = CACHE_RESULT,
		    .database = CACHE_NO_DATABASE,
		    .key = bytes_of_string(item->id),
		    .value = bytes_of(value, item->size),
		    .ttl_ms = TTL_MS,
		    .cost_us = (uint64_t)(item->cost_s * 1e6),
		};
		struct cache_hit hit;

		buffer_reset(&got);
		if (cache_get(cache, put.type, put.database, put.key, -1, &got, &hit) == CACHE_OK) {
			outcome.hits++;
			outcome.saved_s += item->cost_s;
		} else {
			cache_put(cache, &put);
		}
	}
	free_cache(cache);
	return outcome;
}

static void print_one(const char *name, const struct trace *trace,
    const struct policy_outcome *outcome, const struct policy_outcome *lru)
{
	double gain = outcome->saved_s / lru->saved_s - 1;

	printf("    %-16s %5.2f %% hits, %8.0f s saved", name,
	    100 * (double)outcome->hits / (double)trace->request_count, outcome->saved_s);
	if (outcome != lru)
		printf(": %+5.1f points, %+5.1f %% seconds",
		    100 * ((double)outcome->hits - (double)lru->hits) /
		        (double)trace->request_count,
		    100 * (lru->saved_s > 0 ? gain : 0));
	printf("\n");
}

/* Whether one trace at one size is as it must be. */
static bool compare(const struct trace *trace, double share, double *ret_gain)
{
	struct policy_outcome lru, other, ours;
	struct geometry geometry;
	struct policy_room room;
	double points;

	geometry_plan_one_shard(
	    (uint64_t)(share * (double)trace->bytes), TRACE_VALUE_MAX, &geometry);
	room.bytes = (uint64_t)geometry.grains * LAYOUT_GRAIN;
	room.entry_max =
	    (uint64_t)geometry.entry_grains_max * LAYOUT_GRAIN + sizeof(struct layout_slot);
	printf("%.0f %%, %.1f KiB\n", 100 * share, (double)room.bytes / 1024);
	lru = policies[0].run(trace, &room);
	print_one(policies[0].name, trace, &lru, &lru);
	for (size_t i = 1; policies[i].name; i++) {
		other = policies[i].run(trace, &room);
		print_one(policies[i].name, trace, &other, &lru);
	}
	ours = run_ours(trace, &geometry);
	print_one("ours", trace, &ours, &lru);
	points = 100 * ((double)ours.hits - (double)lru.hits) / (double)trace->request_count;
	*ret_gain = lru.saved_s > 0 ? ours.saved_s / lru.saved_s - 1 : 0;
	return ours.saved_s >= lru.saved_s && points >= -1;
}

static const struct argp_option option_rows[] = {
    {"seed", 's', "N", 0, "Of costs, sizes and generated requests (1)", 0},
    {"generate", 'g', "REQUESTS", 0, "Generate so many requests instead of reading a file", 0},
    {"ids", 'i', "N", 0, "Statements of a generated trace (2000)", 0},
    {"pattern", 'p', "NAME", 0,
        "Of a generated trace: steady, scans, loops, shifts, whales or decoys (steady)", 0},
    {"least", 'l', "PERCENT", 0, "Seconds to be saved more than by LRU, on average (10)", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 's':
		options->seed = strtoull(argument, NULL, 10);
		return 0;
	case 'g':
		options->requests = strtoull(argument, NULL, 10);
		return 0;
	case 'i':
		options->ids = strtoull(argument, NULL, 10);
		return 0;
	case 'p':
		options->pattern = argument;
		return 0;
	case 'l':
		options->least_average = strtod(argument, NULL);
		return 0;
	case ARGP_KEY_ARG:
		options->file = argument;
		return 0;
	case ARGP_KEY_END:
		if (!options->file == (options->requests == 0))
			argp_error(state, "a FILE, or --generate, is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp parser = {
	    .options = option_rows,
	    .parser = parse_option,
	    .args_doc = "[FILE]",
	    .doc = "Eviction against LRU. FILE is what workload.py --tsv prints (- reads standard "
	           "input). The exit status is 1 where ours is not better.",
	};
	struct options options = {.seed = 1, .ids = 2000, .pattern = "steady", .least_average = 10};
	double gain, gains = 0;
	struct trace trace;
	bool good = true;

	argp_parse(&parser, argc, argv, 0, NULL, &options);
	clock_init();
	if (options.file) {
		trace_read(&trace, options.seed, options.file);
	} else if (!trace_generate(
	               &trace, options.seed, options.pattern, options.requests, options.ids)) {
		fprintf(stderr, "eviction: no such pattern, or too many ids\n");
		return 2;
	}
	printf("%s, seed %llu: %zu requests, %zu statements, %.1f MiB\n",
	    options.file ? options.file : options.pattern, (unsigned long long)options.seed,
	    trace.request_count, trace.item_count, (double)trace.bytes / (1 << 20));
	for (int i = 0; i < SIZES; i++) {
		good = compare(&trace, sizes[i].share, &gain) && good;
		gains += sizes[i].averaged ? 100 * gain / AVERAGED : 0;
	}
	printf("on average %+.1f %% seconds at 1, 5 and 20 %%%s\n", gains,
	    good && gains >= options.least_average ? "" : " MISSED");
	trace_free(&trace);
	return good && gains >= options.least_average ? 0 : 1;
}
