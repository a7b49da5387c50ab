/* Files of records in state_dir: what is put is there when it is loaded, whatever bytes it has; and
 * what is damaged costs only itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state_records.h"

enum { RECORDS_MAX = 3, PATH_SIZE = 128 };

static char folder[PATH_SIZE], path[PATH_SIZE], damaged[PATH_SIZE];

static const char *fault_of(const struct state_records *others, const struct state_record *record)
{
	(void)record;
	return others->count < RECORDS_MAX ? NULL : "there are 3";
}

static const struct state_kind kind = {.name = "notes",
    .first_line = "optimax notes 1",
    .record = "note",
    .escapes = true,
    .fault = fault_of};

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/optimax-records-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%.100s/notes", folder);
	snprintf(damaged, sizeof(damaged), "%.100s/notes.damaged", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(damaged);
	return rmdir(folder);
}

static int put(struct state_records *records, const char *database, struct bytes key,
    const char *value, struct error *error)
{
	return state_records_put(
	    records, &kind, folder, bytes_of_string(database), key, bytes_of_string(value), error);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_what_is_put_is_loaded(void **state)
{
	static const char *const texts[] = {
	    "plain", "tab\tand\nlines\r\n", "\\n is no line end\\", "\xc3\xa4\xe2\x82\xac", "\t"};
	struct state_records records = {0}, loaded = {0};
	struct error error;
	struct stat is;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(
		    put(&records, "shop", bytes_of_string(texts[i]), "gone", &error), 0);
		assert_int_equal(
		    put(&records, "shop", bytes_of_string(texts[i]), texts[i], &error), 0);
		assert_int_equal(records.count, 1);
		state_records_load(&loaded, &kind, folder);
		assert_int_equal(loaded.count, 1);
		assert_string_equal(loaded.items[0].database, "shop");
		assert_string_equal(loaded.items[0].key, texts[i]);
		assert_string_equal(loaded.items[0].value, texts[i]);
		state_records_deinit(&loaded);
		assert_int_equal(put(&records, "shop", bytes_of_string(texts[i]), NULL, &error), 0);
		assert_int_equal(records.count, 0);
	}
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(is.st_mode & 0777, 0600);
	assert_int_equal(access(damaged, F_OK), -1);
	state_records_deinit(&records);
}

static void test_a_key_in_each_database(void **state)
{
	struct state_records records = {0}, loaded = {0};
	struct bytes key = bytes_of_string("k");
	struct error error;

	(void)state;
	assert_int_equal(put(&records, NULL, key, "all", &error), 0);
	assert_int_equal(put(&records, "a", key, "of a", &error), 0);
	assert_int_equal(put(&records, "b", key, "of b", &error), 0);
	assert_int_equal(put(&records, "c", key, "of c", &error), ERROR_BAD_REQUEST);
	assert_non_null(strstr(error.message, "this note can't be kept: there are 3"));
	assert_int_equal(put(&records, "a", key, "of a again", &error), 0);
	assert_int_equal(put(&records, "b", key, NULL, &error), 0);
	state_records_load(&loaded, &kind, folder);
	assert_int_equal(loaded.count, 2);
	assert_null(loaded.items[0].database);
	assert_string_equal(loaded.items[1].value, "of a again");
	state_records_deinit(&loaded);
	state_records_deinit(&records);
}

static void test_nothing_changes_where_it_fails(void **state)
{
	struct state_records records = {0};
	struct error error;

	(void)state;
	assert_int_equal(put(&records, "a", bytes_of_string("k"), "v", &error), 0);
	assert_int_equal(put(&records, "a", bytes_of("k\0x", 3), "w", &error), ERROR_BAD_REQUEST);
	assert_int_equal(state_records_put(&records, &kind, "/proc/nowhere", bytes_of_string("a"),
	                     bytes_of_string("k"), bytes_of_string("w"), &error),
	    ERROR_INTERNAL);
	assert_int_equal(records.count, 1);
	assert_string_equal(records.items[0].value, "v");
	state_records_deinit(&records);
}

static const struct damage {
	const char *name, *content;
	size_t kept;
} damages[] = {
    {"empty", "", 0},
    {"another file", "optimax corrections 1\nv\ta\tk\n", 0},
    {"no tab", "optimax notes 1\nv\ta\tk\nv\n", 1},
    {"one tab", "optimax notes 1\nv\tk\nv\ta\tk\n", 1},
    {"a tab too many", "optimax notes 1\nv\ta\tk\tk\n", 0},
    {"no UTF-8", "optimax notes 1\n\xff\ta\tk\n", 0},
    {"no escape", "optimax notes 1\n\\x\ta\tk\n", 0},
    {"cut in an escape", "optimax notes 1\nv\ta\tk\\\n", 0},
    {"too many", "optimax notes 1\nv\ta\tk\nv\ta\tl\nv\ta\tm\nv\ta\tn\n", 3},
};

static void test_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct state_records records = {0}, again = {0};

		write_file(damages[i].content);
		state_records_load(&records, &kind, folder);
		if (records.count != damages[i].kept || access(damaged, F_OK) != 0)
			fail_msg("%s: %zu are kept", damages[i].name, records.count);
		/* What is there now is sound. */
		unlink(damaged);
		state_records_load(&again, &kind, folder);
		assert_int_equal(again.count, damages[i].kept);
		assert_int_equal(access(damaged, F_OK), -1);
		state_records_deinit(&records);
		state_records_deinit(&again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_is_put_is_loaded, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_key_in_each_database, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_nothing_changes_where_it_fails, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_damage, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
