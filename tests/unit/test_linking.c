/* Schema linking on a small schema: what stands first, joins, columns, and a schema of many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "text/linking.h"
#include "text/linking_graph.h"

#define COLUMN(column_name, ...)                                 \
	{                                                        \
		.name = column_name, .type = "text", __VA_ARGS__ \
	}
#define TABLE(table_name, list, ...)                                                       \
	{                                                                                  \
		.schema = "public", .name = table_name, .readable = true, .columns = list, \
		.column_count = sizeof(list) / sizeof(list[0]), __VA_ARGS__                \
	}

static const char *regions[] = {"Andalusia", "Bavaria", "New South Wales"};
static const char *states[] = {"paid", "cancelled"};

static struct snapshot_column authors[] = {
    COLUMN("author_id"), COLUMN("full_name"), COLUMN("born", .kind = COLUMN_DATE)};
static struct snapshot_column books[] = {
    COLUMN("isbn_no"), COLUMN("title"), COLUMN("author_id"), COLUMN("pub_dt")};
static struct snapshot_column branches[] = {
    COLUMN("branch_no"), COLUMN("street"), COLUMN("region", .sample_count = 3, .samples = regions)};
static struct snapshot_column fines[] = {COLUMN("id"), COLUMN("loanid"), COLUMN("amt"),
    COLUMN("state", .label_count = 2, .labels = states)};
static struct snapshot_column loans[] = {COLUMN("loan_id"), COLUMN("isbn_no"), COLUMN("reader"),
    COLUMN("due", .kind = COLUMN_DATE), COLUMN("branch_no")};
static struct snapshot_column readers[] = {
    COLUMN("card_number"), COLUMN("fname"), COLUMN("lname"), COLUMN("mobile")};
static struct snapshot_column settings[] = {COLUMN("key_text"), COLUMN("val")};
static struct snapshot_column shelves[] = {COLUMN("shelf_code"), COLUMN("isbn_no")};

static size_t reader_key[] = {2};
static const char *card_number[] = {"card_number"};
static struct snapshot_foreign_key loan_keys[] = {{.column_count = 1,
    .columns = reader_key,
    .ref_schema = "public",
    .ref_table = "readers",
    .ref_columns = card_number}};

static struct snapshot_table tables[] = {
    TABLE("authors", authors),
    TABLE("books", books),
    TABLE("branches", branches),
    TABLE("fines", fines, .comment = "penalties for what came back late"),
    TABLE("loans", loans, .foreign_keys = loan_keys, .foreign_key_count = 1),
    TABLE("readers", readers),
    TABLE("settings", settings),
    TABLE("shelves", shelves),
};
static const struct snapshot library = {
    .database = "library", .tables = tables, .table_count = sizeof(tables) / sizeof(tables[0])};

static const struct {
	const char *name, *question, *needed[3];
	size_t within;
} rows[] = {
    {"a table's name", "How many readers are there?", {"readers"}, 1},
    {"in the singular", "every reader's card", {"readers"}, 1},
    {"two names", "titles of books by each author", {"books", "authors"}, 2},
    {"what joins them", "Which readers have books?", {"readers", "books", "loans"}, 3},
    {"an abbreviation", "publication date of the newest one", {"books"}, 1},
    {"a comment", "total of all penalties", {"fines"}, 1},
    {"a label", "how many were cancelled", {"fines"}, 1},
    {"a sampled value", "street names in Bavaria", {"branches"}, 1},
    {"a related word", "who wrote Emma?", {"authors"}, 2},
    {"a word that is alike", "list the shops", {"branches"}, 1},
    {"a first name", "first names in alphabetical order", {"readers"}, 1},
    {"a part of a name", "telephone of readers with a mobile", {"readers"}, 1},
};

static size_t place_of(const struct linking_ranks *ranks, const char *table)
{
	size_t place = 0;

	while (strcmp(library.tables[ranks->tables[place].table].name, table) != 0)
		place++;
	return place + 1;
}

static void test_ranking(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&library);
	struct linking *linking = linking_new(vocabulary);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct linking_ranks ranks;

		linking_rank(linking, bytes_of_string(rows[i].question), &ranks);
		assert_int_equal(ranks.count, library.table_count);
		for (size_t k = 0; k < 3 && rows[i].needed[k]; k++) {
			size_t place = place_of(&ranks, rows[i].needed[k]);

			if (place > rows[i].within)
				fail_msg("%s: %s stands in place %zu", rows[i].name,
				    rows[i].needed[k], place);
		}
		linking_ranks_deinit(&ranks);
	}
	linking_free(linking);
	vocabulary_free(vocabulary);
}

static void test_all_tables_once(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&library);
	struct linking *linking = linking_new(vocabulary);
	struct linking_ranks ranks;
	unsigned seen = 0;

	(void)state;
	linking_rank(linking, bytes_of_string("books, readers; loans of authors"), &ranks);
	for (size_t i = 0; i < ranks.count; i++)
		seen |= 1u << ranks.tables[i].table;
	assert_int_equal(seen, (1u << library.table_count) - 1);
	linking_ranks_deinit(&ranks);
	linking_free(linking);
	vocabulary_free(vocabulary);
}

static const struct {
	const char *question;
	bool is_date;
} dates[] = {
    {"in 1999", true},
    {"before 2024-05-01", true},
    {"on 24/12", true},
    {"on 9 16", true},
    {"last month", true},
    {"more than 16", false},
    {"each 9 apples", false},
    {"between 24 and 31", false},
    {"24/31", false},
};

static void test_columns(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&library);
	struct linking *linking = linking_new(vocabulary);
	struct linking_ranks ranks;

	(void)state;
	linking_rank(linking, bytes_of_string("the mobile of each reader"), &ranks);
	assert_true(linking_column_score(&ranks, 5, 3) > 0); /* readers.mobile */
	assert_true(linking_column_score(&ranks, 5, 0) == 0);
	assert_true(linking_column_score(&ranks, 0, 0) == 0);
	linking_ranks_deinit(&ranks);
	linking_rank(linking, bytes_of_string("all of 'old Wales'"), &ranks);
	assert_true(linking_column_score(&ranks, 2, 2) > 0); /* branches.region */
	linking_ranks_deinit(&ranks);
	/* A date is meant where the type is one, whatever the column is called. */
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		linking_rank(linking, bytes_of_string(dates[i].question), &ranks);
		if ((linking_column_score(&ranks, 0, 2) > 0) != dates[i].is_date)
			fail_msg("%s: authors.born", dates[i].question);
		linking_ranks_deinit(&ranks);
	}
	linking_free(linking);
	vocabulary_free(vocabulary);
}

