/* Where texts go on a small shop's schema: by its words, by their shape, by rules, by history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/classify.h"

static const char *statuses[] = {"pending", "shipped", "cancelled"};
static const char *cities[] = {"Berlin", "Lisbon"};

static struct snapshot_column customer_columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "name", .type = "text"},
    {.name = "city", .type = "text", .sample_count = 2, .samples = cities},
    {.name = "created_at", .type = "date"},
};
static struct snapshot_column order_columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "customer_id", .type = "bigint"},
    {.name = "total", .type = "numeric", .comment = "in euros, with taxes"},
    {.name = "status", .type = "order_status", .label_count = 3, .labels = statuses},
    {.name = "placed_at", .type = "timestamp with time zone"},
};
static struct snapshot_column product_columns[] = {
    {.name = "sku", .type = "text"},
    {.name = "name", .type = "text"},
    {.name = "price", .type = "numeric"},
    {.name = "supplier_id", .type = "bigint"},
};
static struct snapshot_column supplier_columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "name", .type = "text"},
    {.name = "country", .type = "text"},
};
static struct snapshot_table tables[] = {
    {.schema = "public", .name = "customers", .column_count = 4, .columns = customer_columns},
    {.schema = "public", .name = "orders", .column_count = 5, .columns = order_columns},
    {.schema = "public", .name = "products", .column_count = 4, .columns = product_columns},
    {.schema = "public", .name = "suppliers", .column_count = 3, .columns = supplier_columns},
};
static const struct snapshot shop = {.database = "shop", .table_count = 4, .tables = tables};

struct row {
	enum route route;
	const char *text;
};

static const struct row rows[] = {
    {ROUTE_SQL, "How many customers are there?"},
    {ROUTE_SQL, "how many orders were placed in 2024"},
    {ROUTE_SQL, "List the names of all suppliers"},
    {ROUTE_SQL, "Show the ten most expensive products"},
    {ROUTE_SQL, "average total of orders per customer"},
    {ROUTE_SQL, "What is the total of shipped orders by month?"},
    {ROUTE_SQL, "Which suppliers have no products?"},
    {ROUTE_SQL, "customers from Berlin"},
    {ROUTE_SQL, "orders that are still pending"},
    {ROUTE_SQL, "which customer has the highest total"},
    {ROUTE_SQL, "with the best price from each supplier, list the products"},
    {ROUTE_SQL, "Select all the customers with more than 5 orders"},
    {ROUTE_SQL, "order_id and customer_id of cancelled orders"},
    {ROUTE_SQL, "Could you please show me the products with a price above 100?"},
    {ROUTE_SQL, "how much did we sell last year"},
    {ROUTE_SQL, "how many clients do we have"},
    {ROUTE_SQL, "orders placed on 2024/8/24"},
    {ROUTE_CHAT, "what is your name"},
    {ROUTE_CHAT, "Hello, how are you?"},
    {ROUTE_CHAT, "hi"},
    {ROUTE_CHAT, "Tell me a joke"},
    {ROUTE_CHAT, "Write a poem about the sea"},
    {ROUTE_CHAT, "Translate 'good morning' into French"},
    {ROUTE_CHAT, "What is the capital of France?"},
    {ROUTE_CHAT, "Why is the sky blue?"},
    {ROUTE_CHAT, "Who invented the telephone?"},
    {ROUTE_CHAT, "how do I cook rice"},
    {ROUTE_CHAT, "what is 17 * 23"},
    {ROUTE_CHAT, "Write a Python function that sorts a list"},
    {ROUTE_CHAT, "I feel sad today, what should I do?"},
    {ROUTE_CHAT, "Select a good restaurant for me"},
    {ROUTE_CHAT, "explain quantum physics to a child"},
    {ROUTE_CHAT, "do you like music"},
    {ROUTE_UNSURE, "the price of gold"},
    {ROUTE_UNSURE, "revenue per month"},
};

static const struct classify_options defaults = {.min_confidence = 0.75};

struct fixture {
	struct vocabulary *vocabulary;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture.vocabulary = vocabulary_new(&shop);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	vocabulary_free(((struct fixture *)*state)->vocabulary);
	return 0;
}

static struct classification ask(
    void **state, const char *text, const struct classifier *classifier)
{
	struct classification found;

	classify(bytes_of_string(text), ((struct fixture *)*state)->vocabulary, classifier,
	    &defaults, &found);
	return found;
}

static void print_reasons(const char *text, const struct classification *found)
{
	print_error("%s: %s, %.2f towards %s\n", text, route_name(found->route), found->confidence,
	    route_name(found->lean));
	for (size_t i = 0; i < found->reason_count; i++)
		print_error("  %+.2f %s (%s)\n", found->reasons[i].weight, found->reasons[i].signal,
		    found->reasons[i].text);
}

static void test_rows(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct classification found = ask(state, rows[i].text, NULL);

		if (found.route == rows[i].route && !found.is_sql_text)
			continue;
		print_reasons(rows[i].text, &found);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void test_sql_text(void **state)
{
	static const char *const texts[] = {"select 1", "DROP TABLE customers",
	    "SELECT * FORM customers", "select name from suppliers"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct classification found = ask(state, texts[i], NULL);

		assert_true(found.is_sql_text);
		assert_int_equal(found.route, ROUTE_SQL);
		assert_true(found.confidence > 0.95);
		assert_string_equal(found.reasons[0].signal, "sql_text");
	}
	/* There is no table Berlin: that is a person's sentence. */
	assert_false(ask(state, "select customers from Berlin", NULL).is_sql_text);
}

