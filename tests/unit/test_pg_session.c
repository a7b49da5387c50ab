/* The session's settings, the delays between tries, and the memory of plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "worker/backoff.h"
#include "worker/pg_linger.h"
#include "worker/pg_session.h"
#include "worker/plan_memory.h"

static void test_schemas_are_quoted(void **state)
{
	static const char *const schemas[] = {"public", "Odd \"one\"", "back\\slash", "a,b{}"};
	const char *values[PG_SESSION_PARAMETERS];
	struct pg_session session;

	(void)state;
	pg_session_init(&session, schemas, 4, 10000);
	pg_session_parameters(&session, values);
	assert_string_equal(
	    session.schemas, "{\"public\", \"Odd \\\"one\\\"\", \"back\\\\slash\", \"a,b{}\"}");
	assert_string_equal(
	    values[0], "\"public\", \"Odd \"\"one\"\"\", \"back\\slash\", \"a,b{}\", pg_temp");
	assert_string_equal(values[1], "10000");
	assert_string_equal(values[2], "5000");
	assert_string_equal(values[3], "15000");
	pg_session_deinit(&session);
}

static void test_a_lock_is_not_waited_for_longer_than_a_statement(void **state)
{
	static const char *const schemas[] = {"public"};
	struct pg_session session;

	(void)state;
	pg_session_init(&session, schemas, 1, 800);
	assert_string_equal(session.lock_timeout, "800");
	pg_session_deinit(&session);
}

static void test_backoff_doubles_up_to_its_limit(void **state)
{
	static const int64_t expected[] = {250, 500, 1000, 2000, 4000, 8000, 10000, 10000};
	struct backoff backoff = {250, 10000, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(backoff_next(&backoff), expected[i]);
	backoff_reset(&backoff);
	assert_int_equal(backoff_next(&backoff), 250);
}

static void test_plans_are_remembered_until_cleared(void **state)
{
	static struct plan_memory memory;
	char sql[32];

	(void)state;
	assert_false(plan_memory_knows(&memory, bytes_of_string("")));
	plan_memory_add(&memory, bytes_of_string("SELECT 1"));
	assert_true(plan_memory_knows(&memory, bytes_of_string("SELECT 1")));
	assert_false(plan_memory_knows(&memory, bytes_of_string("SELECT 1 ")));
	/* More than there is room for: the newest is always known. */
	for (int i = 0; i < 3 * PLAN_MEMORY_SLOTS; i++) {
		snprintf(sql, sizeof(sql), "SELECT %d", i);
		plan_memory_add(&memory, bytes_of_string(sql));
		assert_true(plan_memory_knows(&memory, bytes_of_string(sql)));
	}
	plan_memory_clear(&memory);
	assert_false(plan_memory_knows(&memory, bytes_of_string(sql)));
}

static void test_linger(void **state)
{
	struct pg_linger linger = {0};

	(void)state;
	assert_int_equal(pg_linger_awaited(&linger, 0), 0);
	pg_linger_add(&linger, 11, 1000);
	assert_int_equal(pg_linger_awaited(&linger, 1001), 0); /* the next one is served */
	pg_linger_add(&linger, 12, 2000);
	assert_int_equal(pg_linger_awaited(&linger, 2001), 11);
	assert_int_equal(pg_linger_awaited(&linger, 62000), 11);
	pg_linger_ended(&linger);
	assert_int_equal(pg_linger_awaited(&linger, 62000), 0);
	pg_linger_add(&linger, 13, 70000);
	assert_int_equal(pg_linger_awaited(&linger, 70000), 12);
	/* Not for ever. */
	assert_int_equal(pg_linger_awaited(&linger, 130001), 0);
	assert_int_equal(linger.first, 13);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_linger),
	    cmocka_unit_test(test_schemas_are_quoted),
	    cmocka_unit_test(test_a_lock_is_not_waited_for_longer_than_a_statement),
	    cmocka_unit_test(test_backoff_doubles_up_to_its_limit),
	    cmocka_unit_test(test_plans_are_remembered_until_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
