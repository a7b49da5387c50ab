/* The files that a configuration names: prompts and examples, their faults, and their changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "daemon/config_files.h"
#include "daemon/config_read.h"

#define CONFIGURATION                   \
	"inference: {prompts_dir: p}\n" \
	"databases: [{name: shop, dsn: dbname=shop, examples: e.yaml, private: [c.email]}]\n"
#define PROMPT "Rules, {dialect}: {\"sql\": \"\"}\n---\n{schema}{question}\n"
#define PAIR   "- {question: How many?, sql: SELECT count(*) FROM c}\n"

struct scene {
	char folder[32];
};

static const char *path_of(const struct scene *scene, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", scene->folder, name);
	return path;
}

static void write_file(const struct scene *scene, const char *name, const char *text)
{
	FILE *file = fopen(path_of(scene, name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static void setup(struct scene *scene)
{
	strcpy(scene->folder, "/tmp/optimax-files-XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	assert_int_equal(mkdir(path_of(scene, "p"), 0755), 0);
	write_file(scene, "optimax.yaml", CONFIGURATION);
	write_file(scene, "p/sql.txt", PROMPT);
	write_file(scene, "e.yaml", PAIR);
}

static void teardown(const struct scene *scene)
{
	static const char *const files[] = {"p/sql.txt", "p/repair.txt", "e.yaml", "optimax.yaml"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(scene, files[i]));
	rmdir(path_of(scene, "p"));
	assert_int_equal(rmdir(scene->folder), 0);
}

/* NULL, and the first fault, where there is one. */
static struct config *read_scene(const struct scene *scene, char ret_fault[512])
{
	CLEAN(free) char *path = must_strdup(path_of(scene, "optimax.yaml"));
	struct config_faults faults;
	struct config *config = config_read_file(path, &faults);

	ret_fault[0] = '\0';
	if (faults.count > 0)
		snprintf(ret_fault, 512, "%s", faults.items[0].text);
	config_fault_deinit(&faults);
	return config;
}

static void test_they_are_read(void **state)
{
	const struct config_database *database;
	const struct config_example *example;
	const struct config_prompt *prompt;
	CLEAN(config) struct config *config = NULL;
	struct scene scene;
	char fault[512];

	(void)state;
	setup(&scene);
	config = read_scene(&scene, fault);
	assert_string_equal(fault, "");
	assert_int_equal(config->prompt_texts.count, 1);
	prompt = config->prompt_texts.items[0];
	assert_string_equal(prompt->name, "sql");
	assert_string_equal(prompt->text, PROMPT);
	database = config->databases.items[0];
	assert_int_equal(database->example_pairs.count, 1);
	example = database->example_pairs.items[0];
	assert_string_equal(example->question, "How many?");
	assert_string_equal(example->sql, "SELECT count(*) FROM c");
	assert_string_equal(database->private_columns.items[0], "c.email");
	assert_false(database->share_values);
	teardown(&scene);
}

static const struct {
	const char *name, *file, *text, *fault;
} faults[] = {
    {"no question", "p/sql.txt", "{schema}\n", "p/sql.txt:1: prompt: it has no {question}"},
    {"no error to mend", "p/repair.txt", "{schema}{question}{sql}", "it has no {error}"},
    {"an unknown placeholder", "p/sql.txt", "a\n{schema}{question}{tables}\n",
        "p/sql.txt:2: prompt: there is no {tables}; write one of {question}"},
    {"a first part that differs", "p/sql.txt", "{question}\n---\n{schema}\n",
        "p/sql.txt:1: prompt: {question} differs from question to question"},
    {"a prompt in Latin-1", "p/sql.txt", "{schema}{question}\xe9", "it is no text in UTF-8"},
    {"examples that are no list", "e.yaml", "question: a\n", "e.yaml:1: examples: it is no list"},
    {"a pair without SQL", "e.yaml", PAIR "- {question: a, sq: b}\n",
        "e.yaml:2: sql: it is missing"},
    {"a pair of three", "e.yaml", "- {question: a, sql: b, note: c}\n", "it is no pair"},
    {"an empty question", "e.yaml", "- {question: '', sql: b}\n", "question: it is no text"},
    {"no YAML", "e.yaml", "- {question\n", "this is no YAML"},
    {"no examples file", "optimax.yaml",
        "databases: [{name: a, dsn: dbname=a, examples: none.yaml}]\n",
        "none.yaml:1: file: it cannot be read"},
    {"no prompts folder", "optimax.yaml", "inference: {prompts_dir: none}\n",
        "inference.prompts_dir: there is no folder"},
    {"private without a table", "optimax.yaml",
        "databases: [{name: a, dsn: dbname=a, private: [email]}]\n",
        "databases[0].private[0]: \"email\" is no column; write table.column"},
    {"private with an empty part", "optimax.yaml",
        "databases: [{name: a, dsn: dbname=a, private: [c.]}]\n", "\"c.\" is no column"},
    {"share_values of maybe", "optimax.yaml",
        "databases: [{name: a, dsn: dbname=a, share_values: maybe}]\n", "true or false"},
};

static void test_faults_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct scene scene;
		struct config *config;
		char fault[512];

		setup(&scene);
		write_file(&scene, faults[i].file, faults[i].text);
		config = read_scene(&scene, fault);
		if (config || !strstr(fault, faults[i].fault))
			fail_msg("%s: %s", faults[i].name, fault);
		teardown(&scene);
	}
}

static void test_the_default_need_not_be_there(void **state)
{
	CLEAN(config) struct config *config = NULL;
	struct scene scene;
	char fault[512];

	(void)state;
	setup(&scene);
	write_file(&scene, "optimax.yaml", "instance: a\n");
	config = read_scene(&scene, fault);
	assert_string_equal(fault, "");
	assert_int_equal(config->prompt_texts.count, 0);
	teardown(&scene);
}

/* What only stands in the files is a change of the configuration as well. */
static void test_changes_are_seen(void **state)
{
	static const struct {
		const char *file, *text, *changed;
		bool version;
	} rows[] = {
	    {"p/sql.txt", PROMPT "More.\n", "inference.prompts_dir (its files)", true},
	    {"e.yaml", PAIR PAIR, "databases[shop].examples (the file)", false},
	    {"e.yaml", PAIR, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *before, *after;
		struct config_changes changes;
		char fault[512], versions[2][17];
		struct scene scene;

		setup(&scene);
		before = read_scene(&scene, fault);
		write_file(&scene, rows[i].file, rows[i].text);
		after = read_scene(&scene, fault);
		config_compare(before, after, &changes);
		assert_int_equal(changes.count, rows[i].changed ? 1 : 0);
		if (rows[i].changed)
			assert_string_equal(changes.items[0].path, rows[i].changed);
		config_files_version(before, versions[0]);
		config_files_version(after, versions[1]);
		assert_int_equal(strcmp(versions[0], versions[1]) != 0, rows[i].version);
		config_changes_deinit(&changes);
		config_free(before);
		config_free(after);
		teardown(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_they_are_read),
	    cmocka_unit_test(test_faults_are_named),
	    cmocka_unit_test(test_the_default_need_not_be_there),
	    cmocka_unit_test(test_changes_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