static const struct {
	const char *name;
	size_t table, neighbour;
	bool joined;
} joins[] = {
    {"a declared key", 4, 5, true},
    {"and back", 5, 4, true},
    {"the name of a table and id", 1, 0, true},
    {"written in one", 3, 4, true},
    {"a key that is the first column of one", 4, 1, true},
    {"through another table only", 7, 4, false},
    {"nothing in common", 6, 0, false},
};

/* Keys that are named by habit only. */
static struct snapshot_column customers[] = {COLUMN("cust_id"), COLUMN("dist_no")};
static struct snapshot_column bookings[] = {COLUMN("id"), COLUMN("payer_cust_id"), COLUMN("u_id")};
static struct snapshot_column districts[] = {COLUMN("dist_no"), COLUMN("name")};
static struct snapshot_column cars[] = {COLUMN("plate"), COLUMN("name"), COLUMN("dist_no")};
static struct snapshot_column profiles[] = {COLUMN("u_id"), COLUMN("name")};
static struct snapshot_column order_lines[] = {COLUMN("id"), COLUMN("shipping_company_id")};
static struct snapshot_column companies[] = {COLUMN("id"), COLUMN("name")};
static struct snapshot_table habits_tables[] = {
    TABLE("customers", customers),
    TABLE("bookings", bookings),
    TABLE("zones", districts),
    TABLE("cars", cars),
    TABLE("profiles", profiles),
    TABLE("order_lines", order_lines),
    TABLE("third_party_companies", companies),
};
static const struct snapshot habits = {.database = "habits",
    .tables = habits_tables,
    .table_count = sizeof(habits_tables) / sizeof(habits_tables[0])};

