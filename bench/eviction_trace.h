/*
 * Traces of requests for the measure of eviction: read from workload.py, or made here. Each
 * statement has a cost and a size, drawn once from seeded lognormals. No caches in here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACE_VALUE_MAX = 256 * 1024 };

struct trace_item {
	char *id;
	double cost_s;
	size_t size;
	uint64_t bytes; /* in the cache, with all that belongs to it */
	/* Of the policies of eviction_policies.c, which forget it between two runs. */
	double priority;
	uint32_t uses, place, previous, next;
	bool cached;
};

struct trace {
	struct trace_item *items;
	size_t item_count;
	uint32_t *requests; /* items */
	size_t request_count;
	uint64_t bytes; /* of all items */
};

/* What workload.py --tsv prints; "-" is standard input. Ends the program where it cannot. */
void trace_read(struct trace *trace, uint64_t seed, const char *path);
bool trace_generate(
    struct trace *trace, uint64_t seed, const char *pattern, size_t requests, size_t ids);
void trace_free(struct trace *trace);
