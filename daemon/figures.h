/*
 * What the two segments say, in the words of the protocol's `stats`: the router answers with
 * it, and optimax-check prints it where the router can't. Who else knows anything adds it.
 */
#pragma once

#include "common/bytes.h"
#include "shm/cache.h"
#include "shm/metrics.h"

enum { FIGURES_PAIRS = 6 };

/* Appends that many pairs. usage NULL: the cache may not be looked into. */
void figures_pack(
    const struct metrics_sum *sum, const struct cache_usage *usage, struct buffer *message);
