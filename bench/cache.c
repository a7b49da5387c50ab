/*
 * What the cache costs, on a segment of its own: get and put beyond copying and hashing, how
 * much a get pays for a million entries, what readers lose beside a writer, repair, and where
 * the bytes go. CPU time, in rounds that alternate with what is compared. README.md has the
 * figures' meaning; the exit status is 1 where one is missed.
 */
#include <argp.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "shm/segment.h"
#include "shm/shard.h"

enum { KEY_SIZE = 100, VALUE_SIZE = 1024, FEW = 1000, ROUNDS = 15, CHURNS = 30, MIB = 1 << 20 };

struct options {
	uint32_t entries;
	unsigned mib; /* of the cache whose bytes are measured */
	const char *only; /* NULL: all */
};

/* The first is used where one will do. */
static char instances[3][48];
static bool missed;

static void require(bool holds, const char *limit)
{
	printf("%s %s\n", limit, holds ? "" : " MISSED");
	missed = missed || !holds;
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * bound >> 32);
}

static int compare_doubles(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return values[count / 2];
}

/* ---- the cache under test ---- */

static void remove_segments(void)
{
	for (size_t i = 0; i < sizeof(instances) / sizeof(instances[0]); i++)
		segment_unlink(instances[i]);
}

static void prepare(
    const char *instance, uint64_t size, uint64_t max_value, struct cache **ret_cache)
{
	struct segment_geometry geometry = {size, max_value};
	struct segment_outcome outcome;
	char message[512];

	segment_unlink(instance);
	if (segment_prepare(instance, &geometry, &outcome, message, sizeof(message)) != 0) {
		fprintf(stderr, "cache: %s\n", message);
		exit(2);
	}
	if (segment_attach_cache(instance, ret_cache) != 0)
		abort();
}

static struct bytes key_of(uint32_t number, char key[static KEY_SIZE])
{
	memset(key, 'k', KEY_SIZE);
	memcpy(key + 50, &number, sizeof(number));
	return bytes_of(key, KEY_SIZE);
}

static void put_priced(struct cache *cache, uint32_t number, size_t value_size, uint64_t cost_us)
{
	static char value[256 * 1024];
	char key[KEY_SIZE];
	struct cache_put put = {
	    .type = CACHE_RESULT,
	    .database = CACHE_NO_DATABASE,
	    .key = key_of(number, key),
	    .value = bytes_of(value, value_size),
	    .ttl_ms = 3600 * 1000,
	    .cost_us = cost_us,
	};

	memcpy(value, &number, sizeof(number));
	cache_put(cache, &put);
}

static void put_one(struct cache *cache, uint32_t number, size_t value_size)
{
	put_priced(cache, number, value_size, 1000);
}

static bool get_one(struct cache *cache, uint32_t number, struct buffer *value)
{
	char key[KEY_SIZE];
	struct cache_hit hit;

	buffer_reset(value);
	return cache_get(cache, CACHE_RESULT, CACHE_NO_DATABASE, key_of(number, key), -1, value,
	           &hit) == CACHE_OK;
}

static struct buffer got = BUFFER_INIT;

static double time_gets(struct cache *cache, uint32_t entries, uint32_t count)
{
	double start = cpu_ns();

	for (uint32_t i = 0; i < count; i++)
		if (!get_one(cache, random_below(entries), &got)) {
			fprintf(stderr, "cache: an entry that was put is not there\n");
			exit(2);
		}
	return (cpu_ns() - start) / count;
}

static double time_puts(struct cache *cache, uint32_t entries, uint32_t count)
{
	double start = cpu_ns();

	for (uint32_t i = 0; i < count; i++)
		put_one(cache, random_below(entries), VALUE_SIZE);
	return (cpu_ns() - start) / count;
}

/* Where goes what is worked out for the time it takes. */
static volatile uint64_t sink;

/* What any get or put of these bytes must do: make the key, hash both, copy. */
static double time_bare(uint32_t entries, uint32_t count)
{
	static char values[FEW][VALUE_SIZE];
	double start = cpu_ns();

	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = random_below(entries);
		char key[KEY_SIZE];
		struct bytes bytes = key_of(number, key);

		buffer_reset(&got);
		sink += XXH3_64bits_withSeed(bytes.data, bytes.size, 1);
		buffer_append(&got, values[number], VALUE_SIZE);
		sink += XXH3_64bits(got.data, VALUE_SIZE);
	}
	return (cpu_ns() - start) / count;
}

