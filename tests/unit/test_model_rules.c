/* What decides about a model's call: breaker, retry, the completion's shape, hardness, keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/builtin_schema.h"
#include "worker/breaker.h"
#include "worker/completion.h"
#include "worker/hardness.h"
#include "worker/key_file.h"
#include "worker/retry.h"

/* ---- breaker ---- */

static void fail_often(struct breaker *breaker, int64_t now_ms)
{
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		assert_int_equal(breaker->state, BREAKER_CLOSED);
		breaker_take(breaker, BREAKER_ASKED, now_ms);
		breaker_take(breaker, BREAKER_FAILED, now_ms);
	}
}

static void test_breaker_opens_and_closes(void **state)
{
	struct breaker breaker = {0};

	(void)state;
	fail_often(&breaker, 1000);
	assert_int_equal(breaker.state, BREAKER_OPEN);
	assert_false(breaker_allows(&breaker, 1000 + BREAKER_WAIT_MS - 1));
	assert_true(breaker_allows(&breaker, 1000 + BREAKER_WAIT_MS));

	assert_true(breaker_take(&breaker, BREAKER_ASKED, 1000 + BREAKER_WAIT_MS));
	assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
	assert_false(breaker_allows(&breaker, 1000000)); /* one try at a time */
	assert_true(breaker_take(&breaker, BREAKER_SUCCEEDED, 2500));
	assert_int_equal(breaker.state, BREAKER_CLOSED);
	assert_true(breaker_allows(&breaker, 2500));
	fail_often(&breaker, 3000);
	assert_int_equal(breaker.until_ms, 3000 + BREAKER_WAIT_MS);
}

static void test_breaker_waits_longer(void **state)
{
	struct breaker breaker = {0};
	int64_t now_ms = 0, wait_ms = BREAKER_WAIT_MS;

	(void)state;
	fail_often(&breaker, now_ms);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(breaker.until_ms - now_ms, wait_ms);
		now_ms = breaker.until_ms;
		breaker_take(&breaker, BREAKER_ASKED, now_ms);
		breaker_take(&breaker, BREAKER_FAILED, now_ms);
		wait_ms = wait_ms * 2 < BREAKER_WAIT_LIMIT_MS ? wait_ms * 2 : BREAKER_WAIT_LIMIT_MS;
	}
	assert_int_equal(wait_ms, BREAKER_WAIT_LIMIT_MS);
}

static void test_breaker_counts_in_a_row(void **state)
{
	struct breaker breaker = {0};

	(void)state;
	for (int i = 0; i < 3 * BREAKER_FAILURES; i++) {
		breaker_take(&breaker, BREAKER_FAILED, 0);
		if (i % 3 == 0)
			breaker_take(&breaker, BREAKER_SUCCEEDED, 0);
	}
	assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void test_breaker_abandoned(void **state)
{
	struct breaker breaker = {0};

	(void)state;
	fail_often(&breaker, 0);
	breaker_take(&breaker, BREAKER_ASKED, BREAKER_WAIT_MS);
	breaker_take(&breaker, BREAKER_ABANDONED, BREAKER_WAIT_MS);
	assert_int_equal(breaker.state, BREAKER_OPEN);
	assert_true(breaker_allows(&breaker, BREAKER_WAIT_MS));
	/* Those that began before it opened do not put the next try off. */
	breaker_take(&breaker, BREAKER_FAILED, BREAKER_WAIT_MS - 1);
	assert_true(breaker_allows(&breaker, BREAKER_WAIT_MS));
}

/* ---- retry ---- */

static const struct {
	const char *name;
	struct retry_failure failure;
	int64_t least, most; /* -1: never */
} retries[] = {
    {"refused", {true, 0, -1, false, 1, 9000}, 100, 200},
    {"refused again", {true, 0, -1, false, 2, 9000}, 200, 400},
    {"the last attempt", {true, 0, -1, false, RETRY_ATTEMPTS, 9000}, -1, -1},
    {"429", {false, 429, -1, false, 1, 9000}, 100, 200},
    {"429 with Retry-After", {false, 429, 2000, false, 1, 9000}, 2000, 2000},
    {"503 with Retry-After: 0", {false, 503, 0, false, 1, 9000}, 100, 200},
    {"Retry-After over the time", {false, 503, 9000, false, 1, 9000}, -1, -1},
    {"400", {false, 400, -1, false, 1, 9000}, -1, -1},
    {"404", {false, 404, 1000, false, 1, 9000}, -1, -1},
    {"500", {false, 500, -1, false, 1, 9000}, -1, -1},
    {"behind a token", {true, 0, -1, true, 1, 9000}, -1, -1},
    {"503 behind a token", {false, 503, -1, true, 1, 9000}, -1, -1},
    {"no time is left", {true, 0, -1, false, 1, 50}, -1, -1},
};

static void test_retries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
		for (uint32_t random = 0; random < 1000; random += 7) {
			int64_t wait_ms = retry_wait_ms(&retries[i].failure, random);

			if (wait_ms < retries[i].least || wait_ms > retries[i].most)
				fail_msg("%s: %lld", retries[i].name, (long long)wait_ms);
		}
	}
	assert_int_not_equal(
	    retry_wait_ms(&retries[0].failure, 1), retry_wait_ms(&retries[0].failure, 2));
}

