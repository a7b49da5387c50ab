/*
 * A writer is stopped (SIGSTOP) behind each of its stores in turn. Meanwhile every get returns
 * a right value or a miss, every put is done or dropped, and none of them waits.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/operations.h"

enum {
	EACH_MAX = 80, /* points of an operation at which it is stopped */
	PUTS = 2,
	GETS = 200,
	CALLS_MAX = 1 << 20,
	BOUND_US = 1000,
	/* A machine that is busy may leave a process waiting for its turn. */
	OUTLIERS_PER_MILLE = 50,
};

struct times {
	const char *name;
	size_t count;
	int64_t ns[CALLS_MAX];
};
static struct times gets = {.name = "get"}, puts_ = {.name = "put"};
static uint64_t stops, wrong;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void note(struct times *times, int64_t started_ns)
{
	if (times->count < CALLS_MAX)
		times->ns[times->count++] = now_ns() - started_ns;
}

static void stop_here(void)
{
	raise(SIGSTOP);
}

static void call_all(struct tiny *tiny)
{
	for (uint64_t i = 0; i < GETS; i++) {
		int64_t started_ns = now_ns();

		wrong += tiny_get(tiny, i % 70) == TINY_WRONG;
		note(&gets, started_ns);
	}
	for (uint64_t i = 0; i < PUTS; i++) {
		int64_t started_ns = now_ns();

		tiny_put(tiny, i, 3, 100, 60000);
		note(&puts_, started_ns);
	}
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

static int report(struct times *times)
{
	size_t late = 0;

	qsort(times->ns, times->count, sizeof(times->ns[0]), compare_ns);
	for (size_t i = 0; i < times->count; i++)
		late += times->ns[i] > BOUND_US * 1000;
	printf("%s: %zu calls, p50 %.1f us, p99 %.1f us, max %.1f us, %zu over %d us\n",
	    times->name, times->count, (double)times->ns[times->count / 2] / 1000,
	    (double)times->ns[times->count * 99 / 100] / 1000,
	    (double)times->ns[times->count - 1] / 1000, late, BOUND_US);
	return late * 1000 > times->count * OUTLIERS_PER_MILLE;
}

int main(void)
{
	static struct tiny tiny;
	int late;

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
	late |= report(&puts_);
	return late || wrong || stops < 200;
}
