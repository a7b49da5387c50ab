/* Everything that stores to shared memory, each with a shard in which it has something to do. */
#pragma once

#include "tests/crash/tiny.h"

struct operation {
	const char *name;
	void (*prepare)(struct tiny *tiny);
	void (*run)(struct tiny *tiny);
	/* After a death and the taking over: what is wrong with what is no shard; or NULL. */
	const char *(*check)(struct tiny *tiny);
	bool repairs; /* whether who repairs after it is killed as well */
	bool is_unsound; /* the shard is so from the start, whatever an even sequence says */
};
extern const struct operation operations[];
extern const size_t operation_count;
/* Takes the lock, with all that this brings, and lets it go. */
extern const struct operation operation_repair;
