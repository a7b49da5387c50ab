/*
 * How long to wait before the next try: doubles from first_ms to limit_ms, starts afresh after
 * a success. Pure; who waits, and for what, is the caller's.
 */
#pragma once

#include <stdint.h>

struct backoff {
	int64_t first_ms, limit_ms;
	int64_t next_ms; /* 0: the next wait is the first */
};

/* The wait before the next try; counts it. */
int64_t backoff_next(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);
