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
#include "worker/policy.h"
#include "worker/validate_reply.h"
#include "worker/validate_tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct snapshot *schema;
static struct policy *policy; /* with nothing listed */

static int set_up(void **state)
{
	(void)state;
	schema = validate_schema_new();
	policy = policy_new(schema, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	policy_free(policy);
	snapshot_free(schema);
	return 0;
}

/* A heap copy without a NUL behind it: ASan sees a byte read too far. */
static void validate_exact(struct bytes sql, struct verdict *ret_verdict)
{
	char *exact = must_alloc(sql.size ? sql.size : 1);

	if (sql.size)
		memcpy(exact, sql.data, sql.size);
	validate(bytes_of(exact, sql.size), policy, ret_verdict);
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
			buffer_printf(&tables, "%s%s.%s%s", j ? " " : "",
			    verdict.relations[j].schema, verdict.relations[j].table,
			    verdict.relations[j].under ? "(under)" : "");
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
	struct snapshot_object equals = {"public", "=", NULL, true, true};
	struct snapshot_objects operators = schema->operators;
	struct verdict verdict;

	(void)state;
	schema->operators = (struct snapshot_objects){1, &equals};
	for (size_t i = 0; i < COUNT(rows); i++) {
		validate_exact(bytes_of_string(rows[i]), &verdict);
		if (verdict.code != CHECK_OPERATOR)
			fail_msg("%s: %s", rows[i], check_code_name(verdict.code));
		verdict_free(&verdict);
	}
	equals.name = "<=";
	validate_exact(bytes_of_string("SELECT 1 BETWEEN 2 AND 3"), &verdict);
	assert_int_equal(verdict.code, CHECK_OPERATOR);
	verdict_free(&verdict);
	schema->operators = operators;
}

static size_t copy_entries(const char *const entries[2], char *ret_copies[2])
{
	size_t count = 0;

	for (size_t i = 0; i < 2; i++) {
		ret_copies[i] = entries[i] ? must_strdup(entries[i]) : NULL;
		count += entries[i] != NULL;
	}
	return count;
}

/* What databases[].allow gives and takes; of each list at most two entries. */
static void test_listed(void **state)
{
	static const struct {
		const char *functions[2], *tables[2], *views[2];
		const char *sql;
		enum check_code code;
		bool cacheable;
	} rows[] = {
	    {{"public.f_pure"}, {}, {}, "SELECT f_pure(1), public.f_pure(2)", CHECK_ALLOW, true},
	    {{"public.f_pure"}, {}, {}, "SELECT * FROM v_pure", CHECK_ALLOW, true},
	    {{"public.f_pure"}, {}, {}, "SELECT f_write()", CHECK_FUNCTION, false},
	    {{"public.f_write"}, {}, {}, "SELECT f_write()", CHECK_ALLOW, false},
	    {{"public.*"}, {}, {}, "SELECT f_write()", CHECK_ALLOW, false},
	    {{"public.*", "-public.f_write"}, {}, {}, "SELECT f_write()", CHECK_FUNCTION, false},
	    {{"other.f"}, {}, {}, "SELECT other.f(1)", CHECK_ALLOW, false},
	    {{"other.f"}, {}, {}, "SELECT f(1)", CHECK_FUNCTION, false},
	    {{"public.round"}, {}, {}, "SELECT round(1.5)", CHECK_ALLOW, true},
	    {{"public.round"}, {}, {}, "SELECT * FROM v_own_round", CHECK_ALLOW, true},
	    /* pg_catalog's own of that name stays out */
	    {{"public.pg_sleep"}, {}, {}, "SELECT pg_sleep(1)", CHECK_FUNCTION, false},
	    {{"public.pg_sleep"}, {}, {}, "SELECT public.pg_sleep(1)", CHECK_ALLOW, false},
	    {{"public.pg_sleep"}, {}, {}, "SELECT g.pg_sleep FROM unnest('{1}'::int[]) g",
	        CHECK_FUNCTION, false},
	    {{"pg_catalog.version"}, {}, {}, "SELECT version()", CHECK_ALLOW, false},
	    {{"-pg_catalog.random"}, {}, {}, "SELECT random()", CHECK_FUNCTION, false},
	    {{"-pg_catalog.random"}, {}, {}, "SELECT pg_catalog.random()", CHECK_FUNCTION, false},
	    {{"-pg_catalog.lower"}, {}, {}, "SELECT c.lower FROM customers c", CHECK_FUNCTION,
	        false},
	    {{"-pg_catalog.||"}, {}, {}, "SELECT 'a' || 'b'", CHECK_OPERATOR, false},
	    {{"-pg_catalog.money"}, {}, {}, "SELECT 1::money", CHECK_CAST, false},
	    {{"extension:citext"}, {}, {}, "SELECT 'a'::citext, citext('b'), 'c'::public.citext",
	        CHECK_ALLOW, true},
	    {{"extension:citext"}, {}, {}, "SELECT bit_or(id) FROM customers WHERE name ^@ 'a'",
	        CHECK_ALLOW, true},
	    {{"extension:citext"}, {}, {}, "SELECT '1.2.3.4'::inet, name !~* 'x' FROM customers",
	        CHECK_ALLOW, true},
	    {{"extension:citext"}, {}, {}, "SELECT * FROM v_citext", CHECK_ALLOW, true},
	    {{"extension:citext"}, {}, {}, "SELECT f_pure(1)", CHECK_FUNCTION, false},
	    {{"extension:hstore"}, {}, {}, "SELECT bit_or(1)", CHECK_FUNCTION, false},
	    {{"public.@#@"}, {}, {}, "SELECT 1 @#@ 2, 1 OPERATOR(public.@#@) 2", CHECK_ALLOW,
	        false},
	    {{"public.evil"}, {}, {}, "SELECT 1::evil", CHECK_ALLOW, true},
	    {{}, {"public.far"}, {}, "SELECT * FROM far", CHECK_ALLOW, true},
	    {{}, {"public.*"}, {}, "SELECT * FROM far", CHECK_ALLOW, true},
	    {{}, {"sales.parted"}, {}, "SELECT * FROM sales.parted", CHECK_ALLOW, true},
	    {{"public.f_pure"}, {}, {}, "SELECT * FROM sales.checked", CHECK_ALLOW, true},
	    {{}, {"sales.checked"}, {}, "SELECT * FROM sales.checked", CHECK_ALLOW, true},
	    {{"public.mood_text"}, {}, {}, "SELECT state FROM sales.moody", CHECK_ALLOW, false},
	    {{"public.mood_text"}, {}, {}, "SELECT 'a'::mood", CHECK_ALLOW, true},
	    {{}, {"-public.orders"}, {}, "SELECT * FROM orders", CHECK_RELATION, false},
	    {{}, {"-public.orders"}, {}, "SELECT * FROM sales.orders", CHECK_ALLOW, true},
	    {{}, {"-public.orders"}, {}, "SELECT * FROM v_plain", CHECK_RELATION, false},
	    {{}, {"-sales.*", "sales.orders"}, {}, "TABLE sales.orders", CHECK_RELATION, false},
	    {{}, {"other.hidden"}, {}, "SELECT * FROM other.hidden", CHECK_ALLOW, false},
	    {{}, {"pg_catalog.pg_stats"}, {}, "SELECT * FROM pg_stats", CHECK_ALLOW, false},
	    {{}, {"-pg_catalog.pg_class"}, {}, "SELECT * FROM pg_class", CHECK_RELATION, false},
	    {{}, {"public.v_lock"}, {}, "SELECT * FROM v_lock", CHECK_RELATION, false},
	    {{}, {"public.secrets"}, {}, "SELECT * FROM secrets", CHECK_ALLOW, true},
	    {{}, {}, {"public.v_lock"}, "SELECT * FROM v_lock", CHECK_ALLOW, false},
	    {{}, {}, {"public.v_lock"}, "SELECT * FROM v_on_lock", CHECK_ALLOW, false},
	    {{}, {}, {"public.*"}, "SELECT * FROM v_guarded", CHECK_ALLOW, false},
	    {{}, {}, {"-public.v_plain"}, "SELECT * FROM v_plain", CHECK_RELATION, false},
	    {{}, {}, {"-public.v_plain"}, "SELECT * FROM v_on_view", CHECK_RELATION, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct child_database listed = {0};
		char *functions[2], *tables[2], *views[2];
		struct verdict verdict;
		struct policy *own;

		listed.allow_functions = functions;
		listed.allow_tables = tables;
		listed.allow_views = views;
		listed.allow_function_count = copy_entries(rows[i].functions, functions);
		listed.allow_table_count = copy_entries(rows[i].tables, tables);
		listed.allow_view_count = copy_entries(rows[i].views, views);
		own = policy_new(schema, &listed);
		for (size_t k = 0; k < 2; k++) {
			free(functions[k]);
			free(tables[k]);
			free(views[k]);
		}
		validate(bytes_of_string(rows[i].sql), own, &verdict);
		if (verdict.code != rows[i].code)
			fail_msg("%zu %s: %s: %s", i, rows[i].sql, check_code_name(verdict.code),
			    verdict.reason);
		if (verdict.code == CHECK_ALLOW && !verdict.not_cacheable != rows[i].cacheable)
			fail_msg("%zu %s: %s", i, rows[i].sql,
			    verdict.not_cacheable ? verdict.not_cacheable : "cacheable");
		verdict_free(&verdict);
		policy_free(own);
	}
}

static void test_what_the_schema_says(void **state)
{
	static const struct {
		const char *schema, *table, *says; /* NULL: it may be read */
	} rows[] = {
	    {"public", "orders", NULL},
	    {"public", "secrets", NULL}, /* is not readable, which says enough */
	    {"public", "v_on_view", NULL},
	    {"public", "v_lock", "is not allowed: in it function \"pg_try_advisory_lock\""},
	    {"public", "v_on_lock", "list it in databases[].allow.views"},
	    {"public", "far", "is a foreign table"}, {"public", "guarded", NULL},
	    {"public", "items", "is taken away by databases[].allow.tables"},
	    {"sales", "parted", "child that is a foreign table"},
	    {"sales", "moody", "type calls \"public.mood_text\""},
	    {"sales", "checked", NULL}, /* its function is listed */
	};
	char function[] = "public.f_pure", taken[] = "-public.items";
	char *functions[] = {function}, *tables[] = {taken};
	struct child_database listed = {.allow_functions = functions,
	    .allow_function_count = 1,
	    .allow_tables = tables,
	    .allow_table_count = 1};
	struct snapshot *snapshot = validate_schema_new();

	(void)state;
	validate_schema(snapshot, &listed);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct snapshot_table *table =
		    snapshot_find_table(snapshot, rows[i].schema, rows[i].table);

		assert_non_null(table);
		if (!table->refusal != !rows[i].says ||
		    (rows[i].says && !strstr(table->refusal, rows[i].says)))
			fail_msg("%s: %s", rows[i].table, table->refusal ? table->refusal : "none");
	}
	snapshot_free(snapshot);
}

static void test_no_snapshot(void **state)
{
	struct policy *none = policy_new(NULL, NULL);
	struct verdict verdict;

	(void)state;
	validate(bytes_of_string("SELECT * FROM orders"), none, &verdict);
	assert_int_equal(verdict.code, CHECK_RELATION);
	verdict_free(&verdict);
	validate(bytes_of_string("SELECT relname FROM pg_class"), none, &verdict);
	assert_int_equal(verdict.code, CHECK_ALLOW);
	assert_true(verdict.reads_catalog);
	verdict_free(&verdict);
	policy_free(none);
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

static void repeat(struct buffer *buffer, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buffer_append_string(buffer, text);
}

/* What nests deepest, a little over the limit and up to the limit of length: refused or allowed,
 * and no crash. */
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
	    {"SELECT ", "(", "1", ")", CHECK_DEPTH}, /* by the brackets alone */
	    {"SELECT ARRAY", "[", "1", "]", CHECK_DEPTH},
	    {"SELECT ", "(", "1", ",1)", CHECK_DEPTH},
	    {"", "SELECT(", "1", ")", CHECK_DEPTH},
	    {"SELECT 1", "::int", "", "", CHECK_DEPTH},
	    {"SELECT 1", " IS NULL", "", "", CHECK_DEPTH},
	    {"SELECT ", "abs(", "1", ")", CHECK_DEPTH},
	    {"SELECT ", "CASE WHEN true THEN ", "1", " END", CHECK_DEPTH},
	    {"", "WITH a AS(", "SELECT 1", ")SELECT", CHECK_DEPTH},
	    {"SELECT id FROM orders", " UNION SELECT id FROM items", "", "", CHECK_ALLOW},
	    {"SELECT 1 WHERE true", " AND true", "", "", CHECK_ALLOW},
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		size_t row = i / 2, fixed = strlen(rows[row].start) + strlen(rows[row].middle);
		size_t full =
		    (LIMIT_SQL_BYTES - fixed) / (strlen(rows[row].open) + strlen(rows[row].close));
		size_t levels = i % 2 || full < TREE_DEPTH_MAX + 5 ? full : TREE_DEPTH_MAX + 5;
		struct verdict verdict;

		buffer_append_string(&sql, rows[row].start);
		repeat(&sql, rows[row].open, levels);
		buffer_append_string(&sql, rows[row].middle);
		repeat(&sql, rows[row].close, levels);
		validate_exact(bytes_of_buffer(&sql), &verdict);
		/* The longest may be too heavy to be parsed at all. */
		if (verdict.code != rows[row].code &&
		    !(levels == full && verdict.code == CHECK_TOO_LONG))
			fail_msg("%s%s: %s: %s", rows[row].start, rows[row].open,
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
	    cmocka_unit_test(test_listed),
	    cmocka_unit_test(test_what_the_schema_says),
	    cmocka_unit_test(test_no_snapshot),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_mutated),
	    cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
