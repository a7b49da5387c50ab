#include "bench/eviction_trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "shm/shard.h"

enum { IDS_MAX = 1 << 20 };

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

/* ---- items and requests ---- */

static void add_request(struct trace *trace, uint32_t item)
{
	if ((trace->request_count & (trace->request_count - 1)) == 0)
		trace->requests = must_realloc(trace->requests,
		    (trace->request_count ? 2 * trace->request_count : 1) * sizeof(uint32_t));
	trace->requests[trace->request_count++] = item;
}

static uint32_t add_sized_item(struct trace *trace, const char *id, double cost_s, double size)
{
	struct trace_item *item;
	struct entry entry = {.key_size = (uint32_t)strlen(id)};

	if (trace->item_count == IDS_MAX) {
		fprintf(stderr, "eviction: more than %d ids\n", IDS_MAX);
		exit(2);
	}
	item = &trace->items[trace->item_count];
	*item = (struct trace_item){.id = strdup(id), .cost_s = cost_s};
	if (!item->id)
		abort();
	item->size = size < TRACE_VALUE_MAX ? (size_t)size : TRACE_VALUE_MAX;
	entry.value_size = (uint32_t)item->size;
	item->bytes = entry_bytes(&entry);
	trace->bytes += item->bytes;
	return (uint32_t)trace->item_count++;
}

static uint32_t add_item(struct trace *trace, const char *id)
{
	double cost_s = random_lognormal(1.2, 1.0);

	return add_sized_item(trace, id, cost_s, ceil(random_lognormal(1024, 1.2)));
}

static void begin(struct trace *trace, uint64_t seed)
{
	*trace = (struct trace){.items = must_zalloc(IDS_MAX * sizeof(*trace->items))};
	random_state = seed;
}

void trace_free(struct trace *trace)
{
	for (size_t i = 0; i < trace->item_count; i++)
		free(trace->items[i].id);
	free(trace->items);
	free(trace->requests);
}

/* ---- traces that are made here ---- */

struct popularity {
	double *sums;
	size_t count;
};

/* By rank, as 1/rank. */
static struct popularity popularity_new(size_t count)
{
	struct popularity popularity = {must_alloc(count * sizeof(double)), count};
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		popularity.sums[i] = sum += 1.0 / (double)(i + 1);
	return popularity;
}

static size_t popularity_draw(const struct popularity *popularity)
{
	size_t low = 0, high = popularity->count - 1;
	double at = random_unit() * popularity->sums[high];

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (popularity->sums[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_items(struct trace *trace, const char *kind, size_t count)
{
	char id[48];

	for (size_t i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "%s %zu", kind, i);
		add_item(trace, id);
	}
}

/* One that is asked once and never again. */
static void add_single(struct trace *trace, double cost_s, double size)
{
	char id[48];

	snprintf(id, sizeof(id), "once %zu", trace->item_count);
	add_request(
	    trace, cost_s > 0 ? add_sized_item(trace, id, cost_s, size) : add_item(trace, id));
}

/* One request in ten repeats one of the last 32. */
static void make_steady(struct trace *trace, const struct popularity *popularity, size_t requests)
{
	for (size_t n = 0; n < requests; n++) {
		if (n > 32 && random_unit() < 0.1)
			add_request(trace, trace->requests[n - 1 - (size_t)(random_unit() * 32)]);
		else
			add_request(trace, (uint32_t)popularity_draw(popularity));
	}
}

/* Every 2,000 requests somebody reads 1,000 others, once. */
static void make_scans(struct trace *trace, const struct popularity *popularity, size_t requests)
{
	for (size_t n = 0; n < requests; n++) {
		if (n % 3000 >= 2000)
			add_single(trace, 0, 0);
		else
			add_request(trace, (uint32_t)popularity_draw(popularity));
	}
}

/* Round and round over 1.2 times as much as each of the sizes holds, one after the other. */
static void make_loops(struct trace *trace, const struct popularity *popularity, size_t requests)
{
	static const double shares[] = {0.01, 0.02, 0.05, 0.1, 0.2};
	enum { LOOPS = sizeof(shares) / sizeof(shares[0]) };

	(void)popularity;
	for (size_t loop = 0; loop < LOOPS; loop++) {
		size_t first = (size_t)(random_unit() * 0.7 * (double)trace->item_count);
		size_t count = 0;
		uint64_t bytes = 0;

		while ((double)bytes < 1.2 * shares[loop] * (double)trace->bytes &&
		       first + count < trace->item_count)
			bytes += trace->items[first + count++].bytes;
		for (size_t n = 0; n < requests / LOOPS; n++)
			add_request(trace, (uint32_t)(first + n % count));
	}
}

/* What is popular changes altogether, eight times. */
static void make_shifts(struct trace *trace, const struct popularity *popularity, size_t requests)
{
	for (size_t n = 0; n < requests; n++) {
		size_t turn = n / (requests / 8 + 1);
		size_t rank = popularity_draw(popularity);

		add_request(
		    trace, (uint32_t)((rank + turn * (popularity->count / 8)) % popularity->count));
	}
}

/* One in a hundred is large, took an hour, and is never asked again. */
static void make_whales(struct trace *trace, const struct popularity *popularity, size_t requests)
{
	for (size_t n = 0; n < requests; n++) {
		if (n % 100 == 99)
			add_single(trace, 3600, 16384);
		else
			add_request(trace, (uint32_t)popularity_draw(popularity));
	}
}

/* One in four took ten times as long as is usual, and is never asked again. */
static void make_decoys(struct trace *trace, const struct popularity *popularity, size_t requests)
{
	for (size_t n = 0; n < requests; n++) {
		if (n % 4 == 3)
			add_single(trace, 12, 1024);
		else
			add_request(trace, (uint32_t)popularity_draw(popularity));
	}
}

static const struct {
	const char *name;
	void (*make)(struct trace *trace, const struct popularity *popularity, size_t requests);
} patterns[] = {
    {"steady", make_steady},
    {"scans", make_scans},
    {"loops", make_loops},
    {"shifts", make_shifts},
    {"whales", make_whales},
    {"decoys", make_decoys},
};
enum { PATTERNS = sizeof(patterns) / sizeof(patterns[0]) };

bool trace_generate(
    struct trace *trace, uint64_t seed, const char *pattern, size_t requests, size_t ids)
{
	struct popularity popularity;
	size_t at = 0;

	while (at < PATTERNS && strcmp(patterns[at].name, pattern) != 0)
		at++;
	if (at == PATTERNS || ids == 0 || ids > IDS_MAX / 2)
		return false;
	begin(trace, seed);
	add_items(trace, "statement", ids);
	popularity = popularity_new(ids);
	patterns[at].make(trace, &popularity, requests);
	free(popularity.sums);
	return true;
}

/* ---- traces that are read ---- */

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
	table[at] = add_item(trace, id) + 1;
	return table[at] - 1;
}

void trace_read(struct trace *trace, uint64_t seed, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	uint32_t *table = must_zalloc(2 * IDS_MAX * sizeof(*table));
	char *line = NULL;
	size_t room = 0;

	if (!file) {
		fprintf(stderr, "eviction: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	begin(trace, seed);
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
