/* A snapshot from results made by hand, in the order of the catalog queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "worker/schema_build.h"

enum { FIELDS_MAX = 9, ROWS_MAX = 8 };

/* "-" stands for NULL; the rows end with one whose first field is absent. */
struct answer {
	enum schema_query query;
	int fields;
	const char *rows[ROWS_MAX][FIELDS_MAX];
};

static const struct answer answers[] = {
    {SCHEMA_FINGERPRINT, 1, {{"0123456789abcdef0123456789abcdef"}}},
    {SCHEMA_SCHEMAS, 1, {{"public"}}},
    {SCHEMA_TABLES, 9,
        {{"20", "public", "customers", "who buys", "r", "t", "500", "f", "f"},
            {"10", "public", "orders", "-", "p", "t", "-1", "t", "t"},
            {"15", "public", "summary", "-", "v", "f", "-1", "f", "f"}}},
    {SCHEMA_COLUMNS, 7,
        {{"10", "1", "id", "bigint", "-", "f", "integer"},
            {"10", "3", "customer", "integer", "who", "t", "integer"},
            {"10", "4", "state", "state", "-", "t", "enum"},
            {"15", "1", "total", "numeric", "-", "t", "number"},
            {"20", "1", "id", "integer", "-", "f", "integer"},
            {"20", "2", "city", "text", "-", "t", "text"},
            {"20", "3", "name", "text", "-", "t", "text"}}},
    {SCHEMA_LABELS, 3, {{"10", "4", "open"}, {"10", "4", "paid"}}},
    {SCHEMA_CONSTRAINTS, 7,
        {{"10", "1", "p", "900", "-", "-", "-"},
            {"10", "3", "f", "901", "public", "customers", "id"},
            {"20", "1", "p", "902", "-", "-", "-"}}},
    {SCHEMA_UNIQUE, 2, {{"10", "1"}, {"20", "1"}, {"99", "1"}, {"20", "9"}}},
    {SCHEMA_SAMPLES, 4, {{"20", "3", "-", "t"}}},
    {SCHEMA_FUNCTIONS, 5, {{"public", "round", "-", "t", "f"}}},
    {SCHEMA_OPERATORS, 5, {{"public", "+", "citext", "t", "t"}}},
    {SCHEMA_TYPES, 5, {{"public", "mood", "-", "f", "t"}}},
    {SCHEMA_CAST_TYPES, 5, {{"public", "mood", "-", "f", "t"}}},
    {SCHEMA_CATALOG_CALLS, 1, {{"abs"}, {"pg_sleep"}}},
    {SCHEMA_VIEWS, 3, {{"15", "SELECT 1;", "t"}, {"99", "SELECT 2;", "f"}}},
    {SCHEMA_USES, 7,
        {{"15", "f", "public", "round", "-", "t", "f"},
            {"15", "r", "public", "customers", "-", "f", "t"},
            {"15", "r", "public", "orders", "-", "f", "t"},
            {"99", "o", "public", "+", "-", "f", "t"}}},
};

static PGresult *result_of(const struct answer *answer)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[FIELDS_MAX] = {0};
	char name[] = "c";

	for (int i = 0; i < answer->fields; i++)
		columns[i] = (PGresAttDesc){.name = name, .typid = 25, .typlen = -1};
	assert_int_equal(PQsetResultAttrs(result, answer->fields, columns), 1);
	for (int row = 0; row < ROWS_MAX && answer->rows[row][0]; row++) {
		for (int i = 0; i < answer->fields; i++) {
			char *text = must_strdup(answer->rows[row][i]);
			bool null = strcmp(text, "-") == 0;

			PQsetvalue(
			    result, row, i, null ? NULL : text, null ? -1 : (int)strlen(text));
			free(text);
		}
	}
	return result;
}

static int take(struct schema_builder *builder, const struct answer *answer)
{
	PGresult *result = result_of(answer);
	int r = schema_builder_take(builder, answer->query, result);

	PQclear(result);
	return r;
}

/* `changed` stands in for the answer to its query; NULL: none. */
static void build(struct schema_builder *builder, const struct answer *changed)
{
	schema_builder_init(builder, "shop");
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		bool is_it = changed && changed->query == answers[i].query;

		assert_int_equal(take(builder, is_it ? changed : &answers[i]), 0);
	}
}

