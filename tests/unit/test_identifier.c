/* How identifiers come apart, and what their abbreviations stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "text/identifier.h"

static const char *const splits[][2] = {
    {"", ""},
    {"___", ""},
    {"customer", "customer"},
    {"cust_order_dt", "cust order dt"},
    {"customerID", "customer ID"},
    {"customerIDs", "customer IDs"},
    {"IDs", "IDs"},
    {"HTTPServer2", "HTTP Server 2"},
    {"XMLHttpRequest", "XML Http Request"},
    {"orderQty2Total", "order Qty 2 Total"},
    {"_private__name_", "private name"},
    {"Free Meal Count (K-12)", "Free Meal Count K 12"},
    {"ORDER_DATE", "ORDER DATE"},
    {"gr\u00f6\u00dfeMax", "gr\u00f6\u00dfe Max"},
    {"a1b2", "a 1 b 2"},
    {"pg-stat.x", "pg stat x"},
};

static void test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
		CLEAN(buffer) struct buffer found = BUFFER_INIT;
		struct bytes words[IDENTIFIER_WORDS_MAX];
		size_t count = identifier_split(bytes_of_string(splits[i][0]), words);

		for (size_t k = 0; k < count; k++)
			buffer_printf(
			    &found, "%s%.*s", k ? " " : "", (int)words[k].size, words[k].data);
		assert_string_equal(buffer_string(&found), splits[i][1]);
	}
}

static void test_split_is_bounded(void **state)
{
	struct bytes words[IDENTIFIER_WORDS_MAX];

	(void)state;
	assert_int_equal(
	    identifier_split(bytes_of_string("a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s"), words),
	    IDENTIFIER_WORDS_MAX);
	assert_true(bytes_equal_string(words[15], "p"));
}

static void test_expand(void **state)
{
	(void)state;
	assert_string_equal(identifier_expand(bytes_of_string("dt")), "date");
	assert_string_equal(identifier_expand(bytes_of_string("QTY")), "quantity");
	assert_string_equal(identifier_expand(bytes_of_string("fname")), "first name");
	assert_null(identifier_expand(bytes_of_string("customer")));
	assert_null(identifier_expand(bytes_of_string("")));
	assert_null(identifier_expand(bytes_of_string("averyverylongword")));
}

/* The search needs the order of the table: every row must be found. */
static void test_table_is_sorted(void **state)
{
	static const char *const rows[][2] = {
#define ABBREVIATION(brief, expanded) {brief, expanded},
#include "text/abbreviations.def"
#undef ABBREVIATION
	};

	(void)state;
	assert_true(sizeof(rows) / sizeof(rows[0]) >= 80);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(identifier_expand(bytes_of_string(rows[i][0])), rows[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_split_is_bounded),
	    cmocka_unit_test(test_expand),
	    cmocka_unit_test(test_table_is_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
