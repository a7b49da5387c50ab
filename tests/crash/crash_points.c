/*
 * A writer is killed behind every store to shared memory, in every operation, and so is who
 * repairs after it. Then the shard is judged, and every value read.
 *	crash_points         all points of all but the longest operations; of those a sample
 *	crash_points --all   all points of all operations (many minutes)
 *	crash_points --instructions N [OPERATION]
 *	                     by ptrace, behind one of N instructions; 1: behind each (minutes)
 *	crash_points --first ends with the first that is bad, and leaves out whole segments
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"
#include "tests/crash/operations.h"

enum {
	EACH_MAX = 4000, /* points of an operation of which each is tried in the short form */
	ENDS = 30, /* of a longer one: so many first and last, */
	SAMPLES = 240, /* and so many between */
	NESTED_STEP = 151, /* one of so many points in a repair after each death */
	BAD_SHOWN = 20,
	STEPS_MAX = 1 << 20, /* between two stores */
	SHORT_STORES = 200, /* longer operations are single-stepped in the long form only */
};

static bool try_all, stop_at_first;
/* By ptrace, and not behind a store but behind every instruction. */
static bool by_instruction;
static struct tiny tiny;

/* Filled in by children that die. */
static struct shared {
	uint64_t reached;
	bool passed; /* the next store, by who is single-stepped */
	uint32_t strikes[];
} * shared;

static uint64_t kills, bad;
static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static size_t point_count(void)
{
	return (size_t)(__stop_crash_points - __start_crash_points);
}

static void complain(const char *operation, uint64_t point, const char *fault)
{
	if (bad++ < BAD_SHOWN)
		fprintf(stderr, "BAD: %s, killed at %s %llu: %s\n", operation,
		    by_instruction ? "instruction" : "store", (unsigned long long)point, fault);
	if (stop_at_first)
		exit(1);
}

enum end { END_KILLED, END_FINISHED, END_FAILED };

static void wait_for(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

static void note_passing(void)
{
	shared->passed = true;
}

static void stop_here(void)
{
	crash_point_strike = note_passing;
	crash_point_countdown = 1;
	raise(SIGSTOP);
}

/*
 * The same for an instruction: `point` is how many stores it is behind, times STEPS_MAX, and how
 * many steps behind that. So it runs at full speed up to the store. END_FINISHED also where the
 * steps lead beyond the next store.
 */
static enum end step_until(const struct operation *operation, struct tiny *at, uint64_t point)
{
	uint64_t stores = point / STEPS_MAX, steps = point % STEPS_MAX;
	int status;
	pid_t pid;

	shared->passed = false;
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		crash_point_strike = stop_here;
		if (stores > 0)
			crash_point_countdown = stores;
		else
			stop_here();
		operation->run(at);
		_exit(0);
	}
	wait_for(pid, &status);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("skipped: ptrace is not allowed here\n");
		exit(77);
	}
	while (WIFSTOPPED(status) && steps-- > 0 && !shared->passed) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
			break;
		wait_for(pid, &status);
	}
	if (!WIFSTOPPED(status))
		return END_FINISHED;
	kill(pid, SIGKILL);
	wait_for(pid, &status);
	return shared->passed ? END_FINISHED : END_KILLED;
}

/* Runs it in a child that dies at this point; UINT64_MAX: not at all, but counts them. */
static enum end run_until(const struct operation *operation, struct tiny *at, uint64_t point)
{
	int status;
	pid_t pid;

	if (by_instruction && point != UINT64_MAX)
		return step_until(operation, at, point);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		crash_point_countdown = point;
		operation->run(at);
		shared->reached = point - crash_point_countdown;
		_exit(0);
	}
	wait_for(pid, &status);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return END_KILLED;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? END_FINISHED : END_FAILED;
}

struct contents {
	int64_t generations[TINY_KEYS];
};

static void read_all(struct contents *contents)
{
	for (uint64_t key = 0; key < TINY_KEYS; key++)
		contents->generations[key] = tiny_get(&tiny, key);
}

