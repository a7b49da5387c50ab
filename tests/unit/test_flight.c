/* Who gets which part of a text, and when: late ones, slow ones, and those who go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/limits.h"
#include "daemon/flight.h"

enum { WAITERS = 4 };

struct asker {
	struct waiter waiter;
	bool behind; /* it does not take what it is sent */
	unsigned parts, answers;
	enum error_code code;
	struct buffer text;
};

struct scene {
	struct flights flights;
	struct flight flight;
	struct asker askers[WAITERS];
};

static bool on_text(struct waiter *waiter, struct bytes text, bool must)
{
	struct asker *asker = (struct asker *)(void *)waiter;

	if (asker->behind && !must)
		return false;
	asker->parts++;
	buffer_append_bytes(&asker->text, text);
	return true;
}

static void on_done(struct waiter *waiter, const struct job_outcome *outcome)
{
	struct asker *asker = (struct asker *)(void *)waiter;

	asker->answers++;
	asker->code = outcome->error ? outcome->error->code : ERROR_NONE;
}

static struct scene *scene_new(void)
{
	struct scene *scene = must_zalloc(sizeof(*scene));

	flight_init(&scene->flight, &scene->flights, bytes_of_string("key"), true);
	for (unsigned i = 0; i < WAITERS; i++) {
		scene->askers[i].waiter.done = on_done;
		scene->askers[i].waiter.text = on_text;
	}
	return scene;
}

static void scene_free(struct scene *scene)
{
	flight_finish(&scene->flight, NULL, BYTES_NONE);
	flight_deinit(&scene->flight);
	assert_int_equal(scene->flights.kept, 0);
	for (unsigned i = 0; i < WAITERS; i++)
		buffer_deinit(&scene->askers[i].text);
	free(scene);
}

static void add(struct scene *scene, unsigned i)
{
	flight_add(&scene->flight, &scene->askers[i].waiter, i > 0);
}

static void take(struct scene *scene, const char *text)
{
	flight_take_text(&scene->flight, bytes_of_string(text));
}

static void expect(struct scene *scene, unsigned i, const char *text, unsigned parts)
{
	assert_string_equal(buffer_string(&scene->askers[i].text), text);
	assert_int_equal(scene->askers[i].parts, parts);
}

static void test_who_joins_late_gets_what_has_come(void **state)
{
	struct scene *scene = scene_new();

	(void)state;
	scene->askers[2].waiter.text = NULL; /* wants the whole at its end */
	add(scene, 0);
	add(scene, 2);
	expect(scene, 0, "", 0);
	take(scene, "Good ");
	take(scene, "day ");
	assert_ptr_equal(flight_find(&scene->flights, bytes_of_string("key")), &scene->flight);
	add(scene, 1);
	expect(scene, 1, "Good day ", 1);
	take(scene, "to you");
	expect(scene, 0, "Good day to you", 3);
	expect(scene, 1, "Good day to you", 2);
	/* Its first one leaves; the text goes on for the others. */
	assert_false(flight_leave(&scene->askers[0].waiter));
	take(scene, ".");
	expect(scene, 1, "Good day to you.", 3);
	add(scene, 3);
	expect(scene, 3, "Good day to you.", 1);
	expect(scene, 2, "", 0);
	flight_finish(&scene->flight, NULL, BYTES_NONE);
	for (unsigned i = 1; i < WAITERS; i++)
		assert_int_equal(scene->askers[i].answers, 1);
	assert_null(flight_find(&scene->flights, bytes_of_string("key")));
	assert_int_equal(scene->askers[0].answers, 0);
	scene_free(scene);
}

static void test_who_reads_slowly_holds_nobody_up(void **state)
{
	struct scene *scene = scene_new();

	(void)state;
	add(scene, 0);
	add(scene, 1);
	take(scene, "a");
	scene->askers[1].behind = true;
	take(scene, "b");
	take(scene, "c");
	expect(scene, 0, "abc", 3);
	expect(scene, 1, "a", 1);
	/* What it was sent has been taken: it gets all that came since, at once. */
	flight_catch_up(&scene->askers[1].waiter);
	expect(scene, 1, "abc", 2);
	flight_catch_up(&scene->askers[1].waiter);
	expect(scene, 1, "abc", 2);
	take(scene, "d");
	expect(scene, 1, "abc", 2);
	flight_finish(&scene->flight, NULL, BYTES_NONE); /* the rest comes before the end */
	expect(scene, 1, "abcd", 3);
	expect(scene, 0, "abcd", 4);
	scene_free(scene);
}

static void test_a_text_that_nobody_can_join_is_not_kept(void **state)
{
	struct scene *scene = scene_new();

	(void)state;
	add(scene, 0);
	add(scene, 1);
	take(scene, "one ");
	assert_int_equal(scene->flights.kept, 4);
	flight_close(&scene->flight);
	scene->askers[1].behind = true;
	take(scene, "two ");
	assert_int_equal(scene->flights.kept, 8); /* for the slow one */
	flight_catch_up(&scene->askers[1].waiter);
	scene->askers[1].behind = false;
	take(scene, "three");
	assert_int_equal(scene->flights.kept, 0);
	take(scene, ", four");
	expect(scene, 0, "one two three, four", 4);
	expect(scene, 1, "one two three, four", 4);
	scene_free(scene);
}

static void test_past_the_limit_nobody_joins(void **state)
{
	struct scene *scene = scene_new();

	(void)state;
	add(scene, 0);
	scene->flights.kept = LIMIT_FLIGHT_TEXT_BYTES - 3; /* by others */
	take(scene, "abc");
	assert_non_null(flight_find(&scene->flights, bytes_of_string("key")));
	take(scene, "d");
	assert_null(flight_find(&scene->flights, bytes_of_string("key")));
	assert_int_equal(scene->flights.kept, LIMIT_FLIGHT_TEXT_BYTES - 3);
	expect(scene, 0, "abcd", 2);
	scene->flights.kept = 0;
	scene_free(scene);
}

static void test_another_run_is_for_those_who_saw_nothing(void **state)
{
	struct scene *scene = scene_new();
	struct error error;

	(void)state;
	error_set(&error, ERROR_MODEL_ERROR, "no");
	scene->askers[1].waiter.text = NULL;
	for (unsigned i = 0; i < 2; i++)
		add(scene, i);
	take(scene, "Good ");
	assert_true(flight_fail_begun(&scene->flight, &error));
	assert_int_equal(scene->askers[0].code, ERROR_MODEL_ERROR);
	assert_int_equal(scene->askers[0].answers, 1);
	assert_null(scene->askers[0].waiter.flight);
	assert_int_equal(scene->askers[1].answers, 0);
	assert_false(flight_fail_begun(&scene->flight, &error));
	add(scene, 2);
	expect(scene, 2, "", 0); /* what came is not of this run */
	take(scene, "Hello");
	expect(scene, 2, "Hello", 1);
	expect(scene, 0, "Good ", 1);
	flight_finish(&scene->flight, NULL, BYTES_NONE);
	assert_int_equal(scene->askers[1].code, ERROR_NONE);
	assert_int_equal(scene->askers[1].answers, 1);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_joins_late_gets_what_has_come),
	    cmocka_unit_test(test_who_reads_slowly_holds_nobody_up),
	    cmocka_unit_test(test_a_text_that_nobody_can_join_is_not_kept),
	    cmocka_unit_test(test_past_the_limit_nobody_joins),
	    cmocka_unit_test(test_another_run_is_for_those_who_saw_nothing),
	};

	return cmocka_run_group_tests_name("flight", tests, NULL, NULL);
}
