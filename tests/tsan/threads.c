/*
 * ThreadSanitizer over shm/, with threads in the place of processes: writers, readers, one who
 * flushes and touches, one who verifies; and writers that end in the middle of a put, which the
 * robust lock tells of just as of a process that died.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/crash/tiny.h"

enum { WRITERS = 2, READERS = 2, PUTS = 3000, DEATHS = 150, KEYS = 90, TTL_MS = 600000 };

/*
 * In the place of glibc's, which libtsan of GCC 12 does not know of: it would take every lock
 * that was waited for as one that was never taken.
 */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
	const struct timespec pause = {.tv_nsec = 20000};
	struct timespec now;
	int error;

	for (;;) {
		error = pthread_mutex_trylock(mutex);
		clock_gettime(clock, &now);
		if (error != EBUSY)
			return error;
		if (now.tv_sec > until->tv_sec ||
		    (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec))
			return ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

static struct tiny tiny;

/* The kernel lets go of a dead owner's lock; ThreadSanitizer must be told that this orders what
 * the owner did before what the next one does. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	int error = __real_pthread_mutex_trylock(mutex);

	if (error == EOWNERDEAD)
		__tsan_acquire(mutex);
	return error;
}
static _Atomic bool done;
static _Atomic uint64_t hits, wrong, repairs;

/* Each thread has a handle of its own, as each process has. */
static struct tiny handle_of_thread(unsigned index)
{
	struct tiny handle = tiny;

	handle.metrics = metrics_new(tiny.metrics_layout);
	if (metrics_claim(handle.metrics, ROLE_DATABASE, "one", index))
		abort();
	handle.cache.random = 1000 + index;
	cache_count_in(&handle.cache, handle.metrics);
	return handle;
}

static void *write_many(void *argument)
{
	struct tiny handle = handle_of_thread((unsigned)(uintptr_t)argument);

	for (uint64_t i = 0; i < PUTS; i++)
		tiny_put(&handle, i * 7 % KEYS, i, 24 + i % 700, TTL_MS);
	free(handle.metrics);
	return NULL;
}

static void end_thread(void)
{
	__tsan_release(&tiny_shard(&tiny).header->lock.mutex);
	pthread_exit(NULL);
}

static void *die_writing(void *argument)
{
	struct tiny handle = tiny;

	/* No metrics: what a thread has on its heap would be lost. */
	cache_count_in(&handle.cache, NULL);
	handle.cache.random = (uintptr_t)argument * 2 + 1;
	crash_point_countdown = 1 + (uintptr_t)argument * 5 % 140;
	for (uint64_t i = 0;; i++)
		tiny_put(&handle, i, (uint64_t)(uintptr_t)argument, 24 + i % 300, TTL_MS);
	return NULL;
}

static void *read_many(void *argument)
{
	struct tiny handle = handle_of_thread((unsigned)(uintptr_t)argument);

	for (uint64_t key = 0; !atomic_load(&done); key++) {
		int64_t found = tiny_get(&handle, key % KEYS);

		hits += found >= 0;
		wrong += found == TINY_WRONG;
	}
	free(handle.metrics);
	return NULL;
}

static void *manage(void *argument)
{
	struct tiny handle = handle_of_thread((unsigned)(uintptr_t)argument);
	struct cache_usage usage;
	struct metrics_sum sum;
	char name[16];

	for (int i = 0; !atomic_load(&done); i++) {
		snprintf(name, sizeof(name), "db%d", i % 30);
		cache_touch(&handle.cache, cache_database(&handle.cache, bytes_of_string(name)), 7);
		if (i % 50 == 0)
			cache_flush(&handle.cache, ~0u, CACHE_NO_DATABASE);
		if (i % 20 == 0)
			repairs += cache_verify(&handle.cache, true);
		cache_usage(&handle.cache, &usage);
		metrics_read(handle.metrics, &sum);
		if (i % 70 == 0)
			metrics_reset(handle.metrics);
	}
	free(handle.metrics);
	return NULL;
}

static pthread_t start(void *(*run)(void *), unsigned index)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)index))
		abort();
	return thread;
}

int main(void)
{
	pthread_t writers[WRITERS], others[READERS + 1];

	tiny_open(&tiny);
	crash_point_strike = end_thread;
	for (unsigned i = 0; i < READERS; i++)
		others[i] = start(read_many, i);
	others[READERS] = start(manage, READERS);
	for (unsigned i = 0; i < WRITERS; i++)
		writers[i] = start(write_many, READERS + 1 + i);
	for (unsigned i = 0; i < DEATHS; i++)
		pthread_join(start(die_writing, i + 1), NULL);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&done, true);
	for (unsigned i = 0; i <= READERS; i++)
		pthread_join(others[i], NULL);
	cache_verify(&tiny.cache, true);
	printf("%d puts, %d writers that died, %llu shards repaired by who verified, %llu hits, "
	       "%llu wrong\n",
	    WRITERS * PUTS, DEATHS, (unsigned long long)repairs, (unsigned long long)hits,
	    (unsigned long long)wrong);
	if (judge_shard(&tiny))
		fprintf(stderr, "BAD: %s\n", judge_shard(&tiny));
	return wrong != 0 || hits == 0 || judge_shard(&tiny) != NULL;
}