static void measure_operations(const struct options *options)
{
	double gets[ROUNDS], puts[ROUNDS], bare[ROUNDS], get, put, least;
	struct cache *cache;

	(void)options;
	prepare(instances[0], 64 * MIB, 1 * MIB, &cache);
	for (uint32_t i = 0; i < FEW; i++)
		put_one(cache, i, VALUE_SIZE);
	for (int i = 0; i < ROUNDS; i++) {
		bare[i] = time_bare(FEW, 100000);
		gets[i] = time_gets(cache, FEW, 100000) - bare[i];
		puts[i] = time_puts(cache, FEW, 50000) - bare[i];
	}
	get = median(gets, ROUNDS);
	put = median(puts, ROUNDS);
	least = median(bare, ROUNDS);
	printf("copy and hash of 1 KiB: %.0f ns\n", least);
	printf("get at %d entries: %.0f ns more", FEW, get);
	require(get <= 200, " (<= 200)");
	printf("put at %d entries: %.0f ns more", FEW, put);
	require(put <= 500, " (<= 500)");
}

/* ---- a million entries ---- */

/* A random cycle through the memory, a cache line each: every load waits for the one before. */
static double time_dependent_misses(size_t bytes)
{
	size_t count = bytes / 64;
	uint64_t *memory =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t at = 0;
	double start;

	if (memory == MAP_FAILED)
		abort();
	for (size_t i = 0; i < count; i++)
		memory[i * 8] = i;
	/* Sattolo: one cycle through all. */
	for (size_t i = count - 1; i > 0; i--) {
		size_t other = random_below((uint32_t)i);
		uint64_t swap = memory[i * 8];

		memory[i * 8] = memory[other * 8];
		memory[other * 8] = swap;
	}
	start = cpu_ns();
	for (int i = 0; i < 2000000; i++)
		at = memory[at * 8];
	sink += at;
	start = (cpu_ns() - start) / 2000000;
	munmap(memory, bytes);
	return start;
}

static void measure_many(const struct options *options)
{
	uint32_t entries = options->entries;
	double many[ROUNDS], few[ROUNDS], miss;
	uint64_t size = (uint64_t)entries * 400 + (64 << 20);
	struct cache *cache;
	struct cache_usage usage;

	prepare(instances[0], size, 64 * 1024, &cache);
	for (uint32_t i = 0; i < entries; i++)
		put_one(cache, i, 64);
	cache_usage(cache, &usage);
	if (usage.entries[CACHE_RESULT] != entries) {
		fprintf(stderr, "cache: %llu entries are there\n",
		    (unsigned long long)usage.entries[CACHE_RESULT]);
		exit(2);
	}
	for (int i = 0; i < ROUNDS; i++) {
		few[i] = time_gets(cache, FEW, 100000);
		many[i] = time_gets(cache, entries, 100000);
	}
	miss = time_dependent_misses(size);
	printf("get at %u entries: %.0f ns, of %d of them %.0f ns; a dependent miss in as much "
	       "memory %.0f ns: %.1f misses",
	    entries, median(many, ROUNDS), FEW, median(few, ROUNDS), miss,
	    (median(many, ROUNDS) - median(few, ROUNDS)) / miss);
	require((median(many, ROUNDS) - median(few, ROUNDS)) / miss <= 3, " (<= 3)");
}

/* ---- a flush ---- */

static double time_flushes(struct cache *cache, uint32_t entries)
{
	double times[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		double start;

		for (uint32_t i = 0; i < entries; i++)
			put_one(cache, i, 64);
		start = cpu_ns();
		cache_flush(cache, ~0u, CACHE_NO_DATABASE);
		times[round] = (cpu_ns() - start) / 1000;
	}
	return median(times, ROUNDS);
}

static void measure_flush(const struct options *options)
{
	uint32_t many = options->entries / 10;
	struct cache *cache;
	double few_us, many_us;

	prepare(instances[0], 1024 * MIB, 1 * MIB, &cache);
	few_us = time_flushes(cache, FEW);
	many_us = time_flushes(cache, many);
	printf("flush of everything in 1 GiB: %.1f us with %d entries, %.1f us with %u", few_us,
	    FEW, many_us, many);
	require(many_us <= 100, " (<= 100)");
}

/* ---- readers beside a writer ---- */

enum { READERS = 2, WRITER = READERS, MEMBERS = READERS + 1, SHARING_ROUNDS = 41 };

/*
 * Two readers and a writer, each a process that attached by itself. Where there are fewer cores
 * than processes they also lose to each other's work; so the same is done with a segment for
 * each, and what is asked for is the difference that sharing makes.
 */
struct beside {
	_Atomic bool stop;
	double ns[READERS]; /* a get */
	uint32_t read, written, gets; /* written 0: always new keys */
};

static struct cache *be_member(int member, bool apart)
{
	struct cache *cache;
	cpu_set_t cores;

	CPU_ZERO(&cores);
	CPU_SET((size_t)(member % (int)sysconf(_SC_NPROCESSORS_ONLN)), &cores);
	sched_setaffinity(0, sizeof(cores), &cores);
	random_state += (uint64_t)(member + 1) * 7919;
	if (segment_attach_cache(instances[apart ? member : 0], &cache) != 0)
		abort();
	return cache;
}

