/*
 * The one wrapper around process-shared mutexes: robust (the next owner learns that the last
 * one died), error-checking, waited for only so long. Nobody else in shm/ calls pthread.
 * Lock order: a shard's lock, the registry's and the metrics' are never held together.
 */
#pragma once

#include <pthread.h>

struct lock {
	pthread_mutex_t mutex;
};

enum lock_result {
	LOCK_TAKEN = 0,
	LOCK_OWNER_DIED = 1, /* taken; repair what it guards, then lock_mark_repaired */
};

enum { LOCK_AWAKE_US = 200 }; /* a wait that is no longer than this never sleeps */

/* Only while nobody else is attached. 0 or -errno. */
int lock_init(struct lock *lock);
/* A lock_result, -ETIMEDOUT after `wait_us`, or another -errno; the negative ones take nothing. */
int lock_take(struct lock *lock, unsigned wait_us);
/* Without this before lock_release the lock would be lost for ever. */
int lock_mark_repaired(struct lock *lock);
void lock_release(struct lock *lock);
