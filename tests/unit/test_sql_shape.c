/* Which texts are SQL, however broken, and which only begin like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <time.h>

#include "text/sql_shape.h"

static const char *const sql_rows[] = {
    "SELECT * FROM customers",
    "select name from customers",
    "select name, city from customers where city = 'Berlin'",
    "select 1",
    "SELECT 1;",
    "select 'x'",
    "select true",
    "select 1, 2, 'three'",
    "select now()",
    "select version();",
    "select 1 + 1",
    "SELECT count(*) FROM orders",
    "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id",
    "select distinct city from customers",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "with recursive t(n) as (values (1)) select n from t",
    "with x as materialized (select 1) table x",
    "(select 1) union (select 2)",
    "SELECT `name` FROM `customers`",
    "SELECT TOP 10 name FROM customers",
    "SELECT name FROM customers LIMIT 5, 10",
    "SELECT [name] FROM [customers] WHERE [id] = 3",
    "SELECT * FORM customers",
    "SELECT name, FROM customers",
    "SELECT name FROM customers WHERE",
    "SELCT * FROM customers",
    "slect name from customers where id = 3",
    "SELECT name FROM customers WHERE city = 'Berlin",
    "SELECT COUNT(* FROM orders",
    "-- the best customers\nSELECT name FROM customers",
    "/* a comment, please */ select name from customers",
    "INSERT INTO customers (name) VALUES ('x')",
    "insert into customers values (1, 'x')",
    "insert into log select * from old_log",
    "UPDATE customers SET name = 'x' WHERE id = 1",
    "update customers set name='x'",
    "DELETE FROM customers",
    "delete from customers where id = 3",
    "DELETE customers WHERE id = 1",
    "DROP TABLE customers",
    "drop table if exists customers cascade;",
    "drop database shop",
    "CREATE TABLE t (id int primary key)",
    "create or replace view v as select 1",
    "CREATE INDEX ON orders (placed_at)",
    "ALTER TABLE customers ADD COLUMN x int",
    "alter role optimax superuser",
    "TRUNCATE customers",
    "truncate table customers, orders",
    "TABLE customers",
    "VALUES (1), (2)",
    "EXPLAIN SELECT * FROM customers",
    "explain analyze select name from customers",
    "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
    "GRANT SELECT ON customers TO bob",
    "COPY customers TO '/tmp/x'",
    "copy customers to stdout",
    "BEGIN;",
    "COMMIT;",
    "SET search_path = evil",
    "set search_path to evil",
    "SHOW server_version",
    "DO $$ begin end $$",
    "CALL refresh(1)",
    "VACUUM FULL;",
    "; drop table customers",
    "SELECT pg_sleep(10)",
    "select * from pg_shadow",
    "SELECT avg(num_of_staff) , avg(score) FROM shop",
    "select \"Full Name\" from people",
    "```sql\nSELECT * FROM customers\n```",
    "select a.b from a",
    "select first_name last_name from customers",
    "SELECT name FROM customers WHERE city = 'the city of your dreams'",
};

static const char *const prose_rows[] = {
    "",
    "select",
    "Select a good restaurant for me",
    "select the best option for my family",
    "Select all the data from the products and each product's manufacturer.",
    "Select one of these: red, green, blue",
    "select two colours that go well together",
    "select all customers from Berlin please",
    "Select the name of every customer",
    "select customers who ordered more than 5 items",
    "select some music for a party",
    "With the best price from each supplier",
    "with regard to your last answer, why?",
    "with which product do we earn most",
    "with as much detail as possible, explain gravity",
    "update me on sales",
    "Update your previous reply by including the release date",
    "update the list and set the table for dinner",
    "Update: the meeting is set for 5",
    "delete the last row please",
    "Delete the duplicates from my list",
    "delete from your memory what I said",
    "drop the subject",
    "drop me a line when you are there",
    "drop the table on the left",
    "create a table of contents for my essay",
    "Create a table with the planets and their sizes",
    "create an index of the names in this text",
    "Create a story in which a user loses a role",
    "alter the mood of this poem",
    "insert a comma where it is needed",
    "Insert the missing word into the sentence",
    "explain the difference between a join and a union",
    "explain select statements to me",
    "Explain how to update a table in SQL",
    "explain why the sky is blue",
    "show me all customers",
    "show customers from Berlin",
    "show tables for six people near me",
    "table for two at 8 please",
    "values are what you live by",
    "call me later",
    "call customers from Berlin",
    "do you like music",
    "set a timer for 5 minutes",
    "set alarm to seven",
    "begin with the end in mind",
    "begin",
    "commit to your goals",
    "copy that",
    "copy this text from here to there",
    "grant me three wishes",
    "grant access on Monday to me",
    "truncate the text to 100 characters",
    "How many customers are from Berlin?",
    "What does SELECT COUNT(*) FROM orders WHERE status = 'x' do?",
    "what is the difference between WHERE and HAVING",
    "Which customers ordered from us where the total > 100?",
    "list the names and cities of customers in order by name",
    "Write a SQL query that selects all rows from a table",
    "merge these two lists into one",
    "selection of wines from France",
    "updates from yesterday",
    "customers where city is Berlin",
    "2 + 2 = ?",
    "don't select it",
};

static void check_rows(const char *const *rows, size_t count, bool expected)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++) {
		struct sql_shape shape;

		sql_shape(bytes_of_string(rows[i]), &shape);
		if ((shape.strength != SQL_SHAPE_NONE) == expected)
			continue;
		print_error("%s: score %.1f, expected %s\n", rows[i], shape.score,
		    expected ? "SQL" : "prose");
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void test_sql(void **state)
{
	(void)state;
	check_rows(sql_rows, sizeof(sql_rows) / sizeof(sql_rows[0]), true);
}

static void test_prose(void **state)
{
	(void)state;
	check_rows(prose_rows, sizeof(prose_rows) / sizeof(prose_rows[0]), false);
}

/* One word behind FROM is a table to SQL and a place to people: weak, and the name is given. */
static void test_weak_names_relation(void **state)
{
	struct sql_shape shape;

	(void)state;
	sql_shape(bytes_of_string("select customers from Berlin"), &shape);
	assert_int_equal(shape.strength, SQL_SHAPE_WEAK);
	assert_true(bytes_equal_string(shape.relation, "Berlin"));
	sql_shape(bytes_of_string("select * from shop.orders o where o.id = 3"), &shape);
	assert_int_equal(shape.strength, SQL_SHAPE_STRONG);
	assert_true(bytes_equal_string(shape.relation, "orders"));
	sql_shape(bytes_of_string("how are you"), &shape);
	assert_null(shape.relation.data);
}

/* Texts made to be slow: each once, 32 KiB of it, far below what a quadratic reading takes. */
static void test_hostile_texts_are_linear(void **state)
{
	static const char *const units[] = {"(", "'", "\"", "select ", "/* ", "a.", "-- \n", "$$",
	    "from x ", "explain ", "with a as ", "'x", "\xc3\xa9"};
	enum { SIZE = 32 * 1024 };
	char *text = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct sql_shape shape;
		clock_t start;

		for (size_t at = 0, size = strlen(units[i]); at < SIZE; at++)
			text[at] = units[i][at % size];
		start = clock();
		sql_shape(bytes_of(text, SIZE), &shape);
		assert_true(clock() - start < CLOCKS_PER_SEC / 20);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sql),
	    cmocka_unit_test(test_prose),
	    cmocka_unit_test(test_weak_names_relation),
	    cmocka_unit_test(test_hostile_texts_are_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
