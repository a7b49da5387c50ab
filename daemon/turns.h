/*
 * Whose call of a model server is next: a number of them may be under way, the others wait, and
 * clients take turns, so that one with many calls does not keep another from its first
 * (start-time fair queueing). When too many wait, the one that would come last has to go. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { TURN_BUCKETS = 256 };

/* Embedded in what waits. */
struct turn {
	TAILQ_ENTRY(turn) link;
	LIST_ENTRY(turn) same_bucket; /* of its client */
	int64_t client;
	uint64_t round; /* earlier rounds first */
};

struct turns {
	TAILQ_HEAD(turn_list, turn) queue;
	/* The same by client, a later one before those that came first. */
	LIST_HEAD(, turn) clients[TURN_BUCKETS];
	size_t waiting, under_way;
	size_t limit, queue_limit; /* of those under way, and of those that wait for it */
	uint64_t round; /* of the last one that began */
};

void turns_init(struct turns *turns, size_t limit, size_t queue_limit);
/* Waits. NULL, or the one that has to go and waits no longer: perhaps this one. */
struct turn *turns_wait(struct turns *turns, struct turn *turn, int64_t client);
/* Begins at once where one may and none waits; else it does not wait, either. */
bool turns_take(struct turns *turns, struct turn *turn, int64_t client);
/* The next one is under way; NULL: none may. */
struct turn *turns_next(struct turns *turns);
/* One that waits leaves. */
void turns_leave(struct turns *turns, struct turn *turn);
/* One that was under way has ended. */
void turns_end(struct turns *turns);
