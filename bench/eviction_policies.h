/*
 * What our eviction is compared with: exact simulations, in as much room, that store the same
 * entries and whose room does not fragment.
 */
#pragma once

#include "bench/eviction_trace.h"

struct policy_room {
	uint64_t bytes;
	uint64_t entry_max; /* larger ones are not stored */
};

struct policy_outcome {
	uint64_t hits;
	double saved_s;
};

struct policy {
	const char *name;
	struct policy_outcome (*run)(const struct trace *trace, const struct policy_room *room);
};

/* LRU is the first, an unlimited room the last; ended by a row without a name. */
extern const struct policy policies[];