/* What must be found after a death, by what was before and what would be after the whole. */
static const char *compare(const struct contents *before, const struct contents *after,
    const struct contents *dirty, const struct contents *now)
{
	for (int key = 0; key < TINY_KEYS; key++) {
		int64_t old = before->generations[key], new = after->generations[key];
		int64_t seen = dirty->generations[key], found = now->generations[key];

		if (found == TINY_WRONG || seen == TINY_WRONG)
			return "a value is wrong";
		if (old == new &&found != old)
			return "an entry that the operation does not concern is lost";
		if (found != old && found != new)
			return "an entry is neither what it was nor what it should become";
		if (seen != TINY_MISS && seen != old && seen != new)
			return "before the repair, an entry is neither old nor new";
		if (seen == new &&new > old && found != new)
			return "an entry went back to what it was before";
	}
	return NULL;
}

/* A new owner takes the shard; everything must hold, and the shard be of use. */
static const char *take_over(const struct operation *operation, const struct contents *before,
    const struct contents *after, const struct contents *dirty)
{
	struct shard shard = tiny_shard(&tiny);
	struct contents now;
	const char *fault;

	if (shard_lock(&shard, 1000000))
		return "the lock is lost";
	fault = judge_shard(&tiny);
	shard_unlock(&shard);
	read_all(&now);
	if (!fault)
		fault = compare(before, after, dirty, &now);
	if (!fault && operation->check)
		fault = operation->check(&tiny);
	if (fault)
		return fault;
	for (uint64_t key = TINY_KEYS - 3; key < TINY_KEYS; key++) {
		if (tiny_put(&tiny, key, 7, 24 + key % 500, 60000) != CACHE_OK)
			return "a put after the repair is dropped";
		if (tiny_get(&tiny, key) != 7)
			return "a put after the repair is not found";
	}
	return judge_shard(&tiny);
}

/* What a death left: looked at as it is, then taken over, by either way a new owner learns. */
static void examine(const struct operation *operation, uint64_t point,
    const struct contents *before, const struct contents *after)
{
	struct shard shard = tiny_shard(&tiny);
	struct contents dirty;
	const char *fault = NULL;
	void *kept = tiny_keep(&tiny);
	bool is_even = shard.header->sequence % 2 == 0;

	if (is_even && !operation->is_unsound)
		fault = judge_shard(&tiny); /* an even sequence says that nothing is to be done */
	if (fault)
		complain(operation->name, point, fault);
	read_all(&dirty);
	tiny_put_back(&tiny, kept);
	fault = take_over(operation, before, after, &dirty);
	if (fault)
		complain(operation->name, point, fault);
	if (is_even && operation->is_unsound) {
		free(kept);
		return;
	}
	/* As after a new supervisor made the locks again: only the sequence tells. */
	tiny_put_back(&tiny, kept);
	if (lock_init(&shard.header->lock) || lock_init(&tiny.cache.header->registry_lock))
		complain(operation->name, point, "no new lock");
	fault = take_over(operation, before, after, &dirty);
	if (fault)
		complain(operation->name, point, fault);
	free(kept);
}

/* The next point to try after this one, of `total`: `samples` of those between the ends. */
static uint64_t next_point(uint64_t point, uint64_t total, uint64_t samples)
{
	if (try_all || total <= EACH_MAX || point < ENDS || point + ENDS >= total)
		return point + 1;
	point += 1 + random_next() % (2 * total / samples);
	return point + ENDS < total ? point : total - ENDS;
}

/* From the memory as it is now, which is put back. Returns how many points there are. */
static uint64_t kill_everywhere(
    const struct operation *operation, uint64_t step, uint64_t *ret_killed)
{
	void *start = tiny_keep(&tiny);
	struct contents before, after;
	uint64_t random = tiny.cache.random, total, killed = 0;

	if (run_until(operation, &tiny, UINT64_MAX) != END_FINISHED) {
		complain(operation->name, 0, "it does not get through");
		exit(1);
	}
	total = shared->reached;
	read_all(&after);
	tiny_put_back(&tiny, start);
	read_all(&before);
	for (uint64_t point = 1; point <= total;) {
		tiny_put_back(&tiny, start);
		tiny.cache.random = random;
		if (run_until(operation, &tiny, point) != END_KILLED)
			complain(operation->name, point, "it was not killed there");
		killed++;
		examine(operation, point, &before, &after);
		point = step > 1 ? point + 1 + random_next() % (2 * step)
		                 : next_point(point, total, SAMPLES);
	}
	tiny_put_back(&tiny, start);
	tiny.cache.random = random;
	free(start);
	kills += killed;
	*ret_killed = killed;
	return total;
}

