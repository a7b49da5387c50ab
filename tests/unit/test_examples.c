/* Verified examples: which are near a question, and what their statements' verdicts do. The pool is
 * the test's own: one job at a time, answered by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/examples.h"
#include "daemon/pool.h"

enum { PAIRS_MAX = 8, TEXT_SIZE = 20000 };

/* ---- the pool ---- */

static struct {
	struct waiter *waiter; /* NULL: nothing is asked */
	char sql[TEXT_SIZE];
	unsigned asked;
} pool;

int pool_submit(struct pool *unused, struct bytes key, enum message_id id, const void *params,
    struct waiter *waiter, int64_t deadline_ms, struct error *ret_error)
{
	const struct execute_params *job = params;

	(void)unused;
	(void)deadline_ms;
	(void)ret_error;
	assert_null(pool.waiter);
	assert_int_equal(key.size, 0);
	assert_int_equal(id, MESSAGE_ID_EXECUTE);
	assert_true(job->plan_only);
	pool.waiter = waiter;
	pool.asked++;
	snprintf(pool.sql, sizeof(pool.sql), "%.*s", (int)job->sql.size, job->sql.data);
	return 0;
}

void pool_leave(struct waiter *waiter)
{
	assert_ptr_equal(waiter, pool.waiter);
	pool.waiter = NULL;
}

/* The worker's answer to what is asked. */
static void answer(enum error_code code)
{
	struct job_outcome outcome = {0};
	struct waiter *waiter = pool.waiter;
	struct error error;

	assert_non_null(waiter);
	if (code != ERROR_NONE) {
		error_set(&error, code, "column \"x\" does not exist");
		outcome.error = &error;
	}
	pool.waiter = NULL;
	waiter->done(waiter, &outcome);
}

/* Statements with "bad" in them are refused. */
static void answer_all(void)
{
	while (pool.waiter)
		answer(strstr(pool.sql, "bad") ? ERROR_SQL_ERROR : ERROR_NONE);
}

/* ---- the scene ---- */

struct scene {
	struct examples *examples;
	struct child_example items[PAIRS_MAX];
	struct child_config config;
};

static void configure(struct scene *scene, const struct child_example *pairs, size_t count)
{
	memcpy(scene->items, pairs, count * sizeof(*pairs));
	scene->config.examples = scene->items;
	scene->config.example_count = count;
	examples_configure(scene->examples, &scene->config);
}

static void open_scene(struct scene *scene)
{
	*scene = (struct scene){.examples = examples_new("shop", NULL)};
	memset(&pool, 0, sizeof(pool));
}

static void close_scene(struct scene *scene)
{
	examples_free(scene->examples);
	assert_null(pool.waiter);
}

/* The SQL of what is picked, each followed by a blank. */
static const char *picked(struct scene *scene, const char *question)
{
	static char all[TEXT_SIZE];
	CLEAN(buffer) struct buffer texts = BUFFER_INIT;
	struct texts_walk walk;
	struct bytes text;
	size_t at = 0;

	all[0] = '\0';
	if (!examples_pick(scene->examples, bytes_of_string(question), &texts))
		return all;
	walk = texts_begin(bytes_of_buffer(&texts));
	for (size_t i = 0; texts_next(&walk, &text); i++)
		if (i % 2 == 1)
			at += (size_t)snprintf(
			    all + at, sizeof(all) - at, "%.*s ", (int)text.size, text.data);
	return all;
}

/* string literals are const */
#define TEXT(text) ((char[]){text})
#define PAIR(question_, sql_)                                                      \
	{                                                                          \
		.database = TEXT("shop"), .question = TEXT(question_), .sql = sql_ \
	}

/* ---- nearness ---- */

static const struct child_example known[] = {
    PAIR("Which customers live in Berlin?", TEXT("live")),
    PAIR("Orders of customers by city", TEXT("city")),
    PAIR("Revenue of each product", TEXT("revenue")),
    PAIR("Products that nobody ordered", TEXT("nobody")),
    PAIR("Which customers live in Paris?", TEXT("paris")),
    PAIR("Customers living in no city", TEXT("bad")),
    {.database = TEXT("other"), .question = TEXT("customers"), .sql = TEXT("other")},
};