static void test_reasons_explain(void **state)
{
	struct classification found = ask(state, "How many customers live in Berlin?", NULL);
	bool has_table = false;

	assert_true(found.reason_count >= 3);
	for (size_t i = 0; i < found.reason_count; i++) {
		if (i > 0)
			assert_true(
			    fabs(found.reasons[i].weight) <= fabs(found.reasons[i - 1].weight));
		if (strcmp(found.reasons[i].signal, "schema_table") == 0)
			has_table = strcmp(found.reasons[i].text, "customers") == 0;
	}
	assert_true(has_table);
}

static void test_threshold(void **state)
{
	struct classify_options always = {.min_confidence = 0}, never = {.min_confidence = 1};
	const struct vocabulary *vocabulary = ((struct fixture *)*state)->vocabulary;
	struct bytes text = bytes_of_string("the price of gold");
	struct classification found;

	classify(text, vocabulary, NULL, &always, &found);
	assert_int_equal(found.route, found.lean);
	classify(text, vocabulary, NULL, &never, &found);
	assert_int_equal(found.route, ROUTE_UNSURE);
	assert_int_not_equal(found.lean, ROUTE_UNSURE);
	assert_true(found.confidence >= 0.5 && found.confidence <= 1);
}

static void test_history_leans_to_sql(void **state)
{
	struct classify_options later = {.min_confidence = 0.75, .has_history = true};
	const struct vocabulary *vocabulary = ((struct fixture *)*state)->vocabulary;
	struct bytes text = bytes_of_string("and what about those from Lisbon?");
	struct classification first, second;

	classify(text, vocabulary, NULL, &defaults, &first);
	classify(text, vocabulary, NULL, &later, &second);
	assert_int_equal(second.lean, ROUTE_SQL);
	assert_true(first.lean == ROUTE_CHAT || second.confidence > first.confidence);
}

static void test_without_schema(void **state)
{
	struct classification found;

	(void)state;
	classify(bytes_of_string("hello there"), NULL, NULL, &defaults, &found);
	assert_int_equal(found.route, ROUTE_CHAT);
	classify(bytes_of_string(""), NULL, NULL, &defaults, &found);
	assert_int_equal(found.lean, ROUTE_CHAT);
}

static const struct classifier_rule rules[] = {
    {.route = ROUTE_SQL, .text = "churn report", .weight = 6},
    {.route = ROUTE_CHAT, .text = "small talk", .weight = 6},
    {.database = "other", .route = ROUTE_SQL, .text = "weather", .weight = 9},
    {.database = "shop", .route = ROUTE_SQL, .text = "\\bkpi\\b", .weight = 6, .is_pattern = true},
    {.route = ROUTE_CHAT, .text = "^!", .weight = 9, .is_pattern = true},
};

static void test_keywords_and_patterns(void **state)
{
	char error[128];
	struct classifier *classifier =
	    classifier_new(rules, sizeof(rules) / sizeof(rules[0]), "shop", error, sizeof(error));

	assert_non_null(classifier);
	/* By stem, and only with all of its words. */
	assert_int_equal(ask(state, "the churn reports please", classifier).route, ROUTE_SQL);
	assert_int_equal(ask(state, "write about churn", classifier).route, ROUTE_CHAT);
	assert_int_equal(ask(state, "our KPI please", classifier).route, ROUTE_SQL);
	assert_int_equal(ask(state, "write about kpis", classifier).route, ROUTE_CHAT);
	assert_int_equal(ask(state, "! how many customers", classifier).route, ROUTE_CHAT);
	assert_int_equal(ask(state, "what will the weather be", classifier).route, ROUTE_CHAT);
	assert_string_equal(ask(state, "our KPI please", classifier).reasons[0].signal, "pattern");
	assert_string_equal(ask(state, "our KPI please", classifier).reasons[0].text, "KPI");
	classifier_free(classifier);
	classifier_free(NULL);
}

static const struct {
	const char *text, *folded; /* NULL: nothing to learn */
} folds[] = {
    {"How many?", "how many"},
    {"  How\t many ?! ", "how many"},
    {"ＨＯＷ ｍａｎｙ", "how many"},
    {"Straße", "strasse"},
    {"so\u00adft", "soft"},
    {"a\001b", "ab"},
    {"?!", NULL},
    {"", NULL},
    {"\xff", NULL},
};

