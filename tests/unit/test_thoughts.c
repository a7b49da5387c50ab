/* Thoughts left out of a completion that comes in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/thoughts.h"

static const struct {
	const char *name, *completion, *said;
} cases[] = {
    {"none", "Good day", "Good day"},
    {"nothing", "", ""},
    {"blanks at the start stay", " \n Good day\n", " \n Good day\n"},
    {"nothing but blanks", " \n", " \n"},
    {"thoughts", "<think>\nhm, a < b\n</think>\n\nGood day\n", "Good day\n"},
    {"blanks before them", "\n <think>hm</think>Good day", "Good day"},
    {"empty ones", "<think></think> Good day", "Good day"},
    {"nothing behind them", "<think>hm</think>\n", ""},
    {"no end", "<think>hm", ""},
    {"an end that begins twice", "<think>hm <</thi</think>Good day", "Good day"},
    {"a mark of something else", "<thin>k", "<thin>k"},
    {"a mark that begins twice", "<<think>hm</think>", "<<think>hm</think>"},
    {"a blank inside the mark", "< think>hm</think>", "< think>hm</think>"},
    {"a part of the mark", "<thi", "<thi"},
    {"a mark later on", "use <think>hm</think>", "use <think>hm</think>"},
    {"a second one", "<think>a</think>b<think>c</think>d", "b<think>c</think>d"},
};

static void run_split(size_t row, size_t first, size_t second)
{
	CLEAN(buffer) struct buffer said = BUFFER_INIT;
	struct bytes whole = bytes_of_string(cases[row].completion);
	struct thoughts thoughts = {0};

	thoughts_take(&thoughts, bytes_of(whole.data, first), &said);
	thoughts_take(&thoughts, bytes_of(whole.data + first, second - first), &said);
	thoughts_take(&thoughts, bytes_of(whole.data + second, whole.size - second), &said);
	thoughts_end(&thoughts, &said);
	if (!bytes_equal_string(bytes_of_buffer(&said), cases[row].said))
		fail_msg("%s, split at %zu and %zu: \"%.*s\", not \"%s\"", cases[row].name, first,
		    second, (int)said.size, said.data ? said.data : "", cases[row].said);
	thoughts_deinit(&thoughts);
}

static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t first = 0; first <= strlen(cases[i].completion); first++)
			for (size_t second = first; second <= strlen(cases[i].completion); second++)
				run_split(i, first, second);
}

/* What is said is passed on when it comes, not at the end. */
static void test_what_is_said_is_not_held_back(void **state)
{
	CLEAN(buffer) struct buffer said = BUFFER_INIT;
	struct thoughts thoughts = {0};

	(void)state;
	thoughts_take(&thoughts, bytes_of_string("<think>hm</think> G"), &said);
	assert_true(bytes_equal_string(bytes_of_buffer(&said), "G"));
	thoughts_deinit(&thoughts);
	thoughts = (struct thoughts){0};
	buffer_reset(&said);
	thoughts_take(&thoughts, bytes_of_string("G"), &said);
	assert_true(bytes_equal_string(bytes_of_buffer(&said), "G"));
	thoughts_deinit(&thoughts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_what_is_said_is_not_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
