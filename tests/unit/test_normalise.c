/* The normal form: what falls together, what must not, and that it is its own normal form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "text/normalise.h"

struct row {
	const char *name, *text, *expected;
};

static const struct row rows[] = {
    {"empty", "", ""},
    {"blank", " \t\n ", ""},
    {"ends", "  how many  ", "how many"},
    {"tabs and line ends", "how\t\tmany\r\n orders", "how many orders"},
    {"no-break and wide blanks", "how\u00a0many\u3000orders\u2009?", "how many orders ?"},
    {"composes", "cafe\u0301", "caf\u00e9"},
    {"power stays", "2²", "2²"},
    {"ligature stays", "ﬁnd", "ﬁnd"},
    {"case stays", "Polish polish", "Polish polish"},
    {"single quotes", "where  city = 'New  York'  now", "where city = 'New  York' now"},
    {"double quotes", "the  \"Le  Pop\"  song", "the \"Le  Pop\" song"},
    {"curly quotes", "the  “Le  Pop”  song", "the “Le  Pop” song"},
    {"backquotes", "from  `my  table`", "from `my  table`"},
    {"doubled quote", "'it''s  so'  x", "'it''s  so' x"},
    {"apostrophe", "don't  show  'a  b'", "don't show 'a  b'"},
    {"possessive", "customer's  name  and  city's", "customer's name and city's"},
    {"possessive plural", "customers'  names  'a  b'", "customers' names 'a  b'"},
    {"curly apostrophe", "it’s  so", "it’s so"},
    {"literal behind a word", "name LIKE's  t'  x", "name LIKE's  t' x"},
    {"prefixed literal", "select E't  d'  x", "select E't  d' x"},
    {"open quote is none", "the 5'  board", "the 5' board"},
    {"dollar quotes", "select $$a  b$$  c", "select $$a  b$$ c"},
    {"tagged dollar quotes", "select $x$a  b$x$  c", "select $x$a  b$x$ c"},
    {"dollars", "from  $5  to  $10", "from $5 to $10"},
    {"comment keeps its end", "select 1 --  one\n\n , 2", "select 1 -- one\n, 2"},
    {"no comment, no line end", "select 1\n , 2", "select 1 , 2"},
    {"literal in two lines", "'a'\n 'b'", "'a'\n'b'"},
    {"literals in one line", "'a'  'b'", "'a' 'b'"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEAN(buffer) struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;

		assert_int_equal(normalise(bytes_of_string(rows[i].text), &once), 0);
		if (strcmp(buffer_string(&once), rows[i].expected) != 0)
			fail_msg("%s: <%s>", rows[i].name, buffer_string(&once));
		assert_int_equal(normalise(bytes_of_buffer(&once), &twice), 0);
		if (!bytes_equal(bytes_of_buffer(&once), bytes_of_buffer(&twice)))
			fail_msg("%s: not its own normal form", rows[i].name);
	}
}

static void test_appends(void **state)
{
	CLEAN(buffer) struct buffer buffer = BUFFER_INIT;

	(void)state;
	buffer_append_string(&buffer, "key:");
	assert_int_equal(normalise(bytes_of_string("  a  b "), &buffer), 0);
	assert_string_equal(buffer_string(&buffer), "key:a b");
}

static void test_bad_utf8_is_refused(void **state)
{
	static const char *const bad[] = {
	    "\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEAN(buffer) struct buffer buffer = BUFFER_INIT;

		assert_int_equal(normalise(bytes_of_string(bad[i]), &buffer), -EILSEQ);
		assert_int_equal(buffer.size, 0);
	}
}

static void test_blank(void **state)
{
	(void)state;
	assert_true(normalise_is_blank(bytes_of_string("")));
	assert_true(normalise_is_blank(bytes_of_string(" \t\u00a0\u2028\u3000")));
	assert_false(normalise_is_blank(bytes_of_string(" . ")));
}

/* A run of marks in the wrong order, and quotes that never close: linear all the same. */
static void test_hostile_texts_are_linear(void **state)
{
	static const char *const units[] = {"\u0301\u0316", "\u0f73", "'", "‘", "$a$", "$a ", "' ",
	    "''", "-- \n", "x's ", "\u00a0"};
	enum { SIZE = 32 * 1024 };
	char *text = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
		size_t unit = strlen(units[i]), whole = SIZE / unit * unit;
		clock_t start;

		for (size_t at = 0; at < whole; at++)
			text[at] = units[i][at % unit];
		start = clock();
		assert_int_equal(normalise(bytes_of(text, whole), &buffer), 0);
		if (clock() - start > CLOCKS_PER_SEC / 10)
			fail_msg("\"%s\" again and again took too long", units[i]);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_appends),
	    cmocka_unit_test(test_bad_utf8_is_refused),
	    cmocka_unit_test(test_blank),
	    cmocka_unit_test(test_hostile_texts_are_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
