/*
 * A reader is stopped behind an instruction of its get, a writer does all it wants, and the
 * reader goes on: it must find its key, which was there all the time, and a value that was put
 * under it. What only shows by this: the comparison of generations, and that an absent key is
 * believed only when no writer was at work meanwhile.
 *	readers          at one of 13 instructions
 *	readers --all    at each of them
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/tiny.h"

enum { KEY = 5, KEYS = 70, TTL_MS = 600000, SKIPPED = 77 };

static struct tiny tiny;
static uint64_t bad;
static bool stop_at_first;

/* The key goes into another slot, and what was its room is written by others. */
static void replace_all(void)
{
	for (int round = 2; round < 5; round++)
		for (uint64_t key = 0; key < KEYS; key++)
			tiny_put(
			    &tiny, key, (uint64_t)round, 24 + (key + (uint64_t)round) % 90, TTL_MS);
}

/* The key stays, and all others of its chain move. */
static void replace_others(void)
{
	for (uint64_t key = 0; key < KEYS; key++)
		if (key != KEY)
			tiny_put(&tiny, key, 2, 24 + (key + 2) % 90, TTL_MS);
}

static void repair(void)
{
	tiny_repair(&tiny);
}

static const struct interference {
	const char *name;
	void (*act)(void);
} interferences[] = {
    {"the key is replaced, its room written again", replace_all},
    {"all others in its chain are replaced", replace_others},
    {"the shard is repaired", repair},
};

enum { FOUND = 0, MISSED = 1, WRONG = 2, ENDED_BEFORE = 3 };

static int read_key(void)
{
	int64_t found = tiny_get(&tiny, KEY);

	return found == TINY_MISS ? MISSED : found == TINY_WRONG ? WRONG : FOUND;
}

static void wait_for(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

static int read_interrupted(const struct interference *interference, uint64_t steps)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(SKIPPED);
		raise(SIGSTOP);
		_exit(read_key());
	}
	wait_for(pid, &status);
	for (uint64_t i = 0; i < steps && WIFSTOPPED(status); i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
			break;
		wait_for(pid, &status);
	}
	if (!WIFSTOPPED(status))
		return WEXITSTATUS(status) == SKIPPED ? SKIPPED : ENDED_BEFORE;
	interference->act();
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	wait_for(pid, &status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : WRONG;
}

/* Returns how many instructions it was interrupted at, or SKIPPED's negative. */
static long interfere_everywhere(const struct interference *interference, uint64_t stride)
{
	void *kept = tiny_keep(&tiny);
	long tried = 0;

	for (uint64_t steps = 0;; steps += stride) {
		int result;

		tiny_put_back(&tiny, kept);
		result = read_interrupted(interference, steps);
		if (result == SKIPPED)
			return -SKIPPED;
		if (result == ENDED_BEFORE)
			break;
		tried++;
		if (read_key() != FOUND) {
			fprintf(stderr, "BAD: %s: the writer itself lost the key\n",
			    interference->name);
			exit(1);
		}
		if (result == FOUND)
			continue;
		bad++;
		fprintf(stderr, "BAD: %s, at instruction %llu of the get: %s\n", interference->name,
		    (unsigned long long)steps,
		    result == MISSED ? "a key that is there is missed" : "a wrong value");
		if (stop_at_first)
			exit(1);
	}
	tiny_put_back(&tiny, kept);
	free(kept);
	return tried;
}

int main(int argc, char **argv)
{
	uint64_t stride = 13;

#ifdef OPTIMAX_SANITIZED
	/* A fork takes a hundred times as long; and what a sanitizer sees, it sees in the other
	 * tests of shm/. */
	if (argc == 1) {
		printf("skipped: thousands of forks take too long with a sanitizer\n");
		return 77;
	}
#endif
	stop_at_first = argc > 1 && strcmp(argv[1], "--first") == 0;
	if (argc > 1 && strcmp(argv[1], "--all") == 0)
		stride = 1;
	tiny_stay_on_one_cpu();
	tiny_open(&tiny);
	for (uint64_t key = 0; key < KEYS; key++)
		tiny_put(&tiny, key, 1, 24 + key % 90, TTL_MS);
	for (size_t i = 0; i < sizeof(interferences) / sizeof(interferences[0]); i++) {
		long tried = interfere_everywhere(&interferences[i], stride);

		if (tried < 0) {
			printf("skipped: ptrace is not allowed here\n");
			return SKIPPED;
		}
		printf("%-46s %5ld interruptions of a get\n", interferences[i].name, tried);
	}
	printf("%llu bad\n", (unsigned long long)bad);
	return bad != 0;
}
