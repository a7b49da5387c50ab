/* What statements weigh before the grammar runs, against the trees that it makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pg_query.h>

#include "common/limits.h"
#include "worker/sql_weight.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct shape {
	const char *start, *part, *end;
};

static void fill(const struct shape *shape, size_t size, struct buffer *ret_sql)
{
	size_t fixed = strlen(shape->start) + strlen(shape->end);

	buffer_append_string(ret_sql, shape->start);
	for (size_t used = fixed; used + strlen(shape->part) <= size; used += strlen(shape->part))
		buffer_append_string(ret_sql, shape->part);
	buffer_append_string(ret_sql, shape->end);
}

static size_t tree_size(const char *sql)
{
	PgQueryParseResult parsed = pg_query_parse(sql);
	size_t size = parsed.error ? 0 : strlen(parsed.parse_tree);

	if (parsed.error)
		fail_msg("%.60s: %s", sql, parsed.error->message);
	pg_query_free_parse_result(parsed);
	return size;
}

/* The shortest ways to say something again and again: no tree is much larger than it was weighed.
 */
static void test_dense(void **state)
{
	static const struct shape shapes[] = {
	    {"SELECT 1", ",1", ""},
	    {"SELECT a", ",a", " FROM a"},
	    {"SELECT *", ",*", " FROM a"},
	    {"SELECT a.a", ",a.a", " FROM a"},
	    {"SELECT a.*", ",a.*", " FROM a"},
	    {"SELECT a", ".a", " FROM a"},
	    {"SELECT a a", ",a a", " FROM a"},
	    {"SELECT 1 AS a", ",1 AS a", ""},
	    {"SELECT \"a\"", ",\"a\"", " FROM a"},
	    {"SELECT null", ",null", ""},
	    {"SELECT user", ",user", ""},
	    {"SELECT ''", ",''", ""},
	    {"SELECT $$$$", ",$$$$", ""},
	    {"SELECT b''", ",b''", ""},
	    {"SELECT int'1'", ",int'1'", ""},
	    {"SELECT 1::int", ",1::int", ""},
	    {"SELECT 1", "::int", ""},
	    {"SELECT .1", ",.1", ""},
	    {"SELECT 1+1", ",1+1", ""},
	    {"SELECT 1", "+1", ""},
	    {"SELECT 1", "+-+1", ""},
	    {"SELECT -a", ",-a", " FROM a"},
	    {"SELECT ", "@ ", "a FROM a"},
	    {"SELECT a=a", ",a=a", " FROM a"},
	    {"SELECT ", "NOT ", "a FROM a"},
	    {"SELECT a ISNULL", ",a ISNULL", " FROM a"},
	    {"SELECT a IS NULL", ",a IS NULL", " FROM a"},
	    {"SELECT a()", ",a()", ""},
	    {"SELECT a(1)", ",a(1)", ""},
	    {"SELECT a(1)OVER()", ",a(1)OVER()", ""},
	    {"SELECT a(1)FILTER(WHERE a)", ",a(1)FILTER(WHERE a)", " FROM a"},
	    /* words that are names before a bracket */
	    {"SELECT filter(1)", ",filter(1)", ""},
	    {"SELECT left(1)", ",left(1)", ""},
	    {"SELECT right(1)", ",right(1)", ""},
	    {"SELECT first(1)", ",first(1)", ""},
	    {"SELECT over(1)", ",over(1)", ""},
	    {"SELECT by(1)", ",by(1)", ""},
	    {"SELECT nulls", ",nulls", " FROM a"},
	    {"SELECT a(1", ",1", ")"},
	    {"SELECT a(1 ORDER BY 1", ",1", ")"},
	    {"SELECT a(1)OVER(ORDER BY 1", ",1", ")"},
	    {"SELECT 1 ORDER BY 1", ",1", ""},
	    {"SELECT 1 GROUP BY 1", ",1", ""},
	    {"SELECT 1 GROUP BY GROUPING SETS(()", ",()", ")"},
	    {"SELECT DISTINCT ON(1", ",1", ")1"},
	    {"SELECT(SELECT 1", ",1", ")"},
	    {"SELECT(SELECT)", ",(SELECT)", ""},
	    {"SELECT(1", ",1", ")"},
	    {"SELECT 1 WHERE(1,1)IN((1,1)", ",(1,1)", ")"},
	    {"SELECT ROW()", ",ROW()", ""},
	    {"SELECT ARRAY[1", ",1", "]"},
	    {"SELECT ARRAY[[1]", ",[1]", "]"},
	    {"SELECT a", "[1]", " FROM a"},
	    {"SELECT a", "[:]", " FROM a"},
	    {"SELECT 1 WHERE 1 IN(1", ",1", ")"},
	    {"SELECT 1 WHERE 1 IN(1)", " AND 1 IN(1)", ""},
	    {"SELECT 1 WHERE 1 BETWEEN 1 AND 1", " AND 1 BETWEEN 1 AND 1", ""},
	    {"SELECT 1 WHERE a", " AND a", ""},
	    {"SELECT 1 WHERE a=1", " OR a=1", ""},
	    {"SELECT 1 WHERE a", " AND a OR a", ""},
	    {"SELECT CASE WHEN a=1 THEN 1", " WHEN a=1 THEN 1", " END FROM a"},
	    {"SELECT CASE 1", " WHEN 1 THEN 1", " END"},
	    {"SELECT CASE WHEN a THEN a END", ",CASE WHEN a THEN a END", ""},
	    {"SELECT coalesce(1", ",1", ")"},
	    {"SELECT", " UNION SELECT", ""},
	    {"SELECT 1", " UNION SELECT 1", ""},
	    {"TABLE a", " UNION TABLE a", ""},
	    {"VALUES(1)", ",(1)", ""},
	    {"VALUES(1,1)", ",(1,1)", ""},
	    {"SELECT FROM a", ",a", ""},
	    {"SELECT FROM a a", ",a a", ""},
	    {"SELECT FROM a", " CROSS JOIN a", ""},
	    {"SELECT FROM a", " JOIN a ON a", ""},
	    {"SELECT FROM a", " JOIN a USING(a)", ""},
	    {"SELECT 1 FROM a a(a", ",a", ")"},
	    {"WITH a AS(SELECT)", ",a AS(SELECT)", "SELECT"},
	    {"SELECT 1 WINDOW a AS()", ",a AS()", ""},
	    {"SELECT", ";SELECT", ""},
	    {"TABLE a", ";TABLE a", ""},
	    {"END", ";END", ""},
	    /* what hides tokens from those who read comments and quotes otherwise */
	    {"SELECT 1 --\r", ",1", ""},
	    {"SELECT 1", "/**/,1", ""},
	    {"SELECT e'\\'',1", ",1", ""},
	    {"SELECT '\\',1", ",1", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		struct sql_weight weight;
		size_t size;

		fill(&shapes[i], LIMIT_SQL_BYTES, &sql);
		size = tree_size(buffer_string(&sql));
		sql_weigh(bytes_of_buffer(&sql), SIZE_MAX, &weight);
		if (weight.bytes < size - size / 10)
			fail_msg("%s%s: weighed %zu, but its tree has %zu", shapes[i].start,
			    shapes[i].part, weight.bytes, size);
	}
}

/* Long statements that somebody may mean. */
static void test_meant(void **state)
{
	static const struct shape shapes[] = {
	    {"SELECT id FROM orders WHERE id IN (1000", ",1234", ")"},
	    {"SELECT id FROM orders WHERE id IN (100000", ", 123456", ")"},
	    {"SELECT id FROM orders WHERE status IN ('paid'", ", 'paid'", ")"},
	    {"SELECT * FROM orders WHERE city = 'Oslo'", " OR city = 'Reykjavik'", ""},
	    {"SELECT * FROM orders WHERE id = ANY (ARRAY[1000", ", 1234", "])"},
	    {"SELECT id", ", sum(total) FILTER (WHERE status = 'paid') AS revenue_paid",
	        " FROM orders"},
	    {"SELECT id", ", sum(o.total) FILTER (WHERE o.month = 1) AS m01", " FROM orders o"},
	    {"SELECT id FROM orders WHERE total > 1",
	        " AND date_trunc('month', placed_at) <> '2024-01-01'", ""},
	    {"SELECT id FROM orders", " UNION ALL SELECT o.id FROM orders o WHERE o.status = 'new'",
	        ""},
	    {"SELECT CASE", " WHEN status = 'shipped' THEN 'on its way' ", " END FROM orders"},
	    {"SELECT CASE", " WHEN total < 1000 THEN 'small'", " END FROM orders"},
	    {"SELECT 1", ", data->>'name_of_field' AS name_of_field", " FROM orders"},
	    {"SELECT 1", ", orders.name_of_column", " FROM orders"},
	    {"SELECT 1", ", \"public\".\"orders\".\"status\" AS \"status\"", " FROM orders"},
	    {"SELECT * FROM (VALUES (1, 'one')", ", (1234, 'text')", ") AS t (a, b)"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		struct sql_weight weight;

		fill(&shapes[i], LIMIT_SQL_BYTES, &sql);
		if (sql_weigh(bytes_of_buffer(&sql), SQL_WEIGHT_MAX, &weight) != SQL_WITHIN)
			fail_msg(
			    "%s%s: over at %zu", shapes[i].start, shapes[i].part, weight.place);
	}
}

static void test_place(void **state)
{
	struct sql_weight weight;

	(void)state;
	assert_int_equal(
	    sql_weigh(bytes_of_string("SELECT  a, b"), 7 + 70, &weight), SQL_TOO_HEAVY);
	assert_int_equal(weight.place, 0);
	assert_int_equal(
	    sql_weigh(bytes_of_string("SELECT  a, b"), 12 + 85 + 70, &weight), SQL_TOO_HEAVY);
	assert_int_equal(weight.place, 9);
	assert_int_equal(
	    sql_weigh(bytes_of_string("SELECT  a, b"), 12 + 85 + 70 + 40 + 70, &weight),
	    SQL_WITHIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dense),
	    cmocka_unit_test(test_meant),
	    cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
