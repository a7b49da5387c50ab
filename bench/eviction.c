/*
 * Eviction on the real code against LRU: a trace of requests, one entry for each id, whose cost
 * and size are drawn once from seeded lognormals. At 1, 5 and 20 % of the data it prints hit
 * rate and seconds saved of both, and fails where ours is not better: see README.md.
 *
 * The cache lies in private memory, in one shard: the smallest real segment would hold all of
 * it. Both get the same room, in bytes that an entry takes in the arena, its slot included, and
 * both store the same entries. LRU is exact, and its room does not fragment.
 */
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "shm/shard.h"

enum { VALUE_MAX = 256 * 1024, TTL_MS = 24 * 3600 * 1000, IDS_MAX = 1 << 20 };
static const double shares[] = {0.01, 0.05, 0.20};
enum { SHARES = sizeof(shares) / sizeof(shares[0]) };

struct item {
	char *id;
	double cost_s;
	size_t size;
	uint64_t bytes; /* in the cache, with all that belongs to it */
	TAILQ_ENTRY(item) link; /* in LRU's list */
	bool cached; /* by LRU */
};

struct trace {
	struct item *items;
	size_t item_count;
	uint32_t *requests; /* items */
	size_t request_count;
	uint64_t bytes; /* of all items */
};

struct options {
	uint64_t seed, requests, ids;
	const char *file; /* NULL: generated */
};

struct outcome {
	uint64_t hits;
	double saved_s;
};

/* ---- random numbers: the same for the same seed ---- */

static uint64_t random_state;

static double random_unit(void)
{
	random_state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t word = random_state;

	word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	return (double)((word ^ word >> 31) >> 11) / 0x1p53;
}

