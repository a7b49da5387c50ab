/* The provider builtin on a schema of its own: the SQL to the letter, and why it declines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "tests/unit/builtin_schema.h"
#include "worker/builtin/builtin.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct sql_row {
	const char *name, *question, *sql;
};
struct decline_row {
	const char *name, *question, *says;
};

static const struct sql_row sql_rows[] = {
    {"plain count", "How many books are there?", "SELECT count(*) AS count FROM books"},
    {"reserved and mixed-case names", "show the name and limit of users",
        "SELECT \"Name\", \"limit\" FROM \"user\" ORDER BY id"},
    {"a value with a quote", "authors from Côte d'Ivoire",
        "SELECT * FROM authors WHERE country = 'Côte d''Ivoire' ORDER BY id"},
    {"a value that begins with an article", "authors from the Netherlands",
        "SELECT * FROM authors WHERE country = 'The Netherlands' ORDER BY id"},
    {"a quoted text is escaped", "books titled 'x'", NULL},
    {"a quoted value", "books named \"it's '; DROP TABLE books; --\"",
        "SELECT * FROM books WHERE title = 'it''s ''; DROP TABLE books; --' ORDER BY id"},
    {"a pattern is escaped", "books whose title contains '50%_\\'",
        "SELECT * FROM books WHERE title ILIKE '%50\\%\\_\\\\%' ORDER BY id"},
    {"a label of two words", "how many short stories", NULL},
    {"a label of two words, said", "how many short story books",
        "SELECT count(*) AS count FROM books WHERE genre = 'short_story'"},
    {"two labels", "books with genre novel or poetry",
        "SELECT * FROM books WHERE genre IN ('novel', 'poetry') ORDER BY id"},
    {"two labels denied", "books that are not novel or poetry",
        "SELECT * FROM books WHERE genre NOT IN ('novel', 'poetry') ORDER BY id"},
    {"a boolean by its adjective", "signed books",
        "SELECT * FROM books WHERE is_signed ORDER BY id"},
    {"a boolean denied", "how many books are not signed",
        "SELECT count(*) AS count FROM books WHERE NOT is_signed"},
    {"denial counts NULL", "authors not from France",
        "SELECT * FROM authors WHERE country IS DISTINCT FROM 'France' ORDER BY id"},
    {"no value", "authors without a birth date",
        "SELECT * FROM authors WHERE birth_date IS NULL ORDER BY id"},
    {"a word of a comment", "average turnover of books",
        "SELECT avg(takings) AS average_takings FROM books"},
    {"first and last name", "which authors have no books",
        "SELECT authors.first_name, authors.last_name FROM authors WHERE NOT EXISTS (SELECT 1 FROM "
        "books WHERE books.author_id = authors.id) ORDER BY authors.id"},
    {"rows of another table, filtered", "authors with more than 2 signed novels", NULL},
    {"rows of another table", "authors with at least three books",
        "SELECT authors.* FROM authors WHERE (SELECT count(*) FROM books WHERE books.author_id = "
        "authors.id) >= 3 ORDER BY authors.id"},
    {"a parent's value", "how many books of authors from France",
        "SELECT count(*) AS count FROM books JOIN authors ON books.author_id = authors.id WHERE "
        "authors.country = 'France'"},
    {"group by the rows of a parent", "number of books per author",
        "SELECT authors.first_name, authors.last_name, count(*) AS count FROM books JOIN authors "
        "ON "
        "books.author_id = authors.id GROUP BY authors.first_name, authors.last_name, authors.id "
        "ORDER BY authors.first_name, authors.last_name, authors.id"},
    {"the fewest may be none", "which author has the fewest books",
        "SELECT authors.first_name, authors.last_name, count(books.author_id) AS count FROM "
        "authors "
        "LEFT JOIN books ON books.author_id = authors.id GROUP BY authors.first_name, "
        "authors.last_name, authors.id ORDER BY count, authors.first_name, authors.last_name, "
        "authors.id LIMIT 1"},
    {"a superlative in the plural", "most expensive books",
        "SELECT title, price FROM books ORDER BY price DESC NULLS LAST, id"},
    {"a number word", "three cheapest books",
        "SELECT title, price FROM books ORDER BY price, id LIMIT 3"},
    {"a unit that the comment names", "books over 20 dollars",
        "SELECT * FROM books WHERE price > 20 ORDER BY id"},
    {"a currency before the number", "books with price over $1,000.50",
        "SELECT * FROM books WHERE price > 1000.50 ORDER BY id"},
    {"a month over the year's end", "loans in December 2024",
        "SELECT * FROM loans WHERE loaned_on >= DATE '2024-12-01' AND loaned_on < DATE "
        "'2025-01-01' "
        "ORDER BY id"},
    {"a leap day", "books published on Feb 29, 2024",
        "SELECT * FROM books WHERE published_on >= DATE '2024-02-29' AND published_on < DATE "
        "'2024-03-01' ORDER BY id"},
    {"after a year is after its end", "books published after 2020",
        "SELECT * FROM books WHERE published_on >= DATE '2021-01-01' ORDER BY id"},
    {"until includes its day", "books published until 2020-12-31",
        "SELECT * FROM books WHERE published_on < DATE '2021-01-01' ORDER BY id"},
    {"last quarter", "books published last quarter",
        "SELECT * FROM books WHERE published_on >= (date_trunc('quarter', CURRENT_DATE) - INTERVAL "
        "'3 month')::date AND published_on < date_trunc('quarter', CURRENT_DATE)::date ORDER BY "
        "id"},
    {"what happened or not", "loans not returned",
        "SELECT * FROM loans WHERE returned_on IS NULL ORDER BY id"},
    {"a key", "title of book 7", "SELECT title FROM books WHERE id = 7 ORDER BY id"},
    {"grouped by month", "number of books per month",
        "SELECT date_trunc('month', published_on)::date AS month, count(*) AS count FROM books "
        "GROUP "
        "BY date_trunc('month', published_on)::date ORDER BY date_trunc('month', "
        "published_on)::date"},
    {"history of words: case and space", "  HOW   MANY\tBooks ?? ",
        "SELECT count(*) AS count FROM books"},
};

static const struct decline_row decline_rows[] = {
    {"nothing", "?!", "end too early"},
    {"one or one for each", "how many books by authors from France", "'per'"},
    {"an unknown word", "how many blue books", "'blue'"},
    {"an unknown word at the end", "how many books sold", "'sold'"},
    {"a typo", "how many boks", "'boks'"},
    {"a table that may not be read", "list all secrets", "'secrets'"},
    {"a table in two schemas", "how many logs", "archive.logs and public.logs"},
    {"two keys to one table", "letters by authors from France", "'"},
    {"two keys, counted", "authors with more than 2 letters", "more than one foreign key"},
    {"a value of two columns", "how many French letters",
        "letters.language or letters.second_language"},
    {"two joins", "number of loans per author", "loans and authors"},
    {"an unnamed measure", "books over 20", "which number of books"},
    {"another currency", "books over 20 euros", "eur"},
    {"a date of several", "loans returned before loaned", "'"},
    {"no day of the calendar", "books published on 2023-02-29", "'"},
    {"or between columns", "signed books or novels", "'"},
    {"a top without a measure", "top 3 authors", "compared"},
    {"sum of keys", "total author id of books", "calculate"},
    {"average of text", "average title of books", "calculate"},
    {"an order for one number", "how many books sorted by price", "'"},
    {"limit out of range", "top 9999999 books by price", "number of rows"},
    {"a fraction of rows", "top 2.5 books by price", "number of rows"},
    {"SQL", "SELECT count(*) FROM books", "'SELECT'"},
    {"a comparison of columns", "books with price over pages", "'"},
    {"a negated comparison", "books with price not over 10", "'"},
    {"a negation at the end", "books that are not", "'"},
    {"a word that refers back", "how many of those are signed", "'those'"},
    {"another language", "wie viele Bücher gibt es", "'wie'"},
};

static int failures;
#define FAIL(...) (failures++, print_error(__VA_ARGS__), print_error("\n"))

static struct snapshot *schema;
static struct vocabulary *vocabulary;

static int set_up(void **state)
{
	(void)state;
	schema = builtin_schema_new();
	vocabulary = vocabulary_new(schema);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vocabulary_free(vocabulary);
	snapshot_free(schema);
	return 0;
}

/* From a heap copy without a NUL behind it: ASan sees a byte read too far. */
static int translate(struct bytes question, struct buffer *ret_sql, struct error *ret_error)
{
	char *exact = must_alloc(question.size + 1);
	char *end = exact + 1;
	int r;

	if (question.size > 0)
		memcpy(end, question.data, question.size);
	*ret_error = ERROR_INIT;
	r = builtin_translate(bytes_of(end, question.size), vocabulary, ret_sql, ret_error);
	free(exact);
	if (r) {
		assert_int_equal(r, ERROR_UNANSWERABLE);
		assert_int_equal(ret_error->code, ERROR_UNANSWERABLE);
		assert_int_not_equal(ret_error->message[0], '\0');
		assert_true(bytes_are_utf8(bytes_of_string(ret_error->message)));
		assert_int_equal(ret_sql->size, 0);
	}
	return r;
}

