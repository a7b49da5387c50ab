/*
 * The client of bench/hit. `fill INSTANCE N` puts entries of nobody's into a daemon's cache;
 * `ask SOCKET N` asks for cached statements in one closed loop and prints the median in us.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/optimax.h"
#include "common/bytes.h"
#include "common/clock.h"
#include "shm/cache.h"
#include "shm/segment.h"

enum { STATEMENTS = 1000 };

static int fill(const char *instance, uint32_t count)
{
	static const char value[64];
	struct cache *cache;

	if (segment_attach_cache(instance, &cache) != 0)
		return 1;
	for (uint32_t i = 0; i < count; i++) {
		char key[100] = "bench/hit";
		struct cache_put put = {
		    .type = CACHE_LLM,
		    .database = CACHE_NO_DATABASE,
		    .key = bytes_of(key, sizeof(key)),
		    .value = bytes_of(value, sizeof(value)),
		    .ttl_ms = 3600 * 1000,
		    .cost_us = 1,
		};

		memcpy(key + 50, &i, sizeof(i));
		if (cache_put(cache, &put) != CACHE_OK)
			return 1;
	}
	return 0;
}

static int compare_doubles(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Each of the statements once where count is their number: so they are there afterwards. */
static int ask(const char *path, uint32_t count)
{
	struct optimax *client = optimax_new();
	double *times = must_alloc(count * sizeof(*times));

	if (optimax_connect(client, path) != 0)
		return 1;
	for (uint32_t i = 0; i < count; i++) {
		struct optimax_reply *reply;
		double start;
		char sql[64];

		snprintf(
		    sql, sizeof(sql), "SELECT %u AS n", (uint32_t)((uint64_t)i * 619 % STATEMENTS));
		start = now_us();
		if (optimax_sql(client, sql, NULL, &reply) != 0)
			return 1;
		times[i] = now_us() - start;
		optimax_reply_free(reply);
	}
	qsort(times, count, sizeof(*times), compare_doubles);
	printf("%.2f\n", times[count / 2]);
	free(times);
	optimax_free(client);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t count = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;

	clock_init();
	if (count > 0 && strcmp(argv[1], "fill") == 0)
		return fill(argv[2], count);
	if (count > 0 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], count);
	fprintf(stderr, "usage: %s fill INSTANCE N | ask SOCKET N\n", argv[0]);
	return 2;
}
