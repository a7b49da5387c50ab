#include "shm/lock.h"

#include <errno.h>
#include <stdint.h>
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

static int64_t now_ns(void)
{
	struct timespec now;

	/* Not the clock of common/clock.h: a test that moves time must not move this bound. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_a_little(void)
{
	for (int i = 0; i < 32; i++)
#if defined(__x86_64__)
		__builtin_ia32_pause();
#else
		__asm__ volatile("" ::: "memory");
#endif
}

/*
 * Who sleeps wakes when the scheduler has a turn for him, which is milliseconds on a busy
 * machine. So a short wait is spent awake: most holders are gone within a microsecond.
 * No point in the loop: a try that fails stores nothing in the lock.
 */
static int try_until(struct lock *lock, int64_t until_ns)
{
	int error;

	while ((error = pthread_mutex_trylock(&lock->mutex)) == EBUSY && now_ns() < until_ns)
		pause_a_little();
	CRASH_POINT();
	return error;
}

static int wait_until(struct lock *lock, int64_t until_ns)
{
	struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
	int error = pthread_mutex_clocklock(&lock->mutex, CLOCK_MONOTONIC, &until);

	CRASH_POINT();
	return error;
}

int lock_take(struct lock *lock, unsigned wait_us)
{
	int error = try_until(lock, 0);

	if (error == EBUSY && wait_us > 0) {
		unsigned awake_us = wait_us < LOCK_AWAKE_US ? wait_us : LOCK_AWAKE_US;
		int64_t started_ns = now_ns();

		error = try_until(lock, started_ns + (int64_t)awake_us * 1000);
		if (error == EBUSY && wait_us > awake_us)
			error = wait_until(lock, started_ns + (int64_t)wait_us * 1000);
	}
	return error == EBUSY ? -ETIMEDOUT : result_of(error);
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