/* ---- Retry-After ---- */

enum { NOW_S = 1792567680, DAY_MS = 24 * 60 * 60 * 1000 }; /* Wed, 21 Oct 2026 07:28:00 GMT */

static const struct {
	const char *value;
	int64_t wait_ms;
} waits[] = {
    {"2", 2000},
    {" 0 \r\n", 0},
    {"1.5", 1500},
    {"0.0001", 1},
    {"86400", DAY_MS},
    /* What is too long is not taken for nothing: it would be tried again at once. */
    {"86401", DAY_MS},
    {"99999999999999999999", DAY_MS},
    {"Wed, 21 Oct 2026 07:28:30 GMT", 30000},
    {"Wed, 21 Oct 2026 07:27:59 GMT", 0},
    {"Fri, 01 Jan 2038 00:00:00 GMT", DAY_MS},
    {"Wed, 21 Oct 2026 07:28:30 CET", -1},
    {"2 minutes", -1},
    {"-1", -1},
    {"1e3", -1},
    {"", -1},
};

static void test_retry_after(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (retry_after_parse(waits[i].value, NOW_S) != waits[i].wait_ms)
			fail_msg("%s: %lld", waits[i].value,
			    (long long)retry_after_parse(waits[i].value, NOW_S));
}

/* ---- completions ---- */