static const struct near_row {
	const char *name, *question, *sql;
} near_rows[] = {
    {"the nearest first", "which customers live in Berlin", "live paris city "},
    {"equals as they are listed", "customers that live", "live paris city "},
    {"stems, not words", "a living customer in Berlin", "live paris city "},
    {"the second may be nearer", "which customers live in Paris", "paris live city "},
    {"the nearer first", "the revenue of a product ordered", "revenue nobody city "},
    {"one word of many is too little",
        "revenue in years of war, peace, plague, drought, fire, flood, frost and famine", ""},
    {"words that mean nothing", "which of the in", ""},
    {"no word in common", "how deep is the sea", ""},
    {"no word", "", ""},
};

static void test_the_nearest(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene);
	configure(&scene, known, sizeof(known) / sizeof(known[0]));
	examples_schema_changed(scene.examples, "v1");
	answer_all();
	assert_int_equal(pool.asked, 6);
	for (size_t i = 0; i < sizeof(near_rows) / sizeof(near_rows[0]); i++)
		if (strcmp(picked(&scene, near_rows[i].question), near_rows[i].sql) != 0)
			fail_msg(
			    "%s: %s", near_rows[i].name, picked(&scene, near_rows[i].question));
	close_scene(&scene);
}

static void test_three_and_so_many_bytes(void **state)
{
	static char large[7000], larger[8001];
	const struct child_example pairs[] = {PAIR("fish a", larger), PAIR("fish b", large),
	    PAIR("fish c", large), PAIR("fish d", TEXT("small")), PAIR("fish e", TEXT("small"))};
	struct scene scene;

	(void)state;
	memset(large, 'l', sizeof(large) - 1);
	memset(larger, 'm', sizeof(larger) - 1);
	open_scene(&scene);
	configure(&scene, pairs + 3, 2);
	examples_schema_changed(scene.examples, "v1");
	answer_all();
	assert_string_equal(picked(&scene, "fish"), "small small ");
	/* Of the three nearest those that fit. */
	configure(&scene, pairs + 1, 4);
	answer_all();
	assert_int_equal(strlen(picked(&scene, "fish")), sizeof(large) + sizeof("small"));
	configure(&scene, pairs, 2);
	answer_all();
	assert_int_equal(strlen(picked(&scene, "fish")), sizeof(larger));
	close_scene(&scene);
}

/* ---- verdicts ---- */

static void test_only_what_is_verified(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene);
	configure(&scene, known, 1);
	assert_int_equal(pool.asked, 0);
	assert_string_equal(picked(&scene, "customers live"), "");
	examples_schema_changed(scene.examples, "v1");
	assert_string_equal(picked(&scene, "customers live"), "");
	/* No verdict is no refusal; it is asked again when somebody could use it. */
	answer(ERROR_DATABASE_UNAVAILABLE);
	assert_null(pool.waiter);
	assert_string_equal(picked(&scene, "customers live"), "");
	answer(ERROR_NONE);
	assert_string_equal(picked(&scene, "customers live"), "live ");
	examples_schema_changed(scene.examples, "v1");
	assert_string_equal(picked(&scene, "customers live"), "live ");
	examples_schema_changed(scene.examples, "v2");
	assert_string_equal(picked(&scene, "customers live"), "");
	answer(ERROR_SQL_REJECTED);
	assert_string_equal(picked(&scene, "customers live"), "");
	examples_schema_changed(scene.examples, "v3");
	answer(ERROR_NONE);
	assert_string_equal(picked(&scene, "customers live"), "live ");
	examples_policy_changed(scene.examples);
	assert_null(pool.waiter);
	assert_string_equal(picked(&scene, "customers live"), "");
	answer(ERROR_NONE);
	assert_string_equal(picked(&scene, "customers live"), "live ");
	close_scene(&scene);
}