static void test_fold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
		CLEAN(buffer) struct buffer folded = BUFFER_INIT;
		bool found = classify_fold(bytes_of_string(folds[i].text), &folded);

		assert_int_equal(found, folds[i].folded != NULL);
		if (found)
			assert_string_equal(buffer_string(&folded), folds[i].folded);
	}
}

static void test_corrections(void **state)
{
	static const struct classifier_rule learnt[] = {
	    {.route = ROUTE_SQL, .text = "tell me a joke", .is_correction = true},
	    {.route = ROUTE_CHAT, .text = "select 1", .is_correction = true},
	    {.route = ROUTE_CHAT, .text = "how many customers are there", .is_correction = true},
	    {.database = "shop",
	        .route = ROUTE_SQL,
	        .text = "how many customers are there",
	        .is_correction = true},
	    {.database = "other",
	        .route = ROUTE_CHAT,
	        .text = "list orders",
	        .is_correction = true},
	};
	char error[128];
	struct classifier *classifier = classifier_new(learnt, 5, "shop", error, sizeof(error));
	struct classification found = ask(state, "Tell me a joke!", classifier);

	assert_int_equal(found.route, ROUTE_SQL);
	assert_true(found.confidence > 0.99 && found.reason_count == 1 && !found.is_sql_text);
	assert_string_equal(found.reasons[0].signal, "correction");
	assert_int_equal(ask(state, "Tell me a joke, please", classifier).route, ROUTE_CHAT);
	found = ask(state, "SELECT 1", classifier);
	assert_true(found.route == ROUTE_CHAT && !found.is_sql_text);
	assert_int_equal(ask(state, "How many customers are there", classifier).route, ROUTE_SQL);
	assert_int_equal(ask(state, "list orders", classifier).route, ROUTE_SQL);
	classifier_free(classifier);
}

static void test_bad_pattern_is_named(void **state)
{
	static const struct classifier_rule bad = {
	    .route = ROUTE_SQL, .text = "a(b", .weight = 1, .is_pattern = true};
	char error[128] = "";

	(void)state;
	assert_null(classifier_new(&bad, 1, "shop", error, sizeof(error)));
	assert_non_null(strstr(error, "a(b"));
}

/* A match that would take for ever counts as none, soon. */
static void test_catastrophic_pattern_is_bounded(void **state)
{
	static const struct classifier_rule catastrophic[] = {
	    {.route = ROUTE_SQL, .text = "(a+)+$", .weight = 20, .is_pattern = true},
	    {.route = ROUTE_SQL, .text = "(x+x+)+y", .weight = 20, .is_pattern = true},
	    {.route = ROUTE_SQL, .text = ".*.*.*.*=$", .weight = 20, .is_pattern = true},
	};
	enum { SIZE = 32 * 1024 };
	char error[128], *text = malloc(SIZE);
	struct classifier *classifier = classifier_new(catastrophic, 3, NULL, error, sizeof(error));
	struct classification found;
	clock_t start;

	assert_non_null(classifier);
	for (size_t i = 0; i < SIZE; i++)
		text[i] = i % 50 == 49 ? '=' : i % 2000 < 1000 ? 'a' : 'x';
	start = clock();
	classify(bytes_of(text, SIZE), ((struct fixture *)*state)->vocabulary, classifier,
	    &defaults, &found);
	assert_true(clock() - start < CLOCKS_PER_SEC / 20);
	assert_int_equal(found.lean, ROUTE_CHAT);
	classifier_free(classifier);
	free(text);
}

static void test_hostile_texts_are_linear(void **state)
{
	static const char *const units[] = {"order ", "a", "'", "how many ", "select ", "(", "x_",
	    "customer's ", "1+1=", "\u0301\u0316", "“", "a-b_C", "é "};
	enum { SIZE = 32 * 1024 };
	char *text = malloc(SIZE);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct classification found;
		clock_t start;

		for (size_t at = 0, unit = strlen(units[i]); at < SIZE; at++)
			text[at] = units[i][at % unit];
		start = clock();
		classify(bytes_of(text, SIZE), ((struct fixture *)*state)->vocabulary, NULL,
		    &defaults, &found);
		if (clock() - start > CLOCKS_PER_SEC / 10)
			fail_msg("\"%s\" again and again took too long", units[i]);
		assert_true(isfinite(found.confidence));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_sql_text),
	    cmocka_unit_test(test_reasons_explain),
	    cmocka_unit_test(test_threshold),
	    cmocka_unit_test(test_history_leans_to_sql),
	    cmocka_unit_test(test_without_schema),
	    cmocka_unit_test(test_keywords_and_patterns),
	    cmocka_unit_test(test_fold),
	    cmocka_unit_test(test_corrections),
	    cmocka_unit_test(test_bad_pattern_is_named),
	    cmocka_unit_test(test_catastrophic_pattern_is_bounded),
	    cmocka_unit_test(test_hostile_texts_are_linear),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
