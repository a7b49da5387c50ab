#include "shm/lock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "shm/crash_point.h"

/*
 * No #ifdef asks for PTHREAD_MUTEX_ROBUST: on glibc it is an enumerator, so the preprocessor
 * would find it missing and leave robustness out in silence.
 */
int lock_init(struct lock *lock)
{
	pthread_mutexattr_t attributes;
	int error = pthread_mutexattr_init(&attributes);

	if (error)
		return -error;
	error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	if (!error)
		error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	if (!error)
		error = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	if (!error) {
		memset(&lock->mutex, 0, sizeof(lock->mutex));
		CRASH_POINT();
		error = pthread_mutex_init(&lock->mutex, &attributes);
		CRASH_POINT();
	}
	pthread_mutexattr_destroy(&attributes);
	return -error;
}

/* Any call that can return EOWNERDEAD passes through here: a probe that eats it loses the lock. */
static int result_of(int error)
{
	if (error == EOWNERDEAD)
		return LOCK_OWNER_DIED;
	return -error;
}

int lock_take(struct lock *lock, unsigned wait_us)
{
	struct timespec until;
	int error = pthread_mutex_trylock(&lock->mutex);

	CRASH_POINT();
	if (error != EBUSY)
		return result_of(error);
	/* Not the clock of common/clock.h: a test that moves time must not move this bound. */
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_us / 1000000;
	until.tv_nsec += (long)(wait_us % 1000000) * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	error = pthread_mutex_clocklock(&lock->mutex, CLOCK_MONOTONIC, &until);
	CRASH_POINT();
	return result_of(error);
}

int lock_mark_repaired(struct lock *lock)
{
	int error = pthread_mutex_consistent(&lock->mutex);

	CRASH_POINT();
	return -error;
}

void lock_release(struct lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
	CRASH_POINT();
}
