/* The threshold that is chosen from evidence: sane before there is any, then what holds 97 %. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/threshold.h"

static const struct {
	const char *name;
	struct threshold_evidence evidence;
	double least, most;
} rows[] = {
    {"nothing yet", {{0}, {0}, {0}}, 0.75, 0.75},
    {"a few disagreements", {{9, 9, 9, 99}, {9, 9, 9}, {0, 0, 0}}, 0.75, 0.75},
    {"always agreed, down to the lowest",
        {{300, 300, 300, 300, 300, 300, 300, 9000}, {300, 300, 300, 300}, {299, 300, 300, 300}},
        0.5, 0.5},
    {"agreed as promised", {{100, 100, 50, 50, 50, 100, 200, 2000}, {100, 100, 50}, {55, 65, 36}},
        0.6, 0.85},
    {"agreed less than promised",
        {{400, 400, 400, 400, 400, 400, 400, 400}, {400, 400, 400}, {120, 160, 200}}, 0.95, 0.95},
    {"every decision of a raised threshold was right",
        {{50, 50, 50, 400, 400, 400, 400, 400}, {50, 50, 50, 400, 400, 400, 400},
            {25, 30, 35, 399, 399, 400, 400}},
        0.7, 0.75},
};

static void test_choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double chosen = threshold_choose(&rows[i].evidence);

		if (chosen < rows[i].least || chosen > rows[i].most)
			fail_msg("%s: %.2f", rows[i].name, chosen);
	}
}

static void test_bins(void **state)
{
	(void)state;
	assert_int_equal(threshold_bin(0.5), 0);
	assert_int_equal(threshold_bin(0.3), 0);
	assert_int_equal(threshold_bin(0.749), 2);
	assert_int_equal(threshold_bin(0.75), 3);
	assert_int_equal(threshold_bin(1), THRESHOLD_BINS - 1);
	for (unsigned i = 0; i < THRESHOLD_BINS; i++)
		assert_int_equal(threshold_bin(threshold_edges[i]), i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_choice), cmocka_unit_test(test_bins)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
