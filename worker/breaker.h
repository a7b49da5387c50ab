/*
 * The circuit breaker of one provider: after some failures in a row it is not asked for a
 * while; then one request tries it, and its outcome closes or opens it again, for longer.
 * Pure: its caller says what time it is. State changes in breaker_take alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	BREAKER_FAILURES = 5, /* in a row */
	BREAKER_WAIT_MS = 1000, /* the first; doubles to the limit */
	BREAKER_WAIT_LIMIT_MS = 30 * 1000,
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

enum breaker_event {
	BREAKER_ASKED, /* a request begins */
	BREAKER_SUCCEEDED,
	BREAKER_FAILED,
	BREAKER_ABANDONED, /* ended by somebody else: it says nothing of the provider */
};

struct breaker {
	enum breaker_state state;
	unsigned failures; /* in a row */
	int64_t wait_ms; /* of this or the last opening; 0: none yet */
	int64_t until_ms; /* while open */
};

/* Whether a request may begin now. */
bool breaker_allows(const struct breaker *breaker, int64_t now_ms);
/* True where the state changed. */
bool breaker_take(struct breaker *breaker, enum breaker_event event, int64_t now_ms);
