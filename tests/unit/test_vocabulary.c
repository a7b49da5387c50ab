/* Which words of a schema are found, as what, and how much they weigh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "text/stop_words.h"
#include "text/tokens.h"
#include "text/vocabulary.h"

static const char *labels[] = {"pending", "shipped"};
static const char *samples[] = {"New Zealand", "Berlin"};

static struct snapshot_column customer_columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "fname", .type = "text"},
    {.name = "country",
        .type = "text",
        .sample_count = 2,
        .samples = samples,
        .comment = "where the invoices go"},
};
static struct snapshot_column order_columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "cust_id", .type = "bigint"},
    {.name = "placedAt", .type = "date"},
    {.name = "status", .type = "order_status", .label_count = 2, .labels = labels},
};
static struct snapshot_table tables[] = {
    {.schema = "public", .name = "customers", .column_count = 3, .columns = customer_columns},
    {.schema = "public",
        .name = "sales_orders",
        .column_count = 4,
        .columns = order_columns,
        .comment = "Everything that was bought"},
};
static const struct snapshot shop = {.database = "shop", .table_count = 2, .tables = tables};

static struct vocabulary_entry find(const struct vocabulary *vocabulary, const char *word)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;
	const struct vocabulary_entry *entries;
	size_t count;

	token_stem(bytes_of_string(word), &stem);
	entries = vocabulary_find(vocabulary, buffer_string(&stem), &count);
	if (count == 0)
		fail_msg("'%s' is not there", word);
	return entries[0];
}

static void test_words_are_found(void **state)
{
	static const struct {
		const char *word;
		enum vocabulary_kind kind;
		uint32_t table;
		int32_t column;
	} expected[] = {
	    {"customer", VOCABULARY_TABLE, 0, -1},
	    {"Orders", VOCABULARY_TABLE, 1, -1},
	    {"salesorder", VOCABULARY_TABLE, 1, -1},
	    {"fname", VOCABULARY_COLUMN, 0, 1},
	    {"first", VOCABULARY_COLUMN, 0, 1},
	    {"placed", VOCABULARY_COLUMN, 1, 2},
	    {"shipped", VOCABULARY_LABEL, 1, 3},
	    {"zealand", VOCABULARY_VALUE, 0, 2},
	    {"berlin", VOCABULARY_VALUE, 0, 2},
	    {"invoice", VOCABULARY_COMMENT, 0, 2},
	    {"bought", VOCABULARY_COMMENT, 1, -1},
	};
	struct vocabulary *vocabulary = vocabulary_new(&shop);

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct vocabulary_entry entry = find(vocabulary, expected[i].word);

		if (entry.kind != expected[i].kind || entry.table != expected[i].table ||
		    entry.column != expected[i].column)
			fail_msg("'%s' is something else", expected[i].word);
	}
	assert_ptr_equal(vocabulary_snapshot(vocabulary), &shop);
	vocabulary_free(vocabulary);
}

static void test_absent_words(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&shop);
	size_t count = 7;

	(void)state;
	/* "where" and "the" stand in a comment and say nothing. */
	assert_null(vocabulary_find(vocabulary, "where", &count));
	assert_int_equal(count, 0);
	assert_null(vocabulary_find(vocabulary, "poem", &count));
	assert_null(vocabulary_find(vocabulary, "", &count));
	vocabulary_free(vocabulary);
	vocabulary_free(NULL);
}

static void test_places_of_words(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&shop);
	struct vocabulary_entry entry = find(vocabulary, "shipped");

	(void)state;
	assert_int_equal(entry.label, 1);
	entry = find(vocabulary, "order");
	assert_int_equal(entry.word, 1);
	assert_int_equal(entry.words, 2);
	vocabulary_free(vocabulary);
}

/* id is in both tables, fname in one; the strongest entry comes first. */
static void test_rare_words_weigh_more(void **state)
{
	struct vocabulary *vocabulary = vocabulary_new(&shop);
	const struct vocabulary_entry *entries;
	size_t count;

	(void)state;
	assert_true(find(vocabulary, "fname").weight > find(vocabulary, "id").weight);
	assert_true(find(vocabulary, "customer").weight > find(vocabulary, "berlin").weight);
	entries = vocabulary_find(vocabulary, "custom", &count);
	assert_int_equal(count, 2);
	assert_int_equal(entries[0].kind, VOCABULARY_TABLE);
	assert_true(entries[0].weight >= entries[1].weight && entries[0].weight <= 1);
	vocabulary_free(vocabulary);
}