static void test_sql(void **state)
{
	(void)state;
	failures = 0;
	for (size_t i = 0; i < COUNT(sql_rows); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		struct error error;
		int r = translate(bytes_of_string(sql_rows[i].question), &sql, &error);

		if (!sql_rows[i].sql) {
			if (r == 0)
				FAIL("%s: not declined: %s", sql_rows[i].name, buffer_string(&sql));
			continue;
		}
		if (r)
			FAIL("%s: declined: %s", sql_rows[i].name, error.message);
		else if (strcmp(buffer_string(&sql), sql_rows[i].sql) != 0)
			FAIL("%s: %s\n   not %s", sql_rows[i].name, buffer_string(&sql),
			    sql_rows[i].sql);
	}
	assert_int_equal(failures, 0);
}

static void test_declined(void **state)
{
	(void)state;
	failures = 0;
	for (size_t i = 0; i < COUNT(decline_rows); i++) {
		CLEAN(buffer) struct buffer sql = BUFFER_INIT;
		struct error error;

		if (translate(bytes_of_string(decline_rows[i].question), &sql, &error) == 0)
			FAIL("%s: answered: %s", decline_rows[i].name, buffer_string(&sql));
		else if (!strstr(error.message, decline_rows[i].says))
			FAIL("%s: \"%s\" does not say \"%s\"", decline_rows[i].name, error.message,
			    decline_rows[i].says);
	}
	assert_int_equal(failures, 0);
}

