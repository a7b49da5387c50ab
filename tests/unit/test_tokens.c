/* Tokens of plain, quoted, numeric and hostile texts, with their folded forms and stems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "text/tokens.h"

/* Tokens as kind:folded, kinds w n q s. */
struct row {
	const char *name, *text, *expected;
};

static const struct row rows[] = {
    {"empty", "", ""},
    {"words", "How many Orders?", "w:how w:many w:orders s:?"},
    {"inner apostrophe and hyphen", "don't e-mail q3", "w:don't w:e-mail w:q3"},
    {"possessive", "Bob's customer’s", "w:bob w:customer"},
    {"possessive plural", "customers' names", "w:customers s:' w:names"},
    {"hyphen at the end", "pre- and post-war", "w:pre s:- w:and w:post-war"},
    {"underscore", "cust_order_dt", "w:cust_order_dt"},
    {"thousands", "1,000 or 1,000,000.5", "n:1,000 w:or n:1,000,000.5"},
    {"list of numbers", "1,2, 3", "n:1 s:, n:2 s:, n:3"},
    {"date", "on 2024-05-01.", "w:on n:2024-05-01 s:."},
    {"number and unit", "5k 3rd 1990s", "n:5 w:k n:3 w:rd n:1990 w:s"},
    {"money", "$3.50 100%", "s:$ n:3.50 n:100 s:%"},
    {"inches", "27\" and 32\" screens", "n:27 s:\" w:and n:32 s:\" w:screens"},
    {"quoted", "in 'New York' now", "w:in q:new york w:now"},
    {"double quoted", "\"Le Pop\"!", "q:le pop s:!"},
    {"curly", "“Le Pop” ‘x y’", "q:le pop q:x y"},
    {"quoted apostrophe", "'don't do it' x", "q:don't do it w:x"},
    {"doubled quote", "'O''Brien'", "q:o''brien"},
    {"empty quoted", "'' x", "q: w:x"},
    {"open quote", "'abc", "s:' w:abc"},
    {"folds", "STRASSE Straße ÉCOLE", "w:strasse w:strasse w:école"},
    {"composes", "cafe\u0301", "w:caf\u00e9"},
    {"power", "2²", "n:2 w:²"},
    {"other scripts", "東京 Москва", "w:東京 w:москва"},
    {"invisible", "a\u200bb\ac", "w:a w:b w:c"},
    {"not UTF-8",
        "a\xff"
        "b",
        "w:a w:b"},
};

static const char kind_letters[] = {
    [TOKEN_WORD] = 'w', [TOKEN_NUMBER] = 'n', [TOKEN_QUOTED] = 'q', [TOKEN_SYMBOL] = 's'};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEAN(buffer) struct buffer found = BUFFER_INIT;
		struct tokens tokens;

		tokens_split(bytes_of_string(rows[i].text), 0, &tokens);
		for (size_t k = 0; k < tokens.count; k++)
			buffer_printf(&found, "%s%c:%s", k ? " " : "",
			    kind_letters[tokens.items[k].kind], tokens.items[k].folded);
		tokens_free(&tokens);
		if (strcmp(buffer_string(&found), rows[i].expected) != 0)
			fail_msg("%s: <%s>", rows[i].name, buffer_string(&found));
	}
}

static void test_fields(void **state)
{
	struct bytes text = bytes_of_string("List Orders(\"A b\")");
	struct tokens tokens;

	(void)state;
	tokens_split(text, 0, &tokens);
	assert_int_equal(tokens.count, 5);
	assert_string_equal(tokens.items[1].stem, "order");
	assert_true(tokens.items[1].capital);
	assert_true(tokens.items[1].space_before);
	assert_false(tokens.items[2].space_before);
	assert_int_equal(tokens.items[3].at, 12);
	assert_true(bytes_equal_string(tokens.items[3].raw, "A b"));
	assert_ptr_equal(tokens.items[3].raw.data, text.data + 13);
	tokens_free(&tokens);
}

static void test_max_tokens(void **state)
{
	struct tokens tokens;

	(void)state;
	tokens_split(bytes_of_string("a b c d"), 3, &tokens);
	assert_int_equal(tokens.count, 3);
	tokens_free(&tokens);
}

static void test_stems(void **state)
{
	static const char *const same[][2] = {{"Customers", "customer"}, {"categories", "category"},
	    {"people", "person"}, {"children", "child"}, {"Bob's", "bob"}, {"ordered", "orders"},
	    {"colours", "color"}, {"Organisations", "organization"}, {"centre", "Centers"},
	    {"cancelled", "canceled"}, {"catalogues", "catalog"}, {"favourite", "favorites"},
	    {"licences", "license"}, {"drove", "drives"}, {"analysed", "analyzing"}};
	static const char *const apart[][2] = {
	    {"hours", "hors"}, {"rise", "rize"}, {"sellers", "selers"}};
	CLEAN(buffer) struct buffer left = BUFFER_INIT, right = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		token_stem(bytes_of_string(same[i][0]), &left);
		token_stem(bytes_of_string(same[i][1]), &right);
		assert_string_equal(buffer_string(&left), buffer_string(&right));
	}
	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
		token_stem(bytes_of_string(apart[i][0]), &left);
		token_stem(bytes_of_string(apart[i][1]), &right);
		assert_string_not_equal(buffer_string(&left), buffer_string(&right));
	}
}

static void test_hostile_texts_are_linear(void **state)
{
	static const char *const units[] = {"'", " '", "\"", "‘", "a", "a-", "a'", "\u0301\u0316",
	    "1,", "1-", "1.", "_", "é", "\xff"};
	enum { SIZE = 32 * 1024 };
	char *text = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct tokens tokens;
		clock_t start = clock();

		for (size_t at = 0, unit = strlen(units[i]); at < SIZE; at++)
			text[at] = units[i][at % unit];
		tokens_split(bytes_of(text, SIZE), 0, &tokens);
		tokens_free(&tokens);
		if (clock() - start > CLOCKS_PER_SEC / 5)
			fail_msg("\"%s\" again and again took too long", units[i]);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_max_tokens),
	    cmocka_unit_test(test_stems),
	    cmocka_unit_test(test_hostile_texts_are_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
