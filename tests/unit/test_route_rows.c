/*
 * The classification on texts and schemas of our own (route_rows.def): the small sibling of
 * bench/route_eval, with the same goals. None of the texts was seen by bench/fit_route.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/classify.h"

enum { TABLES_MAX = 8, COLUMNS_MAX = 12 };

static const struct {
	const char *schema, *name, *columns;
} table_rows[] = {
#define ROUTE_TABLE(schema, name, columns) {#schema, name, columns},
#define ROUTE_ROW(schema, route, text)
#include "tests/unit/route_rows.def"
#undef ROUTE_TABLE
#undef ROUTE_ROW
};

static const struct {
	const char *schema;
	enum route route;
	const char *text;
} rows[] = {
#define ROUTE_TABLE(schema, name, columns)
#define ROUTE_ROW(schema, route, text) {#schema, ROUTE_##route, text},
#include "tests/unit/route_rows.def"
#undef ROUTE_TABLE
#undef ROUTE_ROW
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct scene {
	const char *name;
	struct snapshot snapshot;
	struct snapshot_table tables[TABLES_MAX];
	struct snapshot_column columns[TABLES_MAX][COLUMNS_MAX];
	char *texts[TABLES_MAX];
	struct vocabulary *vocabulary;
};

static void add_table(struct scene *scene, const char *name, const char *columns)
{
	size_t index = scene->snapshot.table_count++;
	struct snapshot_table *table = &scene->tables[index];
	char *rest = NULL;

	assert_true(index < TABLES_MAX);
	scene->texts[index] = must_strdup(columns);
	*table = (struct snapshot_table){
	    .schema = "public", .name = name, .columns = scene->columns[index]};
	for (char *column = strtok_r(scene->texts[index], " ", &rest); column;
	     column = strtok_r(NULL, " ", &rest)) {
		assert_true(table->column_count < COLUMNS_MAX);
		table->columns[table->column_count++] =
		    (struct snapshot_column){.name = column, .type = "text"};
	}
}

static void make_scene(struct scene *scene, const char *name)
{
	*scene = (struct scene){.name = name};
	scene->snapshot = (struct snapshot){.database = name, .tables = scene->tables};
	for (size_t i = 0; i < sizeof(table_rows) / sizeof(table_rows[0]); i++)
		if (strcmp(table_rows[i].schema, name) == 0)
			add_table(scene, table_rows[i].name, table_rows[i].columns);
	scene->vocabulary = vocabulary_new(&scene->snapshot);
}

static void end_scene(struct scene *scene)
{
	vocabulary_free(scene->vocabulary);
	for (size_t i = 0; i < scene->snapshot.table_count; i++)
		free(scene->texts[i]);
}

struct tally {
	unsigned count, right, decided, decided_right;
};

static void judge_row(size_t index, const struct scene *scene, struct tally *tally)
{
	const struct classify_options options = {.min_confidence = 0.75};
	struct classification found;

	classify(bytes_of_string(rows[index].text), scene->vocabulary, NULL, &options, &found);
	tally->count++;
	tally->right += found.lean == rows[index].route;
	tally->decided += found.route != ROUTE_UNSURE;
	tally->decided_right += found.route == rows[index].route;
	if (found.lean != rows[index].route)
		print_message("%s: \"%s\" leans to %s at %.2f\n", scene->name, rows[index].text,
		    route_name(found.lean), found.confidence);
}

static void test_goals(void **state)
{
	static const char *const names[] = {"clinic", "library", "fleet", "energy"};
	struct tally tally = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct scene scene;

		make_scene(&scene, names[i]);
		for (size_t k = 0; k < ROWS; k++)
			if (strcmp(rows[k].schema, names[i]) == 0)
				judge_row(k, &scene, &tally);
		end_scene(&scene);
	}
	print_message("%u rows, %u right when forced, %u decided, %u of them right\n", tally.count,
	    tally.right, tally.decided, tally.decided_right);
	assert_int_equal(tally.count, ROWS);
	assert_true(tally.count >= 300);
	assert_true(tally.right * 100 >= tally.count * 92);
	assert_true(tally.decided * 100 >= tally.count * 75);
	assert_true(tally.decided_right * 100 >= tally.decided * 97);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_goals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