static void test_a_change_keeps_what_is_known(void **state)
{
	struct scene scene;
	uint64_t version;

	(void)state;
	open_scene(&scene);
	configure(&scene, known, 3);
	examples_schema_changed(scene.examples, "v1");
	answer_all();
	version = examples_version(scene.examples);
	configure(&scene, known, 3);
	assert_true(version == examples_version(scene.examples));
	configure(&scene, known + 1, 3);
	assert_true(version != examples_version(scene.examples));
	assert_int_equal(pool.asked, 4);
	assert_string_equal(pool.sql, "nobody");
	assert_string_equal(picked(&scene, "revenue"), "revenue ");
	/* What is being checked when it goes is asked no more. */
	configure(&scene, known + 1, 1);
	assert_null(pool.waiter);
	configure(&scene, known, 0);
	assert_true(examples_version(scene.examples) == 0);
	assert_string_equal(picked(&scene, "revenue"), "");
	close_scene(&scene);
}

/* ---- taught ---- */

static const char *taught(const struct scene *scene, const char *question)
{
	static char sql[64];
	struct bytes found = examples_taught(scene->examples, bytes_of_string(question));

	if (!found.data)
		return "none";
	snprintf(sql, sizeof(sql), "%.*s", (int)found.size, found.data);
	return sql;
}

static const struct child_example lessons[] = {
    {.database = TEXT("shop"), .question = TEXT("how many"), .sql = TEXT("one"), .taught = true},
    {.database = TEXT("shop"), .question = TEXT("how much"), .sql = TEXT("two"), .taught = true},
    PAIR("how few", TEXT("file")),
    {.database = TEXT("other"), .question = TEXT("how old"), .sql = TEXT("x"), .taught = true},
    {.database = TEXT("shop"), .question = TEXT("how long"), .sql = TEXT("three"), .taught = true},
};

static const struct taught_row {
	const char *question, *sql;
} taught_rows[] = {
    {"how many", "one"},
    {"how many?", "one"},
    {"how much ?!.", "two"},
    {"how long", "three"},
    {"How many", "none"},
    {"how man", "none"},
    {"how few", "none"},
    {"how old", "none"},
    {"", "none"},
    {"?", "none"},
};

static void test_the_very_question(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene);
	configure(&scene, lessons, 5);
	for (size_t i = 0; i < sizeof(taught_rows) / sizeof(taught_rows[0]); i++)
		if (strcmp(taught(&scene, taught_rows[i].question), taught_rows[i].sql) != 0)
			fail_msg("%s", taught_rows[i].question);
	/* A refusal holds until there is another verdict. */
	examples_schema_changed(scene.examples, "v1");
	answer(ERROR_SQL_ERROR);
	answer_all();
	assert_string_equal(taught(&scene, "how many"), "none");
	assert_string_equal(taught(&scene, "how much"), "two");
	examples_schema_changed(scene.examples, "v2");
	assert_string_equal(taught(&scene, "how many"), "none");
	answer_all();
	assert_string_equal(taught(&scene, "how many"), "one");
	close_scene(&scene);
}

static void test_what_was_just_allowed_is_not_checked(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene);
	examples_schema_changed(scene.examples, "v1");
	examples_vouch(scene.examples, bytes_of_string("how many"), bytes_of_string("one"));
	configure(&scene, lessons, 1);
	assert_int_equal(pool.asked, 0);
	configure(&scene, lessons, 2);
	assert_int_equal(pool.asked, 1);
	answer(ERROR_SQL_ERROR);
	assert_string_equal(taught(&scene, "how much"), "none");
	/* Also where it is there already; not by another schema. */
	examples_vouch(scene.examples, bytes_of_string("how much"), bytes_of_string("two"));
	assert_string_equal(taught(&scene, "how much"), "two");
	examples_vouch(scene.examples, bytes_of_string("how long"), bytes_of_string("three"));
	examples_schema_changed(scene.examples, "v2");
	answer_all();
	configure(&scene, lessons, 5);
	assert_non_null(pool.waiter);
	answer_all();
	assert_int_equal(pool.asked, 5);
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_nearest),
	    cmocka_unit_test(test_three_and_so_many_bytes),
	    cmocka_unit_test(test_only_what_is_verified),
	    cmocka_unit_test(test_a_change_keeps_what_is_known),
	    cmocka_unit_test(test_the_very_question),
	    cmocka_unit_test(test_what_was_just_allowed_is_not_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
