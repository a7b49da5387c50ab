/* A limit is put around a statement, whose own text stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pg_query.h>

#include "worker/limit_sql.h"
#include "worker/policy.h"
#include "worker/validate.h"

static const struct {
	const char *name, *sql, *kept;
} cases[] = {
    {"plain", "SELECT 1", "SELECT 1"},
    {"semicolon", "SELECT 1;", "SELECT 1"},
    {"semicolon before", "; SELECT 1", " SELECT 1"},
    {"semicolons around", ";; SELECT 1 ;", " SELECT 1 "},
    {"semicolons and space", "SELECT 1 ; ;\n", "SELECT 1 "},
    {"comment after the semicolon", "SELECT 1; -- the end", "SELECT 1"},
    {"semicolon in a comment", "SELECT 1 -- a; b", "SELECT 1 -- a; b"},
    {"block comment after the semicolon", "SELECT 1;/* a; b */", "SELECT 1"},
    {"semicolon in a string", "SELECT ';'", "SELECT ';'"},
    {"string at the end", "SELECT 'a'", "SELECT 'a'"},
    {"dollar quotes", "SELECT $$;$$;", "SELECT $$;$$"},
    {"not ASCII", "SELECT 'é;' AS \"ü\"; -- ö", "SELECT 'é;' AS \"ü\""},
    {"values", "VALUES (1), (2)", "VALUES (1), (2)"},
    {"with", "WITH a AS (SELECT 1) TABLE a", "WITH a AS (SELECT 1) TABLE a"},
    {"parentheses", "(SELECT 1) UNION (SELECT 2) ORDER BY 1",
        "(SELECT 1) UNION (SELECT 2) ORDER BY 1"},
    {"same names", "SELECT 1 AS a, 2 AS a LIMIT 3", "SELECT 1 AS a, 2 AS a LIMIT 3"},
};

static void test_limit_sql(void **state)
{
	struct policy *policy = policy_new(NULL, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEAN(buffer) struct buffer wrapped = BUFFER_INIT, expected = BUFFER_INIT;
		PgQueryParseResult parsed;
		struct verdict verdict;

		print_message("%s\n", cases[i].name);
		validate(bytes_of_string(cases[i].sql), policy, &verdict);
		assert_int_equal(verdict.code, CHECK_ALLOW);
		limit_sql(verdict.statement, 11, &wrapped);
		verdict_free(&verdict);
		buffer_printf(
		    &expected, "SELECT * FROM (\n%s\n) AS optimax LIMIT 11", cases[i].kept);
		assert_string_equal(buffer_string(&wrapped), buffer_string(&expected));
		parsed = pg_query_parse(buffer_string(&wrapped));
		assert_null(parsed.error);
		pg_query_free_parse_result(parsed);
	}
	policy_free(policy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_limit_sql)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