static void report(const char *name, uint64_t total, uint64_t killed, uint64_t bad_before)
{
	printf("%-42s %7llu points %7llu killed %4llu bad\n", name, (unsigned long long)total,
	    (unsigned long long)killed, (unsigned long long)(bad - bad_before));
	fflush(stdout);
}

static void start_operation(const struct operation *operation)
{
	tiny_open(&tiny);
	operation->prepare(&tiny);
	tiny.cache.random = 4711;
}

static void test_operations(void)
{
	for (size_t i = 0; i < operation_count; i++) {
		uint64_t total, killed, bad_before = bad;

		start_operation(&operations[i]);
		if (!operations[i].is_unsound && judge_shard(&tiny))
			complain(operations[i].name, 0, judge_shard(&tiny));
		total = kill_everywhere(&operations[i], 1, &killed);
		report(operations[i].name, total, killed, bad_before);
		tiny_close(&tiny);
	}
}

/* After each death in these operations, the one who repairs is killed too. */
static void test_repair_of(const struct operation *operation)
{
	uint64_t total = 0, killed = 0, bad_before = bad, points;
	char name[80];
	void *start;

	snprintf(name, sizeof(name), "repair after: %s", operation->name);
	start_operation(operation);
	start = tiny_keep(&tiny);
	run_until(operation, &tiny, UINT64_MAX);
	points = shared->reached;
	for (uint64_t point = 1; point <= points; point += try_all ? 1 : 1 + points / 60) {
		struct operation repair = operation_repair;
		uint64_t now;

		repair.name = name;
		tiny_put_back(&tiny, start);
		tiny.cache.random = 4711;
		run_until(operation, &tiny, point);
		/* Each point once for one of the deaths; for the others one of many. */
		total += kill_everywhere(
		    &repair, point == points / 2 || try_all ? 1 : NESTED_STEP, &now);
		killed += now;
	}
	report(name, total, killed, bad_before);
	free(start);
	tiny_close(&tiny);
}

/* ---- whole segments ---- */

static char instance[48];
static const struct segment_geometry small = {
    .cache_size_bytes = 16 << 20, .max_value_bytes = 1 << 20};

static void prepare_segments(struct tiny *unused)
{
	struct segment_outcome outcome;
	char message[512];

	(void)unused;
	if (segment_prepare(instance, &small, &outcome, message, sizeof(message)))
		_exit(1);
}

static int put_some(struct cache *cache)
{
	for (uint64_t key = 0; key < 20; key++) {
		const struct cache_put put = {
		    .type = CACHE_CHAT,
		    .database = CACHE_NO_DATABASE,
		    .key = bytes_of(&key, sizeof(key)),
		    .value = bytes_of(&key, sizeof(key)),
		    .ttl_ms = 1000000,
		};

		if (cache_put(cache, &put) != CACHE_OK)
			return 1;
	}
	return 0;
}

static int has_some(struct cache *cache)
{
	for (uint64_t key = 0; key < 20; key++) {
		struct buffer value = BUFFER_INIT;
		struct cache_hit hit;

		if (cache_get(cache, CACHE_CHAT, CACHE_NO_DATABASE, bytes_of(&key, sizeof(key)), -1,
		        &value, &hit) != CACHE_OK ||
		    value.size != sizeof(key) || memcmp(value.data, &key, sizeof(key)) != 0)
			return 1;
	}
	return 0;
}

/* What a new supervisor's checker and a first process find; `kept`: the entries must be there. */
static int start_again(bool kept)
{
	struct segment_outcome outcome;
	struct metrics *metrics;
	struct cache *cache;
	char message[512];

	if (segment_prepare(instance, &small, &outcome, message, sizeof(message)))
		return 1;
	if (segment_attach_cache(instance, &cache) ||
	    segment_attach_metrics(instance, true, &metrics) ||
	    metrics_claim(metrics, ROLE_ROUTER, "", 0))
		return 2;
	if (kept && (outcome.created || outcome.entries != 20 || has_some(cache)))
		return 3;
	return put_some(cache) || has_some(cache) || cache_verify(cache, true) != 0 ? 4 : 0;
}