static const struct {
	const char *name;
	enum provider_job job;
	const char *completion;
	const char *answer; /* NULL: the error's message has `says` */
	const char *says;
} completions[] = {
    {"as asked for", PROVIDER_SQL, "{\"sql\":\"SELECT 1\"}", "SELECT 1", NULL},
    {"white space around", PROVIDER_SQL, "\n {\"sql\": \" SELECT 1 \"}\n", "SELECT 1", NULL},
    {"fenced JSON", PROVIDER_SQL, "Here:\n```json\n{\"sql\":\"SELECT 1\"}\n```\nDone", "SELECT 1",
        NULL},
    {"fenced SQL", PROVIDER_SQL, "```sql\nSELECT 1;\n```", "SELECT 1;", NULL},
    {"a fence in JSON", PROVIDER_SQL, "{\"sql\":\"```sql\\nSELECT 1\\n```\"}", "SELECT 1", NULL},
    {"a fence that does not end", PROVIDER_SQL, "```sql\nSELECT 1", "SELECT 1", NULL},
    {"bare SQL", PROVIDER_SQL, "select 1", "select 1", NULL},
    {"bare WITH", PROVIDER_SQL, "WITH a AS (SELECT 1) SELECT * FROM a",
        "WITH a AS (SELECT 1) SELECT * FROM a", NULL},
    {"JSON in a sentence", PROVIDER_SQL, "It is {\"sql\":\"SELECT 1\"}, I think", "SELECT 1", NULL},
    {"thoughts that the prompt began", PROVIDER_SQL,
        "{\"sql\":\"SELECT 2\"}?</think>{\"sql\":\"SELECT 1\"}", "SELECT 1", NULL},
    {"thoughts first", PROVIDER_SQL, "<think>SELECT 2?</think>\n{\"sql\":\"SELECT 1\"}", "SELECT 1",
        NULL},
    {"declined", PROVIDER_SQL, "{\"sql\":\"\"}", NULL, "can't be answered"},
    {"cut JSON", PROVIDER_SQL, "{\"sql\":\"SELECT 1", NULL, "JSON object with \"sql\""},
    {"another key", PROVIDER_SQL, "{\"query\":\"SELECT 1\"}", NULL, "JSON object"},
    {"no text in it", PROVIDER_SQL, "{\"sql\":1}", NULL, "JSON object"},
    {"a sentence", PROVIDER_SQL, "I can't help with that.", NULL, "JSON object"},
    {"selected is no SELECT", PROVIDER_SQL, "selected_rows", NULL, "JSON object"},
    {"a fence with other code", PROVIDER_SQL, "```python\nprint(1)\n```", NULL, "JSON object"},
    {"a comment before bare SQL", PROVIDER_SQL, "-- all\n/* of\nthem */ SELECT 1",
        "-- all\n/* of\nthem */ SELECT 1", NULL},
    {"a comment before fenced SQL", PROVIDER_SQL, "```sql\n-- all of them\nSELECT 1\n```",
        "-- all of them\nSELECT 1", NULL},
    {"a comment alone", PROVIDER_SQL, "-- SELECT 1", NULL, "JSON object"},
    {"a comment without end", PROVIDER_SQL, "/* SELECT 1", NULL, "JSON object"},
    {"lines that JSON does not allow", PROVIDER_SQL,
        "{\n\"sql\": \"SELECT \\\"a\\\" -- a\n\tFROM b\"}", "SELECT \"a\" -- a\n\tFROM b", NULL},
    {"nothing", PROVIDER_SQL, "", NULL, "empty"},
    {"white space", PROVIDER_ROUTE, " \n", NULL, "empty"},
    {"a NUL", PROVIDER_SQL, "{\"sql\":\"SELECT\\u00001\"}", NULL, "JSON object"},
    {"route", PROVIDER_ROUTE, "{\"route\":\"chat\"}", "chat", NULL},
    {"route as a word", PROVIDER_ROUTE, "This is SQL.", "sql", NULL},
    {"both words", PROVIDER_ROUTE, "sql or chat", NULL, "JSON object with \"route\""},
    {"another route", PROVIDER_ROUTE, "{\"route\":\"both\"}", NULL, "neither sql nor chat"},
    {"a part of a word", PROVIDER_ROUTE, "chatter", NULL, "JSON object"},
    {"chat", PROVIDER_CHAT, " Hello, {\"sql\":\"x\"}", " Hello, {\"sql\":\"x\"}", NULL},
    {"empty chat", PROVIDER_CHAT, "\n", NULL, "empty"},
    {"chat that is no text", PROVIDER_CHAT, "\xff", NULL, "UTF-8"},
};

static void test_completions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(completions) / sizeof(completions[0]); i++) {
		CLEAN(buffer) struct buffer answer = BUFFER_INIT;
		struct error error = ERROR_INIT;
		int r = completion_read(completions[i].job,
		    bytes_of_string(completions[i].completion), &answer, &error);

		if ((r == 0) != (completions[i].answer != NULL))
			fail_msg("%s: %s", completions[i].name, error.message);
		if (r == 0 && !bytes_equal_string(bytes_of_buffer(&answer), completions[i].answer))
			fail_msg("%s: %s", completions[i].name, buffer_string(&answer));
		if (r != 0 && (!strstr(error.message, completions[i].says) || answer.size != 0))
			fail_msg("%s: %s", completions[i].name, error.message);
	}
}

