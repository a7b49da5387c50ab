/*
 * Whether a call of a model server that failed is tried again, and when. Pure.
 * Only what a server does in passing is worth it: no connection, 429, 503; and only before the
 * first token, because a client may have seen it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { RETRY_ATTEMPTS = 3 }; /* with the first */

struct retry_failure {
	bool refused; /* no connection came about */
	long status; /* of HTTP; 0: none */
	int64_t retry_after_ms; /* as the server said; -1: it did not */
	bool has_token;
	unsigned attempts; /* made so far */
	int64_t left_ms; /* of the request's time */
};

/* How long to wait before the next try, from a random number; -1: do not try again. */
int64_t retry_wait_ms(const struct retry_failure *failure, uint32_t random);
/* The value of Retry-After: seconds, perhaps with a fraction, or an HTTP date, for which the time
 * of day is needed. At most a day, so that what is longer is not taken for nothing. -1: it is
 * neither. */
int64_t retry_after_parse(const char *value, time_t now);