static int in_child(int (*run)(bool), bool argument)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(argument));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_prepare(bool kept)
{
	const struct operation operation = {
	    .name = kept ? "attach again, and repair" : "prepare new segments",
	    .run = prepare_segments};
	uint64_t total, killed = 0, bad_before = bad;
	char fault[64];

	segment_unlink(instance);
	if (kept)
		in_child(start_again, false);
	run_until(&operation, NULL, UINT64_MAX);
	total = shared->reached;
	for (uint64_t point = 1; point <= total; killed++) {
		int result;

		if (!kept)
			segment_unlink(instance);
		if (run_until(&operation, NULL, point) != END_KILLED)
			complain(operation.name, point, "it was not killed there");
		result = in_child(start_again, kept);
		if (result) {
			snprintf(fault, sizeof(fault), "starting again fails at step %d", result);
			complain(operation.name, point, fault);
		}
		point = next_point(point, total, 30); /* tens of milliseconds each */
	}
	kills += killed;
	report(operation.name, total, killed, bad_before);
	segment_unlink(instance);
}

static void test_every_point_was_struck(void)
{
	size_t struck = 0;

	for (size_t i = 0; i < point_count(); i++) {
		const struct crash_point *point = &__start_crash_points[i];

		struck += shared->strikes[i] > 0;
		if (shared->strikes[i] > 0)
			continue;
		bad++;
		fprintf(stderr, "BAD: %s:%lld: %s: nobody was killed here\n", point->file,
		    (long long)point->line, point->function);
	}
	printf("%zu of %zu crash points in the code, %llu kills, %llu bad\n", struck, point_count(),
	    (unsigned long long)kills, (unsigned long long)bad);
}

/* Kills behind one of `stride` instructions between all two stores of the operation. */
static uint64_t kill_at_instructions(const struct operation *operation, uint64_t stride)
{
	struct contents before, after;
	uint64_t killed = 0, stores;
	void *start;

	start_operation(operation);
	start = tiny_keep(&tiny);
	run_until(operation, &tiny, UINT64_MAX);
	stores = shared->reached;
	if (stores > SHORT_STORES && stride > 1) {
		free(start);
		tiny_close(&tiny);
		return 0;
	}
	read_all(&after);
	tiny_put_back(&tiny, start);
	read_all(&before);
	for (uint64_t store = 0; store <= stores; store++) {
		for (uint64_t step = random_next() % stride;; step += stride) {
			uint64_t point = store * STEPS_MAX + step;

			tiny_put_back(&tiny, start);
			tiny.cache.random = 4711;
			if (run_until(operation, &tiny, point) != END_KILLED)
				break;
			killed++;
			examine(operation, point, &before, &after);
		}
	}
	free(start);
	tiny_close(&tiny);
	kills += killed;
	return killed;
}

static int test_instructions(uint64_t stride, const char *only)
{
	by_instruction = true;
	tiny_stay_on_one_cpu();
	for (size_t i = 0; i < operation_count; i++) {
		uint64_t bad_before = bad, killed;

		if (only ? strcmp(only, operations[i].name) != 0 : !operations[i].repairs)
			continue;
		killed = kill_at_instructions(&operations[i], stride);
		if (killed == 0)
			continue;
		printf("%-42s killed at %llu instructions, %llu bad\n", operations[i].name,
		    (unsigned long long)killed, (unsigned long long)(bad - bad_before));
		fflush(stdout);
	}
	printf("%llu kills, %llu bad\n", (unsigned long long)kills, (unsigned long long)bad);
	return bad != 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

#ifdef OPTIMAX_SANITIZED
	/* A fork takes a hundred times as long; and what a sanitizer sees, it sees in the other
	 * tests of shm/. */
	if (argc == 1) {
		printf("skipped: thousands of forks take too long with a sanitizer\n");
		return 77;
	}
#endif
	try_all = strcmp(mode, "--all") == 0;
	stop_at_first = strcmp(mode, "--first") == 0;
	snprintf(instance, sizeof(instance), "test-crash-%d", (int)getpid());
	shared = mmap(NULL, sizeof(*shared) + point_count() * sizeof(uint32_t),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	crash_point_strikes = shared->strikes;
	if (strcmp(mode, "--instructions") == 0)
		return test_instructions(
		    argc > 2 && atoi(argv[2]) > 0 ? strtoull(argv[2], NULL, 10) : 1,
		    argc > 3 ? argv[3] : NULL);
	test_operations();
	for (size_t i = 0; i < operation_count; i++)
		if (operations[i].repairs)
			test_repair_of(&operations[i]);
	if (stop_at_first)
		return bad != 0;
	test_prepare(false);
	test_prepare(true);
	test_every_point_was_struck();
	return bad != 0;
}
