/*
 * Keys of requests that ended two workers, by their hashes, each for a while. A fixed number: a
 * newer one takes the oldest one's place. Owned by a pool.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { REFUSED_KEYS = 64, REFUSED_KEY_MS = 30 * 1000 };

struct refused_keys {
	struct {
		uint64_t hash;
		int64_t until_ms;
	} keys[REFUSED_KEYS];
	unsigned next;
};

void refused_keys_add(struct refused_keys *refused, uint64_t hash);
bool refused_keys_has(const struct refused_keys *refused, uint64_t hash);
