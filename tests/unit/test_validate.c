/* The validator over tables of cases, limits, and damaged statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "tests/unit/validate_cases.h"
#include "tests/unit/validate_schema.h"
#include "worker/validate_reply.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct snapshot *schema;

static int set_up(void **state)
{
	(void)state;
	schema = validate_schema_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	snapshot_free(schema);
	return 0;
}

/* A heap copy without a NUL behind it: ASan sees a byte read too far. */
static void validate_exact(struct bytes sql, struct verdict *ret_verdict)
{
	char *exact = must_alloc(sql.size ? sql.size : 1);

	if (sql.size)
		memcpy(exact, sql.data, sql.size);
	validate(bytes_of(exact, sql.size), schema, ret_verdict);
	free(exact);
}

static void test_refused(void **state)
{
	struct verdict verdict;

	(void)state;
	for (size_t i = 0; i < COUNT(refused_cases); i++) {
		validate_exact(bytes_of_string(refused_cases[i].sql), &verdict);
		if (verdict.code != refused_cases[i].code)
			fail_msg("%s: %s, not %s: %s", refused_cases[i].sql,
			    check_code_name(verdict.code), check_code_name(refused_cases[i].code),
			    verdict.reason);
		if (!strstr(verdict.reason, refused_cases[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", refused_cases[i].sql,
			    verdict.reason, refused_cases[i].says);
		assert_int_equal(verdict.relation_count, 0);
		verdict_free(&verdict);
	}
}

static void test_allowed(void **state)
{
	struct verdict verdict;

	(void)state;
	for (size_t i = 0; i < COUNT(allowed_cases); i++) {
		validate_exact(bytes_of_string(allowed_cases[i]), &verdict);
		if (verdict.code != CHECK_ALLOW)
			fail_msg("%s: %s", allowed_cases[i], verdict.reason);
		verdict_free(&verdict);
	}
}

static void test_cacheable(void **state)
{
	struct verdict verdict;

	(void)state;
	for (size_t i = 0; i < COUNT(cache_cases); i++) {
		const char *expected = cache_cases[i].reason;

		validate_exact(bytes_of_string(cache_cases[i].sql), &verdict);
		if (verdict.code != CHECK_ALLOW)
			fail_msg("%s: %s", cache_cases[i].sql, verdict.reason);
		if (!expected != !verdict.not_cacheable ||
		    (expected && strcmp(expected, verdict.not_cacheable) != 0))
			fail_msg("%s: %s", cache_cases[i].sql,
			    verdict.not_cacheable ? verdict.not_cacheable : "cacheable");
		verdict_free(&verdict);
	}
}

static void test_tables(void **state)
{
	struct verdict verdict;

	(void)state;
	for (size_t i = 0; i < COUNT(table_cases); i++) {
		CLEAN(buffer) struct buffer tables = BUFFER_INIT;

		validate_exact(bytes_of_string(table_cases[i].sql), &verdict);
		for (size_t j = 0; j < verdict.relation_count; j++)
			buffer_printf(&tables, "%s%s.%s", j ? " " : "", verdict.relations[j].schema,
			    verdict.relations[j].table);
		if (verdict.code != CHECK_ALLOW)
			fail_msg("%s: %s", table_cases[i].sql, verdict.reason);
		assert_string_equal(buffer_string(&tables), table_cases[i].tables);
		verdict_free(&verdict);
	}
}

/* An implied operator that the database defines too. */
static void test_implied_operators(void **state)
{
	static const char *const rows[] = {
	    "SELECT 1 IN (SELECT 2)",
	    "SELECT 1 IN (2)",
	    "SELECT CASE 1 WHEN 2 THEN 3 END",
	    "SELECT NULLIF(1, 2)",
	    "SELECT 1 IS DISTINCT FROM 2",
	    "SELECT * FROM orders JOIN items USING (id)",
	    "SELECT * FROM orders NATURAL JOIN items",
	    "SELECT 1 = 2",
	};
	const char *equals = "=";
	const char **operators = schema->operators;
	size_t count = schema->operator_count;
	struct verdict verdict;

	(void)state;
	schema->operators = &equals;
	schema->operator_count = 1;
	for (size_t i = 0; i < COUNT(rows); i++) {
		validate_exact(bytes_of_string(rows[i]), &verdict);
		if (verdict.code != CHECK_OPERATOR)
			fail_msg("%s: %s", rows[i], check_code_name(verdict.code));
		verdict_free(&verdict);
	}
	equals = "<=";
	validate_exact(bytes_of_string("SELECT 1 BETWEEN 2 AND 3"), &verdict);
	assert_int_equal(verdict.code, CHECK_OPERATOR);
	verdict_free(&verdict);
	schema->operators = operators;
	schema->operator_count = count;
}

static void test_no_snapshot(void **state)
{
	struct verdict verdict;

	(void)state;
	validate(bytes_of_string("SELECT * FROM orders"), NULL, &verdict);
	assert_int_equal(verdict.code, CHECK_RELATION);
	verdict_free(&verdict);
	validate(bytes_of_string("SELECT relname FROM pg_class"), NULL, &verdict);
	assert_int_equal(verdict.code, CHECK_ALLOW);
	assert_true(verdict.reads_catalog);
	verdict_free(&verdict);
}

static void test_bytes(void **state)
{
	CLEAN(buffer) struct buffer sql = BUFFER_INIT;
	struct verdict verdict;

	(void)state;
	validate_exact(bytes_of("SELECT 1\0; DROP TABLE x", 23), &verdict);
	assert_int_equal(verdict.code, CHECK_ENCODING);
	validate_exact(BYTES_NONE, &verdict);
	assert_int_equal(verdict.code, CHECK_EMPTY);
	buffer_append_string(&sql, "SELECT '");
	while (sql.size < LIMIT_SQL_BYTES - 1)
		buffer_append_string(&sql, "x");
	buffer_append_string(&sql, "'");
	validate_exact(bytes_of_buffer(&sql), &verdict);
	assert_int_equal(verdict.code, CHECK_ALLOW);
	buffer_append_string(&sql, " ");
	validate_exact(bytes_of_buffer(&sql), &verdict);
	assert_int_equal(verdict.code, CHECK_TOO_LONG);
}

/* Fills the length limit with what nests deepest: refused or allowed, and no crash. */
static void test_depth(void **state)
{
	static const struct {
		const char *start, *open, *middle, *close;
		enum check_code code;
	} rows[] = {
	    {"SELECT 1", "+1", "", "", CHECK_DEPTH},
	    {"SELECT ", "- ", "1", "", CHECK_ALLOW}, /* the grammar folds the signs */
	    {"SELECT ", "@ ", "1", "", CHECK_DEPTH},
	    {"SELECT ", "NOT ", "true", "", CHECK_DEPTH},
	    {"SELECT ", "(", "1", ")", CHECK_ALLOW},
	    {"SELECT ARRAY", "[", "1", "]", CHECK_DEPTH},
	    {"SELECT ", "(", "1", ",1)", CHECK_DEPTH},
	    {"", "SELECT(", "1", ")", CHECK_DEPTH},
	    {"SELECT 1", "::int", "", "", CHECK_DEPTH},
	    {"SELECT 1", " IS NULL", "", "", CHECK_DEPTH},
	    {"SELECT ", "abs(", "1", ")", CHECK_DEPTH},
	    {"SELECT ", "CASE WHEN true THEN ", "1", " END", CHECK_DEPTH},
	    {"", "WITH a AS(", "SELECT 1", ")SELECT", CHECK_DEPTH},
	    {"SELECT id FROM orders", " UNION TABLE items", "", "", CHECK_ALLOW},
	    {"SELECT 1 WHERE true", " AND true", "", "", CHECK_ALLOW},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		size_t fixed = strlen(rows[i].start) + strlen(rows[i].middle);
		size_t levels =
		    (LIMIT_SQL_BYTES - fixed) / (strlen(rows[i].open) + strlen(rows[i].close));
		struct verdict verdict;

		buffer_append_string(&sql, rows[i].start);
		for (size_t j = 0; j < levels; j++)
			buffer_append_string(&sql, rows[i].open);
		buffer_append_string(&sql, rows[i].middle);
		for (size_t j = 0; j < levels; j++)
			buffer_append_string(&sql, rows[i].close);
		validate_exact(bytes_of_buffer(&sql), &verdict);
		if (verdict.code != rows[i].code)
			fail_msg("%s%s: %s: %s", rows[i].start, rows[i].open,
			    check_code_name(verdict.code), verdict.reason);
		verdict_free(&verdict);
	}
}

static const char *any_case(unsigned *seed)
{
	size_t at = (size_t)rand_r(seed) % (COUNT(refused_cases) + COUNT(allowed_cases));

	return at < COUNT(refused_cases) ? refused_cases[at].sql
	                                 : allowed_cases[at - COUNT(refused_cases)];
}

/* Changed, cut, and glued to another: never a crash, always a reason that is UTF-8. */
static void test_mutated(void **state)
{
	static const char spice[] = "();,.'\"$[]*:=<>-+/\\ \n\x80\xff"
	                            "1ax";
	const char *rounds = getenv("VALIDATE_ROUNDS");
	unsigned seed = 11;

	(void)state;
	for (long round = rounds ? atol(rounds) : 20000; round > 0; round--) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		struct verdict verdict;

		buffer_append_string(&sql, any_case(&seed));
		if (sql.size && rand_r(&seed) % 3 == 0)
			sql.size = (size_t)rand_r(&seed) % sql.size;
		if (rand_r(&seed) % 3 == 0)
			buffer_append_string(&sql, any_case(&seed));
		for (int changes = rand_r(&seed) % 4; sql.size && changes > 0; changes--)
			sql.data[(size_t)rand_r(&seed) % sql.size] =
			    spice[(size_t)rand_r(&seed) % (sizeof(spice) - 1)];
		validate_exact(bytes_of_buffer(&sql), &verdict);
		assert_true(bytes_are_utf8(bytes_of_string(verdict.reason)));
		assert_int_equal(verdict.code == CHECK_ALLOW, verdict.reason[0] == '\0');
		verdict_free(&verdict);
	}
}

static void test_reply(void **state)
{
	static const char allowed[] = "\x82\xa7verdict\xa5"
	                              "allow\xa6tables\x91\xad"
	                              "public.orders";
	CLEAN(buffer) struct buffer reply = BUFFER_INIT;
	struct verdict verdict;

	(void)state;
	validate_exact(bytes_of_string("SELECT * FROM orders"), &verdict);
	validate_reply_encode(&verdict, &reply);
	assert_true(bytes_equal(bytes_of_buffer(&reply), bytes_of(allowed, sizeof(allowed) - 1)));
	verdict_free(&verdict);
	buffer_reset(&reply);
	validate_exact(bytes_of_string("SELECT 1; SELECT 2"), &verdict);
	validate_reply_encode(&verdict, &reply);
	assert_memory_equal(reply.data,
	    "\x84\xa7verdict\xa6reject\xa4"
	    "code\xa8multiple",
	    30);
	assert_int_equal((unsigned char)reply.data[reply.size - 1], 0x90);
	verdict_free(&verdict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_allowed),
	    cmocka_unit_test(test_cacheable),
	    cmocka_unit_test(test_tables),
	    cmocka_unit_test(test_implied_operators),
	    cmocka_unit_test(test_no_snapshot),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_mutated),
	    cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
