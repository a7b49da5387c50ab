/*
 * The providers that failed at one job, as the one error that the client is told: each is named
 * with its reason, however many there are. Owns what they said. Pure.
 */
#pragma once

#include "common/error.h"

/* Zero-initialise. */
struct failures {
	size_t count;
	struct buffer reasons; /* "name: why", each behind a NUL */
	bool all_overloaded;
	int64_t retry_after_ms; /* the soonest; 0: nobody said */
};

void failures_deinit(struct failures *failures);
void failures_add(struct failures *failures, const char *provider, const struct error *error);
/* There must be one. */
void failures_tell(const struct failures *failures, struct error *ret_error);
