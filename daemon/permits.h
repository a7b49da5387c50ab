/*
 * Permits to call a provider: `concurrency` of them over all workers, and the queue in front
 * (turns.h). A job holds one at most; with the job they come back, however it ends, so that
 * nobody has to give one back and a dead worker's are free at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/error.h"
#include "daemon/turns.h"

struct permits;
struct permit_provider;

/* Embedded in a job; zeroed: has none and waits for none. */
struct permit {
	struct turn turn;
	struct permit_provider *provider; /* that it is for; NULL: none */
	bool held; /* else it waits */
	/* What permits_ask was answered: it is held, or why not. Must change no permit. */
	void (*answer)(struct permit *permit, const struct error *error);
};

struct permits *permits_new(void);
/* No permit may be left. */
void permits_free(struct permits *permits);
/* The limits as they are now; what is under way goes on. */
void permits_configure(struct permits *permits, const struct child_config *config);

struct permits_use {
	size_t out, limit, waiting;
};
/* False where it needs none. */
bool permits_use(const struct permits *permits, struct bytes provider, struct permits_use *ret_use);

/* One for the first provider that needs any, where one is free and nobody waits for it. The
 * provider's name; absent: none is held. */
struct bytes permits_offer(struct permits *permits, struct permit *permit, int64_t client);
/* Waits for one of this provider; what the job had or waited for before it lets go of. The answer
 * comes now or later. */
void permits_ask(
    struct permits *permits, struct permit *permit, struct bytes provider, int64_t client);
/* Lets go. Nothing where it has none and waits for none. */
void permits_drop(struct permit *permit);
/* Waits no longer, and gets no answer; one that is held is kept. */
void permits_stop_waiting(struct permit *permit);