/* The beginnings and ends of questions: answered or declined, never a crash or SQL over its limit.
 */
static void test_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sql_rows); i++) {
		const char *question = sql_rows[i].question;

		for (size_t at = 0; question[at]; at++) {
			CLEAN(buffer) struct buffer cut = BUFFER_INIT, sql = BUFFER_INIT;
			struct error error;

			buffer_append(&cut, question, at);
			if (translate(bytes_of_buffer(&cut), &sql, &error) == 0)
				assert_true(sql.size <= LIMIT_SQL_BYTES);
			buffer_reset(&sql);
			if (translate(bytes_of_string(question + at), &sql, &error) == 0)
				assert_true(sql.size <= LIMIT_SQL_BYTES);
		}
	}
}

/* Questions of the largest size, of one kind of word each. */
static void test_large(void **state)
{
	static const char *const pieces[] = {"books ", "France ", "'", "not ", "1 ",
	    "with more than 1 ", "x", "books with genre novel or poetry and ", "\xc3\xa9",
	    "2024-01-01 ", "_a"};

	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		CLEAN(buffer) struct buffer question = BUFFER_INIT, sql = BUFFER_INIT;
		struct error error;

		while (question.size + strlen(pieces[i]) <= LIMIT_QUESTION_BYTES)
			buffer_append_string(&question, pieces[i]);
		if (translate(bytes_of_buffer(&question), &sql, &error) == 0)
			fail_msg("answered: %s", buffer_string(&sql));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sql),
	    cmocka_unit_test(test_declined),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