static void test_a_schema_is_built(void **state)
{
	struct schema_builder builder;
	const struct snapshot_table *customers, *orders, *view;

	(void)state;
	build(&builder, NULL);
	customers = &builder.snapshot->tables[0];
	orders = &builder.snapshot->tables[1];
	view = &builder.snapshot->tables[2];
	assert_int_equal(builder.snapshot->table_count, 3);
	assert_string_equal(builder.fingerprint, "0123456789abcdef0123456789abcdef");
	assert_string_equal(customers->comment, "who buys");
	assert_null(orders->comment);
	assert_int_equal(orders->kind, TABLE_PARTITIONED);
	assert_int_equal(orders->row_estimate, -1);
	assert_int_equal(orders->column_count, 3);
	/* attnum 3 is the second column: one was dropped */
	assert_int_equal(orders->foreign_key_count, 1);
	assert_int_equal(orders->foreign_keys[0].columns[0], 1);
	assert_string_equal(orders->foreign_keys[0].ref_table, "customers");
	assert_string_equal(orders->foreign_keys[0].ref_columns[0], "id");
	assert_int_equal(orders->primary_key_count, 1);
	assert_int_equal(orders->primary_key[0], 0);
	assert_int_equal(orders->columns[2].kind, COLUMN_ENUM);
	assert_int_equal(orders->columns[2].label_count, 2);
	assert_string_equal(orders->columns[2].labels[1], "paid");
	assert_true(orders->columns[0].unique);
	assert_false(orders->columns[1].unique);
	assert_false(builder.snapshot->tables[2].readable);
	assert_string_equal(builder.snapshot->cast_types.items[0].name, "mood");
	assert_string_equal(builder.snapshot->types.items[0].schema, "public");
	assert_true(builder.snapshot->functions.items[0].shadows);
	assert_false(builder.snapshot->functions.items[0].pure);
	assert_null(builder.snapshot->functions.items[0].extension);
	assert_string_equal(builder.snapshot->operators.items[0].extension, "citext");
	assert_int_equal(builder.snapshot->catalog_call_count, 2);
	assert_true(orders->row_security);
	assert_true(orders->foreign_parts);
	assert_false(customers->foreign_parts);
	assert_string_equal(view->definition, "SELECT 1;");
	assert_true(view->invoker);
	assert_int_equal(view->functions.count, 1);
	assert_int_equal(view->operators.count, 0);
	assert_int_equal(view->reads.count, 2);
	assert_string_equal(view->reads.items[1].name, "orders");
	schema_builder_deinit(&builder);
}

static void test_samples(void **state)
{
	static const struct answer few = {0, 1, {{"Berlin"}, {"Oslo"}}};
	struct schema_place place = {.table = SIZE_MAX};
	struct schema_builder builder;
	PGresult *result = result_of(&few);
	const struct snapshot_column *city;

	(void)state;
	build(&builder, NULL);
	/* Only customers.city: name has many values, the other table no text. */
	assert_true(schema_builder_unsampled(&builder, &place));
	assert_int_equal(place.table, 0);
	assert_int_equal(place.column, 1);
	schema_builder_take_samples(&builder, place, result);
	city = &builder.snapshot->tables[0].columns[1];
	assert_int_equal(city->sample_count, 2);
	assert_string_equal(city->samples[1], "Oslo");
	assert_false(schema_builder_unsampled(&builder, &place));
	PQclear(result);
	schema_builder_deinit(&builder);
}

static const struct {
	const char *name;
	char column[32];
	bool is_private, is_known;
} private_rows[] = {
    {"table and column", "customers.name", true, true},
    {"with its schema", "public.customers.name", true, true},
    {"another table's", "orders.name", false, false},
    {"another schema's", "sales.customers.name", false, false},
    {"misspelled", "customers.nane", false, false},
};