static void be_reader(struct beside *beside, int member, struct cache *cache)
{
	time_gets(cache, beside->read, beside->gets / 10);
	beside->ns[member] = time_gets(cache, beside->read, beside->gets);
}

static void be_writer(struct beside *beside, struct cache *cache)
{
	for (uint32_t i = 0; !beside->stop; i++)
		put_one(
		    cache, beside->written ? random_below(beside->written) : FEW + i, VALUE_SIZE);
}

static pid_t start_member(struct beside *beside, int member, bool apart)
{
	struct cache *cache;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	cache = be_member(member, apart);
	if (member == WRITER)
		be_writer(beside, cache);
	else
		be_reader(beside, member, cache);
	_exit(0);
}

static void run_members(struct beside *beside, int readers, bool with_writer, bool apart)
{
	pid_t pids[READERS], writer = 0;

	beside->stop = false;
	if (with_writer)
		writer = start_member(beside, WRITER, apart);
	for (int i = 0; i < readers; i++)
		pids[i] = start_member(beside, i, apart);
	for (int i = 0; i < readers; i++)
		waitpid(pids[i], NULL, 0);
	beside->stop = true;
	if (with_writer)
		waitpid(writer, NULL, 0);
}

/* Percent, of the reader that loses more. */
static double measure_loss(struct beside *beside, const char *what)
{
	double shared[READERS][SHARING_ROUNDS], alone[READERS][SHARING_ROUNDS], worst = -100,
	                                                                        worst_alone = -100;

	for (int round = 0; round < SHARING_ROUNDS; round++) {
		double before, apart[READERS];

		run_members(beside, 1, false, true);
		before = beside->ns[0];
		run_members(beside, READERS, true, true);
		memcpy(apart, beside->ns, sizeof(apart));
		run_members(beside, READERS, true, false);
		for (int i = 0; i < READERS; i++) {
			shared[i][round] = 100 * (1 - apart[i] / beside->ns[i]);
			alone[i][round] = 100 * (1 - before / beside->ns[i]);
		}
	}
	for (int i = 0; i < READERS; i++) {
		worst = fmax(worst, median(shared[i], SHARING_ROUNDS));
		worst_alone = fmax(worst_alone, median(alone[i], SHARING_ROUNDS));
	}
	printf("two readers of %s: %.1f %% lost against one alone, %.1f %% by sharing", what,
	    worst_alone, worst);
	return worst_alone;
}

static void measure_readers(const struct options *options)
{
	struct beside *beside =
	    mmap(NULL, sizeof(*beside), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct cache *cache;

	(void)options;
	if (beside == MAP_FAILED)
		abort();
	for (int i = MEMBERS; i-- > 0;) {
		prepare(instances[i], 64 * MIB, 1 * MIB, &cache);
		for (uint32_t k = 0; k < FEW; k++)
			put_one(cache, k, VALUE_SIZE);
	}
	*beside = (struct beside){.read = FEW, .gets = 50000};
	require(measure_loss(beside, "1000 entries beside a writer of new ones") <= 10, " (<= 10)");
	beside->read = 1;
	require(measure_loss(beside, "one entry beside a writer of new ones") <= 10, " (<= 10)");
	*beside = (struct beside){.read = FEW, .written = FEW, .gets = 50000};
	measure_loss(beside, "1000 entries beside a writer of the same, as fast as it can");
	printf("\n");
	munmap(beside, sizeof(*beside));
}

/* ---- repair, and where the bytes go ---- */

static void measure_repair(const struct options *options)
{
	double times[ROUNDS], slots = 0;
	struct cache *cache;

	(void)options;
	prepare(instances[0], 256 * MIB, 64 * 1024, &cache);
	for (uint32_t i = 0; i < 300000; i++)
		put_one(cache, i, 256);
	for (uint32_t i = 0; i < cache->geometry.shard_count; i++)
		slots += shard_at(cache, i).header->slot_limit;
	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu_ns();

		for (uint32_t i = 0; i < cache->geometry.shard_count; i++) {
			struct shard shard = shard_at(cache, i);

			shard_repair_locked(&shard, false);
		}
		times[round] = (cpu_ns() - start) / slots / 1000;
	}
	printf("repair: %.2f us a slot, of %.0f in %u shards", median(times, ROUNDS), slots,
	    cache->geometry.shard_count);
	require(median(times, ROUNDS) <= 0.3, " (<= 0.3)");
}

