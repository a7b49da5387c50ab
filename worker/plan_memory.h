/*
 * Remembers which statements PostgreSQL has planned below the cost limit, so that a repeated one
 * takes one round trip instead of two. A fixed table of 128-bit hashes: a newer statement takes
 * an older one's place. Forgotten with the schema or the session.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

enum { PLAN_MEMORY_SLOTS = 1024 };

struct plan_memory {
	struct {
		uint64_t low, high;
	} slots[PLAN_MEMORY_SLOTS];
};

bool plan_memory_knows(const struct plan_memory *memory, struct bytes sql);
void plan_memory_add(struct plan_memory *memory, struct bytes sql);
void plan_memory_clear(struct plan_memory *memory);
