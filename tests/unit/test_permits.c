/* Whose turn it is to call a provider, and how many may at once over all workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/permits.h"

/* ---- turns ---- */

enum { TURNS = 12 };

/* Clients ask in this order; the order in which they are served, one at a time. */
static const struct {
	const char *name;
	const char *clients; /* a letter each */
	size_t begun; /* of these, before the rest asks */
	const char *served;
} turn_cases[] = {
    {"one client", "aaa", 0, "aaa"},
    {"another comes late", "aaaab", 0, "abaaa"},
    {"three", "aaaabbc", 0, "abcabaa"},
    {"the first has begun two", "aaaab", 2, "aabaa"},
};

static void test_turns(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(turn_cases) / sizeof(turn_cases[0]); i++) {
		size_t count = strlen(turn_cases[i].clients), served = 0;
		struct turn turns_of[TURNS];
		char order[TURNS + 1] = "";
		struct turns turns;
		struct turn *turn;

		turns_init(&turns, 1, TURNS);
		for (size_t k = 0; k < count; k++) {
			/* The last one asks when some have been served. */
			while (k == count - 1 && served < turn_cases[i].begun) {
				turn = turns_next(&turns);
				order[served++] = (char)turn->client;
				turns_end(&turns);
			}
			assert_null(turns_wait(&turns, &turns_of[k], turn_cases[i].clients[k]));
		}
		while ((turn = turns_next(&turns))) {
			order[served++] = (char)turn->client;
			assert_null(turns_next(&turns)); /* one at a time */
			turns_end(&turns);
		}
		if (strcmp(order, turn_cases[i].served) != 0)
			fail_msg("%s: %s, not %s", turn_cases[i].name, order, turn_cases[i].served);
		assert_int_equal(turns.waiting, 0);
	}
}

/* A full queue puts out the client that has most in it, not the one that comes. */
static void test_turns_that_are_too_many(void **state)
{
	struct turn a[4], b[2];
	struct turns turns;

	(void)state;
	turns_init(&turns, 1, 2);
	for (int i = 0; i < 3; i++)
		assert_null(turns_wait(&turns, &a[i], 'a'));
	assert_ptr_equal(turns_wait(&turns, &a[3], 'a'), &a[3]);
	assert_ptr_equal(turns_wait(&turns, &b[0], 'b'), &a[2]);
	assert_ptr_equal(turns_next(&turns), &a[0]);
	assert_ptr_equal(turns_wait(&turns, &b[1], 'b'), &b[1]);
	turns_leave(&turns, &a[1]);
	turns_end(&turns);
	assert_ptr_equal(turns_next(&turns), &b[0]);
}

static void test_what_was_served_does_not_count_against_a_client(void **state)
{
	struct turn a[4], b;
	struct turns turns;

	(void)state;
	turns_init(&turns, 1, 8);
	for (int i = 0; i < 3; i++)
		assert_null(turns_wait(&turns, &a[i], 'a'));
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(turns_next(&turns), &a[i]);
		turns_end(&turns);
	}
	assert_null(turns_wait(&turns, &a[3], 'a'));
	assert_null(turns_wait(&turns, &b, 'b'));
	assert_ptr_equal(turns_next(&turns), &a[3]);
}

static void test_nobody_passes_those_who_wait(void **state)
{
	struct turns turns;
	struct turn a, b;

	(void)state;
	turns_init(&turns, 2, 2);
	assert_true(turns_take(&turns, &b, 'b'));
	turns_end(&turns);
	assert_null(turns_wait(&turns, &a, 'a'));
	assert_false(turns_take(&turns, &b, 'b'));
	assert_ptr_equal(turns_next(&turns), &a);
	assert_true(turns_take(&turns, &b, 'b'));
	assert_false(turns_take(&turns, &b, 'b'));
}

/* ---- permits ---- */

enum { JOBS = 12, PROVIDERS = 3 };

struct job {
	struct permit permit;
	unsigned answers;
	enum error_code code; /* of the last one */
	int64_t retry_after_ms;
};

struct scene {
	struct permits *permits;
	struct child_provider settings[PROVIDERS];
	struct child_config config;
	struct job jobs[JOBS];
};

static void on_answer(struct permit *permit, const struct error *error)
{
	struct job *job = (struct job *)(void *)permit;

	job->answers++;
	job->code = error ? error->code : ERROR_NONE;
	job->retry_after_ms = error ? error->retry_after_ms : 0;
	assert_int_equal(permit->held, error == NULL);
}

/* The rules, then two that need permits. */
static struct scene *scene_new(int64_t concurrency, int64_t queue)
{
	static const char *const names[] = {"rules", "near", "far"};
	struct scene *scene = must_zalloc(sizeof(*scene));

	for (size_t i = 0; i < PROVIDERS; i++) {
		scene->settings[i].name = must_strdup(names[i]);
		scene->settings[i].type = must_strdup(i == 0 ? "builtin" : "ollama");
		scene->settings[i].concurrency = concurrency;
		scene->settings[i].queue = queue;
	}
	scene->config.providers = scene->settings;
	scene->config.provider_count = PROVIDERS;
	scene->permits = permits_new();
	permits_configure(scene->permits, &scene->config);
	for (size_t i = 0; i < JOBS; i++)
		scene->jobs[i].permit.answer = on_answer;
	return scene;
}

static void scene_free(struct scene *scene)
{
	for (size_t i = 0; i < JOBS; i++)
		permits_drop(&scene->jobs[i].permit);
	permits_free(scene->permits);
	for (size_t i = 0; i < PROVIDERS; i++) {
		free(scene->settings[i].name);
		free(scene->settings[i].type);
	}
	free(scene);
}

static bool offer(struct scene *scene, unsigned job)
{
	return bytes_equal_string(
	    permits_offer(scene->permits, &scene->jobs[job].permit, job), "near");
}