static double random_lognormal(double median, double sigma)
{
	double u = 1 - random_unit(), v = random_unit();

	return median * exp(sigma * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

/* ---- traces ---- */

static void draw_item(struct item *item)
{
	struct entry entry = {.key_size = (uint32_t)strlen(item->id)};
	double size;

	item->cost_s = random_lognormal(1.2, 1.0);
	size = ceil(random_lognormal(1024, 1.2));
	item->size = size < VALUE_MAX ? (size_t)size : VALUE_MAX;
	entry.value_size = (uint32_t)item->size;
	item->bytes = (uint64_t)entry_grains(&entry) * LAYOUT_GRAIN + sizeof(struct layout_slot);
}

static void add_request(struct trace *trace, uint32_t item)
{
	if ((trace->request_count & (trace->request_count - 1)) == 0)
		trace->requests = must_realloc(trace->requests,
		    (trace->request_count ? 2 * trace->request_count : 1) * sizeof(uint32_t));
	trace->requests[trace->request_count++] = item;
}

static uint32_t add_item(struct trace *trace, const char *id)
{
	struct item *item = &trace->items[trace->item_count];

	item->id = strdup(id);
	if (!item->id)
		abort();
	draw_item(item);
	trace->bytes += item->bytes;
	return (uint32_t)trace->item_count++;
}

/* Popularity by rank, as 1/rank; one request in ten repeats one of the last 32. */
static void generate(struct trace *trace, const struct options *options)
{
	double *sums = must_alloc(options->ids * sizeof(*sums)), sum = 0;
	char id[40];

	for (uint64_t i = 0; i < options->ids; i++) {
		snprintf(id, sizeof(id), "statement %llu", (unsigned long long)i);
		add_item(trace, id);
		sums[i] = sum += 1.0 / (double)(i + 1);
	}
	for (uint64_t n = 0; n < options->requests; n++) {
		double at = random_unit() * sum;
		size_t low = 0, high = options->ids - 1;

		if (n > 32 && random_unit() < 0.1) {
			size_t back = 1 + (size_t)(random_unit() * 32);

			add_request(trace, trace->requests[n - back]);
			continue;
		}
		while (low < high) {
			size_t middle = (low + high) / 2;

			if (sums[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		add_request(trace, (uint32_t)low);
	}
	free(sums);
}

/* A table of ids by hash, open addressing; at most half full. */
static uint32_t find_or_add(struct trace *trace, uint32_t *table, const char *id)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t at;

	for (const char *c = id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	for (at = (hash ^ hash >> 32) % (2 * IDS_MAX); table[at] != 0;
	     at = (at + 1) % (2 * IDS_MAX))
		if (strcmp(trace->items[table[at] - 1].id, id) == 0)
			return table[at] - 1;
	if (trace->item_count == IDS_MAX) {
		fprintf(stderr, "eviction: more than %d ids\n", IDS_MAX);
		exit(2);
	}
	table[at] = (uint32_t)trace->item_count + 1;
	return add_item(trace, id);
}

/* What `workload.py --tsv` prints: the third column is the statement's id. */
static void read_trace(struct trace *trace, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	uint32_t *table = must_zalloc(2 * IDS_MAX * sizeof(*table));
	char *line = NULL;
	size_t room = 0;

	if (!file) {
		fprintf(stderr, "eviction: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	while (getline(&line, &room, file) > 0) {
		char *rest = line, *id;

		strsep(&rest, "\t\n");
		strsep(&rest, "\t\n");
		id = strsep(&rest, "\t\n");
		if (!id || !*id) {
			fprintf(stderr, "eviction: a line has no third column\n");
			exit(2);
		}
		add_request(trace, find_or_add(trace, table, id));
	}
	free(line);
	free(table);
	if (trace->request_count == 0) {
		fprintf(stderr, "eviction: %s has no requests\n", path);
		exit(2);
	}
	if (file != stdin)
		fclose(file);
}

/* ---- the two caches ---- */

static struct outcome run_lru(
    const struct trace *trace, uint64_t room, const struct geometry *geometry)
{
	TAILQ_HEAD(list, item) list = TAILQ_HEAD_INITIALIZER(list);
	struct outcome outcome = {0};
	uint64_t used = 0;

	for (size_t i = 0; i < trace->item_count; i++)
		trace->items[i].cached = false;
	for (size_t n = 0; n < trace->request_count; n++) {
		struct item *item = &trace->items[trace->requests[n]];

		if (item->cached) {
			outcome.hits++;
			outcome.saved_s += item->cost_s;
			TAILQ_REMOVE(&list, item, link);
		} else if (item->bytes - sizeof(struct layout_slot) >
		           (uint64_t)geometry->entry_grains_max * LAYOUT_GRAIN) {
			continue;
		} else {
			used += item->bytes;
			item->cached = true;
		}
		TAILQ_INSERT_HEAD(&list, item, link);
		while (used > room) {
			struct item *last = TAILQ_LAST(&list, list);

			used -= last->bytes;
			last->cached = false;
			TAILQ_REMOVE(&list, last, link);
		}
	}
	return outcome;
}

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

static struct outcome run_ours(const struct trace *trace, const struct geometry *geometry)
{
	static const char value[VALUE_MAX];
	CLEAN(buffer) struct buffer got = BUFFER_INIT;
	struct cache *cache = new_cache(geometry);
	struct outcome outcome = {0};

	for (size_t n = 0; n < trace->request_count; n++) {
		const struct item *item = &trace->items[trace->requests[n]];
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

/* Whether one trace at one size is as it must be; adds to the sum of gains. */
static bool compare(const struct trace *trace, double share, double *gains)
{
	struct geometry geometry;
	struct outcome lru, ours;
	uint64_t room;
	double gain, points;

	geometry_plan_one_shard((uint64_t)(share * (double)trace->bytes), VALUE_MAX, &geometry);
	room = (uint64_t)geometry.grains * LAYOUT_GRAIN;
	lru = run_lru(trace, room, &geometry);
	ours = run_ours(trace, &geometry);
	gain = ours.saved_s / lru.saved_s - 1;
	points = 100 * ((double)ours.hits - (double)lru.hits) / (double)trace->request_count;
	printf("%4.0f %%  %9.1f KiB  LRU %5.2f %% hits, %8.0f s saved; ours %5.2f %% hits, %8.0f s "
	       "saved: %+.1f points, %+.1f %% seconds\n",
	    100 * share, (double)room / 1024, 100 * (double)lru.hits / (double)trace->request_count,
	    lru.saved_s, 100 * (double)ours.hits / (double)trace->request_count, ours.saved_s,
	    points, 100 * gain);
	*gains += gain;
	return gain >= 0 && points >= -1;
}

static const struct argp_option option_rows[] = {
    {"seed", 's', "N", 0, "Of costs, sizes and generated requests (1)", 0},
    {"generate", 'g', "REQUESTS", 0, "Generate so many requests instead of reading a file", 0},
    {"ids", 'i', "N", 0, "Statements of a generated trace (2000)", 0},
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
	case ARGP_KEY_ARG:
		options->file = argument;
		return 0;
	case ARGP_KEY_END:
		if (!options->file == (options->requests == 0) || options->ids == 0 ||
		    options->ids > IDS_MAX)
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
	struct options options = {.seed = 1, .ids = 2000};
	struct trace trace = {.items = must_zalloc(IDS_MAX * sizeof(struct item))};
	double gains = 0;
	bool good = true;

	argp_parse(&parser, argc, argv, 0, NULL, &options);
	clock_init();
	random_state = options.seed;
	if (options.file)
		read_trace(&trace, options.file);
	else
		generate(&trace, &options);
	printf("%s, seed %llu: %zu requests, %zu statements, %.1f MiB\n",
	    options.file ? options.file : "generated", (unsigned long long)options.seed,
	    trace.request_count, trace.item_count, (double)trace.bytes / (1 << 20));
	for (int i = 0; i < SHARES; i++)
		good = compare(&trace, shares[i], &gains) && good;
	printf("on average %+.1f %% seconds\n", 100 * gains / SHARES);
	for (size_t i = 0; i < trace.item_count; i++)
		free(trace.items[i].id);
	free(trace.items);
	free(trace.requests);
	return good && gains / SHARES >= 0.1 ? 0 : 1;
}