static void test_sql_is_bounded(void **state)
{
	CLEAN(buffer) struct buffer completion = BUFFER_INIT, answer = BUFFER_INIT;
	struct error error = ERROR_INIT;

	(void)state;
	buffer_append_string(&completion, "SELECT ");
	while (completion.size <= LIMIT_SQL_BYTES)
		buffer_append_string(&completion, "1,");
	assert_int_equal(
	    completion_read(PROVIDER_SQL, bytes_of_buffer(&completion), &answer, &error),
	    ERROR_MODEL_ERROR);
	assert_non_null(strstr(error.message, "at most 8192"));
}

/* ---- hardness ---- */

static const struct {
	const char *question;
	bool hard;
} questions[] = {
    {"how many books", false},
    {"list all books", false},
    {"average price of books per author", true},
    {"books and authors and loans", true},
    {"what is the total number of books for each author compared to the average", true},
};

static void test_hardness(void **state)
{
	struct snapshot *snapshot = builtin_schema_new();
	struct vocabulary *vocabulary = vocabulary_new(snapshot);
	struct hardness failed = {.words = 1, .failures = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct hardness hardness =
		    hardness_measure(bytes_of_string(questions[i].question), vocabulary);

		if (hardness_is_hard(&hardness) != questions[i].hard)
			fail_msg("%s: %u words, %u tables, %u aggregates", questions[i].question,
			    hardness.words, hardness.tables, hardness.aggregates);
	}
	assert_true(hardness_is_hard(&failed));
	vocabulary_free(vocabulary);
	snapshot_free(snapshot);
}

/* ---- key files ---- */

static const struct {
	const char *name;
	const char *content;
	mode_t mode;
	const char *says; /* NULL: it is read as "secret" */
} key_files[] = {
    {"a line", "secret\n", 0600, NULL},
    {"no end of line", "secret", 0640, NULL},
    {"CRLF", "secret\r\n", 0600, NULL},
    {"open to all", "secret\n", 0644, "chmod"},
    {"empty", "\n", 0600, "one line"},
    {"two lines", "secret\nX-Other: 1\n", 0600, "one line"},
};

static void test_key_files(void **state)
{
	char path[] = "/tmp/ox-key-XXXXXX";
	struct error error = ERROR_INIT;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(key_files) / sizeof(key_files[0]); i++) {
		CLEAN(buffer) struct buffer key = BUFFER_INIT;
		size_t size = strlen(key_files[i].content);
		int r;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, key_files[i].content, size, 0), size);
		assert_int_equal(fchmod(fd, key_files[i].mode), 0);
		r = key_file_read(path, &key, &error);
		if ((r == 0) != !key_files[i].says)
			fail_msg("%s: %d", key_files[i].name, r);
		if (r == 0)
			assert_string_equal(buffer_string(&key), "secret");
		else if (!strstr(error.message, key_files[i].says))
			fail_msg("%s: %s", key_files[i].name, error.message);
	}
	close(fd);
	unlink(path);
	assert_int_equal(key_file_read(path, &(struct buffer){0}, &error), ERROR_MODEL_ERROR);
	assert_int_equal(key_file_read("/tmp", &(struct buffer){0}, &error), ERROR_MODEL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_breaker_opens_and_closes),
	    cmocka_unit_test(test_breaker_waits_longer),
	    cmocka_unit_test(test_breaker_counts_in_a_row),
	    cmocka_unit_test(test_breaker_abandoned),
	    cmocka_unit_test(test_retries),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_completions),
	    cmocka_unit_test(test_sql_is_bounded),
	    cmocka_unit_test(test_hardness),
	    cmocka_unit_test(test_key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