static void test_empty_schema(void **state)
{
	static const struct snapshot empty = {.database = "empty"};
	struct vocabulary *vocabulary = vocabulary_new(&empty);
	size_t count;

	(void)state;
	assert_null(vocabulary_find(vocabulary, "a", &count));
	vocabulary_free(vocabulary);
}

/* What is built in steps is the same, and no step keeps a loop for long. */
static void build_in_steps(const struct snapshot *snapshot, const struct vocabulary *whole)
{
	static const char *const words[] = {"region", "order", "cust", "date", "sale", "close"};
	enum { STEP_WORDS = 500, MS_MAX = 20 };
	struct vocabulary_build *build = vocabulary_build_new(snapshot);
	struct vocabulary *vocabulary = NULL;
	clock_t longest = 0;
	size_t steps = 0;

	while (!vocabulary) {
		clock_t start = clock(), spent;

		vocabulary = vocabulary_build_step(build, STEP_WORDS);
		spent = clock() - start;
		longest = spent > longest ? spent : longest;
		steps++;
	}
	print_message("%zu steps, the longest of %ld us\n", steps,
	    (long)(longest * 1000000 / CLOCKS_PER_SEC));
	assert_true(longest < MS_MAX * CLOCKS_PER_SEC / 1000);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t count, expected;
		const struct vocabulary_entry *found =
		    vocabulary_find(vocabulary, words[i], &count);
		const struct vocabulary_entry *same = vocabulary_find(whole, words[i], &expected);

		assert_int_equal(count, expected);
		for (size_t k = 0; k < count; k++)
			assert_true(
			    found[k].kind == same[k].kind && found[k].table == same[k].table &&
			    found[k].column == same[k].column && found[k].weight == same[k].weight);
	}
	vocabulary_free(vocabulary);
	/* One that is given up leaves nothing. */
	build = vocabulary_build_new(snapshot);
	for (int i = 0; i < 10; i++)
		assert_null(vocabulary_build_step(build, STEP_WORDS));
	vocabulary_build_free(build);
}

/* 10,000 tables of 12 columns: within the time and memory that a router can give. */
static void test_large_schema(void **state)
{
	enum { TABLES = 10000, COLUMNS = 12, SECONDS_MAX = 2 };
	static char table_names[TABLES][32], column_names[COLUMNS * 100][32];
	struct snapshot_table *many = calloc(TABLES, sizeof(*many));
	struct snapshot_column *columns = calloc(TABLES * COLUMNS, sizeof(*columns));
	struct snapshot large = {.database = "large", .table_count = TABLES, .tables = many};
	struct vocabulary *vocabulary;
	clock_t start;
	size_t before;

	(void)state;
	for (size_t i = 0; i < COLUMNS * 100; i++)
		snprintf(column_names[i], sizeof(column_names[i]), "cust%c%c_order_dt",
		    (int)('a' + i % 26), (int)('a' + i / 26 % 26));
	for (size_t i = 0; i < TABLES; i++) {
		snprintf(table_names[i], sizeof(table_names[i]), "sales%zu_region%zu", i, i % 100);
		many[i] = (struct snapshot_table){.schema = "public",
		    .name = table_names[i],
		    .column_count = COLUMNS,
		    .columns = columns + i * COLUMNS,
		    .comment = "One region's sales of the month, closed at its end"};
		for (size_t k = 0; k < COLUMNS; k++)
			many[i].columns[k] = (struct snapshot_column){
			    .name = column_names[(i + k) % (COLUMNS * 100)], .type = "text"};
	}
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	start = clock();
	vocabulary = vocabulary_new(&large);
	assert_true(clock() - start < SECONDS_MAX * CLOCKS_PER_SEC);
	/* A sanitizer's allocator does not count here; then both are 0. */
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before < 64u << 20);
	assert_int_equal(find(vocabulary, "region").kind, VOCABULARY_TABLE);
	build_in_steps(&large, vocabulary);
	vocabulary_free(vocabulary);
	free(columns);
	free(many);
}

static void test_stop_words_are_sorted(void **state)
{
	static const char *const words[] = {
#define STOP_WORD(word, class) word,
#include "text/stop_words.def"
#undef STOP_WORD
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (stop_word_find(words[i]) == STOP_WORD_NONE)
			fail_msg("'%s' is not found", words[i]);
	assert_int_equal(stop_word_find("the"), STOP_WORD_ARTICLE);
	assert_int_equal(stop_word_find("customer"), STOP_WORD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words_are_found),
	    cmocka_unit_test(test_absent_words),
	    cmocka_unit_test(test_places_of_words),
	    cmocka_unit_test(test_rare_words_weigh_more),
	    cmocka_unit_test(test_empty_schema),
	    cmocka_unit_test(test_large_schema),
	    cmocka_unit_test(test_stop_words_are_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