static const struct {
	const char *name;
	size_t table, neighbour;
	bool joined, refers, referred;
} habit_joins[] = {
    {"a role before an abbreviated name", 1, 0, true, true, false},
    {"and back", 0, 1, true, false, true},
    {"what leads another table", 0, 2, true, true, false},
    {"a key of one letter", 1, 4, true, true, false},
    {"what only two refer to", 0, 3, false, false, false},
    {"a name is no key", 2, 4, false, false, false},
    {"the end of a table's name", 5, 6, true, true, false},
};

static void test_joins(void **state)
{
	struct linking_graph *graph = linking_graph_new(&library);

	(void)state;
	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		size_t count;
		const struct linking_neighbour *neighbours =
		    linking_graph_neighbours(graph, joins[i].table, &count);
		bool joined = false;

		for (size_t k = 0; k < count; k++)
			joined |= neighbours[k].table == joins[i].neighbour;
		if (joined != joins[i].joined)
			fail_msg("%s: %s", joins[i].name, joined ? "joined" : "not joined");
	}
	linking_graph_free(graph);
}

static void test_habits(void **state)
{
	struct linking_graph *graph = linking_graph_new(&habits);

	(void)state;
	for (size_t i = 0; i < sizeof(habit_joins) / sizeof(habit_joins[0]); i++) {
		size_t count;
		const struct linking_neighbour *neighbours =
		    linking_graph_neighbours(graph, habit_joins[i].table, &count);
		struct linking_neighbour found = {0};
		bool joined = false;

		for (size_t k = 0; k < count; k++)
			if (neighbours[k].table == habit_joins[i].neighbour) {
				found = neighbours[k];
				joined = true;
			}
		if (joined != habit_joins[i].joined || found.refers != habit_joins[i].refers ||
		    found.referred != habit_joins[i].referred)
			fail_msg("%s: joined %d, refers %d, is referred to %d", habit_joins[i].name,
			    joined, found.refers, found.referred);
	}
	assert_true(linking_graph_is_key(graph, 1, 1));
	assert_true(linking_graph_is_key(graph, 5, 1));
	assert_false(linking_graph_is_key(graph, 3, 1));
	linking_graph_free(graph);
}

static void test_keys_are_worth_something(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&habits);
	struct linking *linking = linking_new(vocabulary);
	struct linking_ranks ranks;

	(void)state;
	linking_rank(linking, bytes_of_string("all plates"), &ranks);
	assert_true(linking_column_score(&ranks, 3, 2) == 0);
	assert_true(linking_column_worth(linking, &ranks, 3, 2) >
	            linking_column_worth(linking, &ranks, 3, 1));
	assert_true(linking_column_worth(linking, &ranks, 3, 0) >
	            linking_column_worth(linking, &ranks, 3, 2));
	linking_ranks_deinit(&ranks);
	linking_free(linking);
	vocabulary_free(vocabulary);
}

static void test_odd_questions(void **state)
{
	static const char *const questions[] = {
	    "", " ", "?!", "from", "'", "Dr.", "\xf0\x9f\x98\x80"};
	static const struct snapshot none = {.database = "none"};
	struct vocabulary *vocabularies[] = {vocabulary_new(&library), vocabulary_new(&none)};

	(void)state;
	for (size_t v = 0; v < 2; v++) {
		struct linking *linking = linking_new(vocabularies[v]);

		for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
			struct linking_ranks ranks;

			linking_rank(linking, bytes_of_string(questions[i]), &ranks);
			assert_int_equal(ranks.count, v == 0 ? library.table_count : 0);
			linking_ranks_deinit(&ranks);
		}
		linking_free(linking);
		vocabulary_free(vocabularies[v]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranking),
	    cmocka_unit_test(test_all_tables_once),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_joins),
	    cmocka_unit_test(test_habits),
	    cmocka_unit_test(test_keys_are_worth_something),
	    cmocka_unit_test(test_odd_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