static void ask(struct scene *scene, unsigned job, const char *provider)
{
	permits_ask(scene->permits, &scene->jobs[job].permit, bytes_of_string(provider), job);
}

static void drop(struct scene *scene, unsigned job)
{
	permits_drop(&scene->jobs[job].permit);
}

static void expect_held(struct scene *scene, const char *held)
{
	char seen[JOBS + 1] = "";

	for (size_t i = 0; i < JOBS; i++)
		seen[i] = scene->jobs[i].permit.held ? 'x' : '-';
	seen[strlen(held)] = '\0';
	assert_string_equal(seen, held);
}

static void test_as_many_as_are_free_and_no_more(void **state)
{
	struct scene *scene = scene_new(3, 8);

	(void)state;
	assert_true(offer(scene, 0) && offer(scene, 1));
	ask(scene, 2, "near");
	assert_int_equal(scene->jobs[2].answers, 1);
	assert_false(offer(scene, 3));
	ask(scene, 3, "near");
	ask(scene, 4, "far"); /* a limit of its own */
	expect_held(scene, "xxx-x");
	assert_int_equal(scene->jobs[3].answers, 0);
	drop(scene, 1);
	expect_held(scene, "x-xxx");
	assert_int_equal(scene->jobs[3].answers, 1);
	drop(scene, 1); /* nothing more comes of it */
	drop(scene, 0);
	ask(scene, 5, "near");
	ask(scene, 6, "near");
	/* Nobody is offered what others wait for. */
	assert_false(offer(scene, 7));
	drop(scene, 6);
	drop(scene, 2);
	expect_held(scene, "---xxx--");
	assert_true(offer(scene, 7));
	scene_free(scene);
}

static void test_a_job_has_one_at_most(void **state)
{
	struct scene *scene = scene_new(1, 8);

	(void)state;
	assert_true(offer(scene, 0));
	ask(scene, 1, "near");
	ask(scene, 0, "far"); /* the next provider: the first one's comes free */
	expect_held(scene, "xx");
	ask(scene, 2, "near");
	ask(scene, 2, "far"); /* waits no longer for the one before */
	drop(scene, 1);
	expect_held(scene, "x--");
	drop(scene, 0);
	expect_held(scene, "--x");
	assert_int_equal(scene->jobs[2].answers, 1);
	scene_free(scene);
}

static void test_too_many_are_told_when_to_come_again(void **state)
{
	struct scene *scene = scene_new(1, 2);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		permits_ask(scene->permits, &scene->jobs[i].permit, bytes_of_string("near"), 'a');
	assert_int_equal(scene->jobs[3].code, ERROR_OVERLOADED);
	assert_true(scene->jobs[3].retry_after_ms > 0);
	/* The one with the most has to go, not the one that comes. */
	permits_ask(scene->permits, &scene->jobs[4].permit, bytes_of_string("near"), 'b');
	assert_int_equal(scene->jobs[2].code, ERROR_OVERLOADED);
	assert_int_equal(scene->jobs[4].answers, 0);
	drop(scene, 2); /* it had gone */
	drop(scene, 0);
	drop(scene, 1);
	expect_held(scene, "----x");
	scene_free(scene);
}

static void test_a_reload_moves_the_limits(void **state)
{
	struct scene *scene = scene_new(2, 8);

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		ask(scene, i, "near");
	expect_held(scene, "xx----");
	scene->settings[1].concurrency = 4;
	permits_configure(scene->permits, &scene->config);
	expect_held(scene, "xxxx--");
	scene->settings[1].concurrency = 1;
	permits_configure(scene->permits, &scene->config);
	for (unsigned i = 0; i < 3; i++)
		drop(scene, i);
	expect_held(scene, "---x--");
	drop(scene, 3);
	expect_held(scene, "----x-");
	scene_free(scene);
}

static void make_near(struct scene *scene, const char *type)
{
	free(scene->settings[1].type);
	scene->settings[1].type = must_strdup(type);
	permits_configure(scene->permits, &scene->config);
}

static void test_a_provider_that_goes_lets_its_calls_end(void **state)
{
	struct scene *scene = scene_new(1, 8);

	(void)state;
	ask(scene, 0, "near");
	ask(scene, 1, "near");
	ask(scene, 2, "nobody");
	assert_int_equal(scene->jobs[2].code, ERROR_OVERLOADED);
	make_near(scene, "builtin");
	assert_int_equal(scene->jobs[1].code, ERROR_OVERLOADED);
	expect_held(scene, "x--");
	ask(scene, 3, "near");
	assert_int_equal(scene->jobs[3].code, ERROR_OVERLOADED);
	/* It comes back while a call of before goes on: that one counts. */
	make_near(scene, "ollama");
	assert_false(offer(scene, 4));
	drop(scene, 0);
	assert_true(offer(scene, 4));
	drop(scene, 4);
	make_near(scene, "builtin");
	assert_true(
	    bytes_equal_string(permits_offer(scene->permits, &scene->jobs[5].permit, 1), "far"));
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_turns),
	    cmocka_unit_test(test_turns_that_are_too_many),
	    cmocka_unit_test(test_what_was_served_does_not_count_against_a_client),
	    cmocka_unit_test(test_nobody_passes_those_who_wait),
	    cmocka_unit_test(test_as_many_as_are_free_and_no_more),
	    cmocka_unit_test(test_a_job_has_one_at_most),
	    cmocka_unit_test(test_too_many_are_told_when_to_come_again),
	    cmocka_unit_test(test_a_reload_moves_the_limits),
	    cmocka_unit_test(test_a_provider_that_goes_lets_its_calls_end),
	};

	return cmocka_run_group_tests_name("permits", tests, NULL, NULL);
}
