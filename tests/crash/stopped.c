/*
 * A writer is stopped (SIGSTOP) behind each of its stores in turn. Meanwhile every get returns
 * a right value or a miss, every put is done or dropped, and none of them waits: none gives the
 * processor up, and none has it for longer than 1 ms. So where the clock shows more than that, it
 * was the scheduler that gave the processor to somebody else; that is bounded too, but loosely.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/operations.h"

enum {
	EACH_MAX = 80, /* points of an operation at which it is stopped */
	PUTS = 4, /* of which the first finds out */
	GETS = 200,
	CALLS_MAX = 1 << 20,
	BOUND_US = 1000,
	/* Of the calls of a kind, by the clock: another may have the processor for milliseconds. */
	OUTLIERS_PER_MILLE = 10,
	/* By processor time, to which a virtual machine adds what its host takes away. */
	STOLEN_PER_MILLE = 2,
	/* Of puts. The kernel itself may rarely wait for a page. */
	SLEEPS_PER_MILLE = 5,
};

struct instant {
	int64_t clock_ns, cpu_ns;
};
struct times {
	const char *name;
	size_t count;
	int64_t clock_ns[CALLS_MAX], cpu_ns[CALLS_MAX];
};
static struct times gets = {.name = "get"}, puts_ = {.name = "put"};
static uint64_t stops, wrong, sleeps;

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct instant begin(void)
{
	int64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);

	return (struct instant){now_ns(CLOCK_MONOTONIC), cpu_ns};
}

static void note(struct times *times, struct instant began)
{
	int64_t clock_ns = now_ns(CLOCK_MONOTONIC) - began.clock_ns;
	int64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - began.cpu_ns;

	if (times->count == CALLS_MAX)
		return;
	times->clock_ns[times->count] = clock_ns;
	times->cpu_ns[times->count++] = cpu_ns;
}

/* How often this thread gave the processor up by itself. */
static uint64_t slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_nvcsw;
}

static void stop_here(void)
{
	raise(SIGSTOP);
}

static void call_all(struct tiny *tiny)
{
	uint64_t before = slept();

	/* Each is the first to find out, as the shard is put back with the same sequence. */
	tiny->cache.stuck = (struct cache_stuck){0};
	for (uint64_t i = 0; i < GETS; i++) {
		struct instant began = begin();

		wrong += tiny_get(tiny, i % 70) == TINY_WRONG;
		note(&gets, began);
	}
	for (uint64_t i = 0; i < PUTS; i++) {
		struct instant began = begin();

		tiny_put(tiny, i, 3, 100, 60000);
		note(&puts_, began);
	}
	sleeps += slept() - before;
}

/* Whether it was stopped before it came to its end. */
static bool stop_at(const struct operation *operation, struct tiny *tiny, uint64_t point)
{
	int status;
	bool stopped;
	pid_t pid = fork();

	if (pid == 0) {
		crash_point_strike = stop_here;
		crash_point_countdown = point;
		operation->run(tiny);
		_exit(0);
	}
	while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	stopped = WIFSTOPPED(status);
	if (!stopped)
		return false;
	call_all(tiny);
	stops++;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return true;
}

static int compare_ns(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static size_t count_late(const char *what, int64_t *ns, size_t count)
{
	size_t late = 0;

	qsort(ns, count, sizeof(*ns), compare_ns);
	while (late < count && ns[count - 1 - late] > BOUND_US * 1000)
		late++;
	printf("%s: p50 %.1f us, p99 %.1f us, max %.1f us, %zu over %d us", what,
	    (double)ns[count / 2] / 1000, (double)ns[count * 99 / 100] / 1000,
	    (double)ns[count - 1] / 1000, late, BOUND_US);
	return late;
}

static bool report(struct times *times)
{
	size_t late, stolen;

	printf("%s: %zu calls; ", times->name, times->count);
	late = count_late("clock", times->clock_ns, times->count);
	stolen = count_late("; processor", times->cpu_ns, times->count);
	printf("\n");
	return late * 1000 > times->count * OUTLIERS_PER_MILLE ||
	       stolen * 1000 > times->count * STOLEN_PER_MILLE;
}

int main(void)
{
	static struct tiny tiny;
	bool late;

	for (size_t i = 0; i < operation_count; i++) {
		void *kept;

		if (!operations[i].repairs)
			continue;
		tiny_open(&tiny);
		operations[i].prepare(&tiny);
		kept = tiny_keep(&tiny);
		for (uint64_t point = 1; point <= EACH_MAX; point++) {
			tiny_put_back(&tiny, kept);
			if (!stop_at(&operations[i], &tiny, point))
				break;
		}
		free(kept);
		tiny_close(&tiny);
	}
	printf("a writer stopped at %llu stores; %llu wrong values\n", (unsigned long long)stops,
	    (unsigned long long)wrong);
	late = report(&gets);
	late = report(&puts_) || late;
	printf("slept %llu times\n", (unsigned long long)sleeps);
	/* Sorted by now: who has waited in vain once does not wait again. */
	late = late || puts_.cpu_ns[puts_.count / 2] > LOCK_AWAKE_US * 1000 / 2;
	return late || sleeps * 1000 > puts_.count * SLEEPS_PER_MILLE || wrong || stops < 200;
}