static double draw_lognormal(double median, double sigma)
{
	double u = (random_below(1 << 30) + 1.0) / (1 << 30);
	double v = random_below(1 << 30) / (double)(1 << 30);

	return median * exp(sigma * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

static size_t draw_size(void)
{
	double size = draw_lognormal(1024, 1.2);

	return size < 1 ? 1 : size > 256 * 1024 ? 256 * 1024 : (size_t)size;
}

static uint64_t draw_cost_us(void)
{
	return (uint64_t)draw_lognormal(1.2e6, 1.0);
}

/*
 * All that is no key, value or header is called waste: buckets, bitmaps, slots without an entry,
 * rounding and gaps.
 */
static double measure_waste(struct cache *cache, uint64_t size, uint64_t *ret_entries)
{
	const double headers = sizeof(struct layout_slot) + sizeof(struct layout_extent);
	uint64_t payload = 0, entries = 0;

	for (uint32_t i = 0; i < cache->geometry.shard_count; i++) {
		struct shard shard = shard_at(cache, i);

		for (uint32_t k = 0; k < shard.header->slot_limit; k++) {
			struct entry entry;

			slot_read(slot_at(&shard, k), &entry);
			if (slot_state(entry.word) != LAYOUT_LIVE)
				continue;
			payload += entry.key_size + entry.value_size;
			entries++;
		}
	}
	*ret_entries = entries;
	return 1 - ((double)payload + headers * (double)entries) / (double)size;
}

/* Puts `bytes` of the mix, and between them as many gets, three in four of what is popular. */
static void churn(struct cache *cache, uint64_t bytes, uint32_t *number)
{
	static size_t sizes[FEW]; /* of those that are popular */
	uint64_t done = 0;

	for (int i = 0; i < FEW; i++)
		sizes[i] = sizes[i] ? sizes[i] : draw_size();

	while (done < bytes) {
		size_t size = draw_size();
		uint32_t at = random_below(4) ? random_below(FEW) : random_below(*number + 1);

		if (!get_one(cache, at, &got) && at < FEW)
			put_priced(cache, at, sizes[at], draw_cost_us());
		put_priced(cache, FEW + (*number)++, size, draw_cost_us());
		done += size + KEY_SIZE;
	}
}

/* A cache that has long been full, with costs, uses and sizes that differ. */
static void measure_bytes(const struct options *options)
{
	uint64_t entries = 0, size = (uint64_t)options->mib << 20;
	double waste, worst = 0, first = 0;
	uint32_t number = 0;
	struct cache *cache;

	prepare(instances[0], size, 256 * 1024, &cache);
	for (int turn = 0; turn < CHURNS; turn++) {
		churn(cache, size, &number);
		waste = measure_waste(cache, size, &entries);
		if (turn == 1)
			first = waste; /* it is full since the first turn */
		if (turn >= 1)
			worst = fmax(worst, waste);
	}
	printf("%llu entries of the mix in %u MiB: headers %zu bytes an entry",
	    (unsigned long long)entries, options->mib,
	    sizeof(struct layout_slot) + sizeof(struct layout_extent));
	require(sizeof(struct layout_slot) + sizeof(struct layout_extent) <= 96, " (<= 96)");
	printf("index, rounding and fragmentation: %.1f %% of the segment when twice its size has "
	       "been put, %.1f %% at %d times, %.1f %% at most",
	    100 * first, 100 * waste, CHURNS, 100 * worst);
	require(worst <= 0.125, " (<= 12.5)");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->entries = (uint32_t)strtoul(argument, NULL, 10);
		if (options->entries < FEW)
			argp_error(state, "--entries is at least %d", FEW);
		return 0;
	case 'm':
		options->mib = (unsigned)strtoul(argument, NULL, 10);
		return 0;
	case 'o':
		options->only = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct {
	const char *name;
	void (*measure)(const struct options *options);
} measures[] = {
    {"operations", measure_operations},
    {"readers", measure_readers},
    {"repair", measure_repair},
    {"bytes", measure_bytes},
    {"many", measure_many},
    {"flush", measure_flush},
};

int main(int argc, char **argv)
{
	static const struct argp_option option_rows[] = {
	    {"entries", 'n', "N", 0, "Where many are meant (1000000)", 0},
	    {"mib", 'm', "N", 0, "Size of the cache whose bytes are measured (64)", 0},
	    {"only", 'o', "NAME", 0, "One of operations, readers, repair, bytes, many, flush", 0},
	    {0}};
	static const struct argp parser = {
	    .options = option_rows, .parser = parse_option, .doc = "What the cache costs."};
	struct options options = {.entries = 1000000, .mib = 64};

	argp_parse(&parser, argc, argv, 0, NULL, &options);
	clock_init();
	for (int i = 0; i < MEMBERS; i++)
		snprintf(instances[i], sizeof(instances[i]), "bench-%d-%d", (int)getpid(), i);
	atexit(remove_segments);
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		if (!options.only || strcmp(options.only, measures[i].name) == 0)
			measures[i].measure(&options);
	return missed ? 1 : 0;
}