static void test_private_columns(void **state)
{
	static const struct answer sampled = {SCHEMA_SAMPLES, 4, {{"20", "3", "Ann", "f"}}};

	(void)state;
	for (size_t i = 0; i < sizeof(private_rows) / sizeof(private_rows[0]); i++) {
		CLEAN(free) char *column = must_strdup(private_rows[i].column);
		char *columns[] = {column};
		struct schema_place place = {.table = SIZE_MAX};
		struct schema_builder builder;
		size_t at = 0, asked = 0;

		print_message("%s\n", private_rows[i].name);
		schema_builder_init(&builder, "shop");
		schema_builder_keep_private(&builder, columns, 1);
		for (size_t k = 0; k < sizeof(answers) / sizeof(answers[0]); k++)
			assert_int_equal(
			    take(&builder,
			        answers[k].query == SCHEMA_SAMPLES ? &sampled : &answers[k]),
			    0);
		assert_int_equal(builder.snapshot->tables[0].columns[2].sample_count,
		    private_rows[i].is_private ? 0 : 1);
		/* And what has no samples yet is not looked at either. */
		while (schema_builder_unsampled(&builder, &place))
			asked += place.table == 0 && place.column == 2;
		assert_int_equal(asked, 0);
		assert_int_equal(schema_builder_unknown_private(&builder, &at) == NULL,
		    private_rows[i].is_known);
		schema_builder_deinit(&builder);
	}
}

static const struct {
	const char *name;
	struct answer changed;
	bool structure;
} changes[] = {
    {"another estimate",
        {SCHEMA_TABLES, 9,
            {{"20", "public", "customers", "who buys", "r", "t", "9000", "f", "f"},
                {"10", "public", "orders", "-", "p", "t", "-1", "t", "t"},
                {"15", "public", "summary", "-", "v", "f", "-1", "f", "f"}}},
        false},
    {"a first estimate",
        {SCHEMA_TABLES, 9,
            {{"20", "public", "customers", "who buys", "r", "t", "500", "f", "f"},
                {"10", "public", "orders", "-", "p", "t", "7", "t", "t"},
                {"15", "public", "summary", "-", "v", "f", "-1", "f", "f"}}},
        true},
    {"samples", {SCHEMA_SAMPLES, 4, {{"20", "2", "Rome", "f"}}}, false},
    {"a privilege",
        {SCHEMA_TABLES, 9,
            {{"20", "public", "customers", "who buys", "r", "f", "500", "f", "f"},
                {"10", "public", "orders", "-", "p", "t", "-1", "t", "t"},
                {"15", "public", "summary", "-", "v", "f", "-1", "f", "f"}}},
        true},
    {"a function", {SCHEMA_FUNCTIONS, 5, {{"public", "lower", "-", "t", "f"}}}, true},
    {"a label", {SCHEMA_LABELS, 3, {{"10", "4", "open"}}}, true},
};

static void test_what_changes_the_structure(void **state)
{
	struct schema_builder before, after;

	(void)state;
	build(&before, NULL);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		print_message("%s\n", changes[i].name);
		build(&after, &changes[i].changed);
		assert_int_equal(
		    schema_builder_structure(&before) != schema_builder_structure(&after),
		    changes[i].structure);
		schema_builder_deinit(&after);
	}
	schema_builder_deinit(&before);
}

static void test_estimates_that_hardly_move_stay(void **state)
{
	static const struct {
		int64_t before, after, kept;
	} rows[] = {
	    {500, 550, 500}, {500, 551, 551}, {500, 450, 500}, {500, 0, 0}, {-1, 3, 3}, {0, 1, 1}};
	struct schema_builder before, after;

	(void)state;
	build(&before, NULL);
	build(&after, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		before.snapshot->tables[0].row_estimate = rows[i].before;
		after.snapshot->tables[0].row_estimate = rows[i].after;
		schema_keep_estimates(after.snapshot, before.snapshot);
		assert_int_equal(after.snapshot->tables[0].row_estimate, rows[i].kept);
	}
	schema_builder_deinit(&before);
	schema_builder_deinit(&after);
}

static void test_bad_answers_are_refused(void **state)
{
	static const struct answer bad[] = {
	    {SCHEMA_SCHEMAS, 2, {{"public", "x"}}},
	    {SCHEMA_SCHEMAS, 1, {{"\xff"}}},
	    {SCHEMA_FINGERPRINT, 1, {{"0123456789abcdef0123456789abcdef0"}}},
	    {SCHEMA_TABLES, 9, {{"1", "public", "\xe9t\xe9", "-", "r", "t", "1", "f", "f"}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct schema_builder builder;

		schema_builder_init(&builder, "shop");
		assert_true(take(&builder, &bad[i]) < 0);
		schema_builder_deinit(&builder);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_schema_is_built),
	    cmocka_unit_test(test_samples),
	    cmocka_unit_test(test_private_columns),
	    cmocka_unit_test(test_what_changes_the_structure),
	    cmocka_unit_test(test_estimates_that_hardly_move_stay),
	    cmocka_unit_test(test_bad_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
