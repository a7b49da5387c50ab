/*
 * A get, and before each of its loads from shared memory, and before each of those that follow,
 * a writer does all it wants: twice in one get, so that also its second look is disturbed. The
 * key is there all the time, so it must be found. What only shows by this: that an absence is
 * believed only where the sequence did not move.
 * And a writer that comes no further than one of its stores: what a get found meanwhile, the
 * next one does not find replaced by something older.
 *	interleaved --first   ends with the first that is bad
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/tiny.h"

enum { KEY = 5, KEYS = 70, TTL_MS = 600000 };

static struct tiny tiny;
static uint64_t tried, bad;
static bool stop_at_first;
static uint64_t generation;

static void complain(const char *what, uint64_t first, uint64_t second, const char *fault)
{
	bad++;
	fprintf(stderr, "BAD: %s, at load %llu of a get and %llu later: %s\n", what,
	    (unsigned long long)first, (unsigned long long)second, fault);
	if (stop_at_first)
		exit(1);
}

static void put(uint64_t key)
{
	tiny_put(&tiny, key, ++generation, 24 + key % 90, TTL_MS);
}

static bool shares_chain(uint64_t key)
{
	struct shard shard = tiny_shard(&tiny);
	uint64_t hash = cache_hash(&tiny.cache, CACHE_LLM, 0, bytes_of(&key, sizeof(key)));
	uint64_t known = KEY;

	return bucket_of(&shard, hash) == bucket_of(&shard, cache_hash(&tiny.cache, CACHE_LLM, 0,
	                                                        bytes_of(&known, sizeof(known))));
}

/* Of the keys that are, or are not, in the chain of KEY: those from `from` on, `count` of them. */
static void put_others(bool in_chain, uint64_t from, int count)
{
	for (uint64_t key = from; key < KEYS && count > 0; key++) {
		if (key == KEY || shares_chain(key) != in_chain)
			continue;
		put(key);
		count--;
	}
}

/* ---- twice in one get ---- */

static void replace_key(void)
{
	put(KEY);
}

/* The slot that becomes free is the first to be taken: so whoever was at it is led astray. */
static void replace_and_reuse(void)
{
	put(KEY);
	put_others(false, generation % 16, 1);
}

static void replace_others(void)
{
	put_others(true, 0, KEYS);
}

static void replace_others_and_reuse(void)
{
	put_others(true, 0, 1);
	put_others(false, generation % 16, 1);
}

static void repair(void)
{
	tiny_repair(&tiny);
}

static const struct interference {
	const char *name;
	void (*act)(void);
} interferences[] = {
    {"the key is replaced", replace_key},
    {"the key is replaced, its slot taken", replace_and_reuse},
    {"others in its chain are replaced", replace_others},
    {"another in its chain is replaced, its slot taken", replace_others_and_reuse},
    {"the shard is repaired", repair},
};
enum { INTERFERENCES = sizeof(interferences) / sizeof(interferences[0]) };

static const struct interference *first, *second;
static uint64_t second_after;
static bool was_second;

static void interfere_again(void)
{
	was_second = true;
	second->act();
}

static void interfere(void)
{
	first->act();
	load_point_strike = interfere_again;
	load_point_countdown = second_after;
}

/* Whether both came about before the get had ended. */
static bool get_between(uint64_t first_at)
{
	int64_t found;

	was_second = false;
	load_point_strike = interfere;
	load_point_countdown = first_at;
	found = tiny_get(&tiny, KEY);
	load_point_countdown = 0;
	tried++;
	if (found == TINY_MISS)
		complain(first->name, first_at, second_after, "a key that is there is missed");
	if (found == TINY_WRONG)
		complain(first->name, first_at, second_after, "a wrong value");
	return was_second;
}

static void disturb_twice(const void *kept)
{
	bool has_second = true;

	/* From the load on at which not even the first comes about, the second can't. */
	for (uint64_t first_at = 1; has_second; first_at++) {
		has_second = false;
		for (second_after = 1;; second_after++) {
			tiny_put_back(&tiny, kept);
			generation = KEYS;
			if (!get_between(first_at))
				break;
			has_second = true;
		}
	}
}

/* ---- a writer that does not come to its end ---- */

static jmp_buf left;
static uint64_t store;
static bool was_left;

static void leave(void)
{
	longjmp(left, 1);
}

/* The third put takes the slot in which the key was at first, and stays in there. */
static void put_and_stay(void)
{
	put(KEY);
	crash_point_strike = leave;
	crash_point_countdown = store;
	if (setjmp(left) == 0)
		put(KEY);
	else
		was_left = true;
	crash_point_countdown = 0;
}

static bool get_twice(uint64_t at)
{
	struct shard shard = tiny_shard(&tiny);
	int64_t once, again;

	was_left = false;
	load_point_strike = put_and_stay;
	load_point_countdown = at;
	once = tiny_get(&tiny, KEY);
	if (load_point_countdown > 0) {
		load_point_countdown = 0;
		return false;
	}
	again = tiny_get(&tiny, KEY);
	tried++;
	if (once == TINY_WRONG || again == TINY_WRONG)
		complain("a put that stays at a store", at, store, "a wrong value");
	else if (again == TINY_MISS)
		complain("a put that stays at a store", at, store, "what it replaces is missed");
	else if (again < once || again <= KEYS)
		complain(
		    "a put that stays at a store", at, store, "a get goes back to an older entry");
	/* glibc keeps a list of what a thread has locked, in the memory that is put back next. */
	lock_release(&shard.header->lock);
	return true;
}

static void stay_at_each_store(const void *kept)
{
	bool is_within = true;

	for (uint64_t at = 1; is_within; at++) {
		was_left = true;
		for (store = 1; is_within && was_left; store++) {
			tiny_put_back(&tiny, kept);
			generation = KEYS;
			is_within = get_twice(at);
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t before;
	void *kept;

	stop_at_first = argc > 1 && strcmp(argv[1], "--first") == 0;
	tiny_open(&tiny);
	for (uint64_t key = 0; key < KEYS; key++)
		tiny_put(&tiny, key, 1, 24 + key % 90, TTL_MS);
	kept = tiny_keep(&tiny);
	for (int i = 0; i < INTERFERENCES; i++) {
		first = &interferences[i];
		before = tried;
		for (int k = 0; k < INTERFERENCES; k++) {
			second = &interferences[k];
			disturb_twice(kept);
		}
		printf("%-50s %7llu times in a get, and then something else\n", first->name,
		    (unsigned long long)(tried - before));
	}
	before = tried;
	stay_at_each_store(kept);
	printf("%-50s %7llu times in a get\n", "a put stays at a store",
	    (unsigned long long)(tried - before));
	free(kept);
	printf("%llu bad\n", (unsigned long long)bad);
	return bad != 0;
}
