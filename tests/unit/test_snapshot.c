/* Round trip, truncation, mutation and seals of the schema snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#include "common/pack.h"
#include "text/snapshot.h"

/* fixarray 2, str8 head, 32 hex digits */
static struct snapshot_objects objects(
    struct snapshot *snapshot, size_t count, const char *const *names)
{
	struct snapshot_object *items = snapshot_alloc(snapshot, count * sizeof(*items));

	for (size_t i = 0; i < count; i++)
		items[i] = (struct snapshot_object){"public", names[i], NULL, false, true};
	return (struct snapshot_objects){count, items};
}

enum { BODY_OFFSET = 1 + 2 + 32 };

static const char *copy(struct snapshot *snapshot, const char *string)
{
	return snapshot_string(snapshot, string, strlen(string));
}

static const char **list(struct snapshot *snapshot, size_t count, const char *const *strings)
{
	const char **copies = snapshot_alloc(snapshot, count * sizeof(*copies));

	for (size_t i = 0; i < count; i++)
		copies[i] = copy(snapshot, strings[i]);
	return copies;
}

static void fill_column(struct snapshot *snapshot, struct snapshot_column *column, const char *name,
    enum column_kind kind)
{
	column->name = copy(snapshot, name);
	column->type = copy(snapshot, "text");
	column->kind = kind;
}

static void fill_orders(struct snapshot *snapshot, struct snapshot_table *table)
{
	table->schema = copy(snapshot, "sales");
	table->name = copy(snapshot, "orders");
	table->kind = TABLE_PARTITIONED;
	table->row_estimate = -1;
	table->column_count = 2;
	table->columns = snapshot_alloc(snapshot, 2 * sizeof(*table->columns));
	fill_column(snapshot, &table->columns[0], "id", COLUMN_INTEGER);
	table->columns[0].unique = true;
	fill_column(snapshot, &table->columns[1], "état", COLUMN_ENUM);
	table->columns[1].nullable = true;
	table->columns[1].comment = copy(snapshot, "où en est-on");
	table->columns[1].label_count = 2;
	table->columns[1].labels = list(snapshot, 2, (const char *[]){"payé", "nouveau"});
	table->columns[1].sample_count = 1;
	table->columns[1].samples = list(snapshot, 1, (const char *[]){"payé"});
	table->primary_key_count = 1;
	table->primary_key = snapshot_alloc(snapshot, sizeof(*table->primary_key));
	table->foreign_key_count = 1;
	table->foreign_keys = snapshot_alloc(snapshot, sizeof(*table->foreign_keys));
	table->foreign_keys[0].column_count = 1;
	table->foreign_keys[0].columns = snapshot_alloc(snapshot, sizeof(size_t));
	table->foreign_keys[0].columns[0] = 1;
	table->foreign_keys[0].ref_schema = copy(snapshot, "public");
	table->foreign_keys[0].ref_table = copy(snapshot, "customers");
	table->foreign_keys[0].ref_columns = list(snapshot, 1, (const char *[]){"id"});
	table->row_security = true;
	table->foreign_parts = true;
	table->refusal = copy(snapshot, "is far away");
	table->definition = "SELECT 1;";
	table->reads = objects(snapshot, 1, (const char *[]){"customers"});
}

/* The tables stand in the wrong order, which encoding must mend. */
static struct snapshot *sample_new(void)
{
	struct snapshot *snapshot = snapshot_new("shop");
	struct snapshot_table *customers;

	snapshot->schema_count = 2;
	snapshot->schemas = list(snapshot, 2, (const char *[]){"sales", "public"});
	snapshot->table_count = 2;
	snapshot->tables = snapshot_alloc(snapshot, 2 * sizeof(*snapshot->tables));
	fill_orders(snapshot, &snapshot->tables[0]);
	customers = &snapshot->tables[1];
	customers->schema = copy(snapshot, "public");
	customers->name = copy(snapshot, "customers");
	customers->comment = copy(snapshot, "who buys");
	customers->readable = true;
	customers->row_estimate = INT64_C(5000000000);
	customers->column_count = 1;
	customers->columns = snapshot_alloc(snapshot, sizeof(*customers->columns));
	fill_column(snapshot, &customers->columns[0], "id", COLUMN_INTEGER);
	snapshot->functions = objects(snapshot, 2, (const char *[]){"round", "f"});
	snapshot->functions.items[0].extension = "roundings";
	snapshot->functions.items[0].shadows = true;
	snapshot->operators = objects(snapshot, 1, (const char *[]){"+"});
	snapshot->types = objects(snapshot, 1, (const char *[]){"evil"});
	snapshot->cast_types = objects(snapshot, 1, (const char *[]){"evil"});
	snapshot->catalog_call_count = 2;
	snapshot->catalog_calls = list(snapshot, 2, (const char *[]){"pg_sleep", "abs"});
	return snapshot;
}

static void encode_sample(struct buffer *ret_encoded)
{
	struct snapshot *snapshot = sample_new();

	snapshot_encode(snapshot, ret_encoded);
	snapshot_free(snapshot);
}

static void test_round_trip(void **state)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT, again = BUFFER_INIT;
	struct snapshot *snapshot = NULL;
	const struct snapshot_table *orders;

	(void)state;
	encode_sample(&encoded);
	assert_int_equal(snapshot_decode(bytes_of_buffer(&encoded), &snapshot), 0);
	snapshot_encode(snapshot, &again);
	assert_true(bytes_equal(bytes_of_buffer(&encoded), bytes_of_buffer(&again)));

	assert_string_equal(snapshot->database, "shop");
	assert_int_equal(strlen(snapshot->version), 32);
	assert_string_equal(snapshot->tables[0].comment, "who buys");
	assert_true(snapshot->tables[0].row_estimate == INT64_C(5000000000));
	orders = snapshot_find_table(snapshot, NULL, "orders");
	assert_non_null(orders);
	assert_int_equal(orders->kind, TABLE_PARTITIONED);
	assert_null(orders->comment);
	assert_false(orders->readable);
	assert_string_equal(orders->columns[1].labels[1], "nouveau");
	assert_string_equal(orders->foreign_keys[0].ref_columns[0], "id");
	assert_int_equal(orders->foreign_keys[0].columns[0], 1);
	assert_string_equal(snapshot->functions.items[0].name, "f");
	assert_string_equal(snapshot->functions.items[1].extension, "roundings");
	assert_true(snapshot->functions.items[1].shadows);
	assert_null(snapshot->functions.items[0].extension);
	assert_string_equal(snapshot->cast_types.items[0].name, "evil");
	assert_true(snapshot_is_catalog_call(snapshot, "pg_sleep"));
	assert_false(snapshot_is_catalog_call(snapshot, "pg_slee"));
	assert_string_equal(orders->definition, "SELECT 1;");
	assert_true(orders->row_security && orders->foreign_parts && !orders->invoker);
	assert_string_equal(orders->refusal, "is far away");
	assert_false(snapshot_is_open(orders));
	assert_string_equal(orders->reads.items[0].name, "customers");
	snapshot_free(snapshot);
}

static void test_find(void **state)
{
	static const struct {
		const char *schema, *name, *found_in;
	} rows[] = {
	    {NULL, "orders", "sales"},
	    {NULL, "customers", "public"},
	    {"public", "customers", "public"},
	    {"public", "orders", NULL},
	    {"other", "orders", NULL},
	    {NULL, "Orders", NULL},
	    {NULL, "", NULL},
	};
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct snapshot *snapshot = sample_new(), *empty = snapshot_new("empty");

	(void)state;
	snapshot_encode(snapshot, &encoded);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct snapshot_table *table =
		    snapshot_find_table(snapshot, rows[i].schema, rows[i].name);

		assert_int_equal(!table, !rows[i].found_in);
		if (table)
			assert_string_equal(table->schema, rows[i].found_in);
	}
	assert_null(snapshot_find_table(empty, "public", "customers"));
	assert_int_equal(snapshot_find_column(&snapshot->tables[1], "état"), 1);
	assert_int_equal(snapshot_find_column(&snapshot->tables[1], "etat"), -1);
	snapshot_free(snapshot);
	snapshot_free(empty);
}

static void test_version_follows_content(void **state)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct snapshot *snapshot = sample_new();
	char before[sizeof(snapshot->version)], revision[sizeof(before)];

	(void)state;
	snapshot_encode(snapshot, &encoded);
	memcpy(before, snapshot->version, sizeof(before));
	memcpy(revision, snapshot->revision, sizeof(revision));
	snapshot->tables[0].row_estimate++;
	snapshot->tables[0].columns[0].sample_count = 1;
	snapshot->tables[0].columns[0].samples = list(snapshot, 1, (const char *[]){"7"});
	snapshot_encode(snapshot, &encoded);
	assert_string_equal(before, snapshot->version);
	assert_string_not_equal(revision, snapshot->revision);
	snapshot->tables[0].readable = !snapshot->tables[0].readable;
	snapshot_encode(snapshot, &encoded);
	assert_string_not_equal(before, snapshot->version);
	snapshot_free(snapshot);
}

/* The decoder is handed a heap copy of exactly the size, so that ASan sees one byte too far. */
static int decode_copy(struct bytes bytes)
{
	char *exact = must_alloc(bytes.size ? bytes.size : 1);
	struct snapshot *snapshot = NULL;
	int r;

	memcpy(exact, bytes.data, bytes.size);
	r = snapshot_decode(bytes_of(exact, bytes.size), &snapshot);
	if (r == 0)
		snapshot_free(snapshot);
	else
		assert_null(snapshot);
	free(exact);
	return r;
}

/* Gives damaged bytes their right hash, so that what lies behind that check is reached. */
static void set_version(char *encoded, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits(encoded + BODY_OFFSET, size - BODY_OFFSET);
	char version[33];

	snprintf(version, sizeof(version), "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
	memcpy(encoded + 3, version, 32);
}

static void test_truncated(void **state)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;

	(void)state;
	encode_sample(&encoded);
	for (size_t size = 0; size < encoded.size; size++)
		assert_int_equal(decode_copy(bytes_of(encoded.data, size)), -EBADMSG);
	for (size_t size = BODY_OFFSET; size < encoded.size; size++) {
		CLEAN(buffer) struct buffer cut = BUFFER_INIT;

		buffer_append(&cut, encoded.data, size);
		set_version(cut.data, cut.size);
		assert_int_equal(decode_copy(bytes_of_buffer(&cut)), -EBADMSG);
	}
	buffer_append(&encoded, "\xc0", 1);
	set_version(encoded.data, encoded.size);
	assert_int_equal(decode_copy(bytes_of_buffer(&encoded)), -EBADMSG);
}

static void test_mutated(void **state)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	unsigned seed = 7, refused = 0;

	(void)state;
	encode_sample(&encoded);
	for (int round = 0; round < 50000; round++) {
		CLEAN(buffer) struct buffer changed = BUFFER_INIT;
		int changes = 1 + rand_r(&seed) % 4;

		buffer_append_bytes(&changed, bytes_of_buffer(&encoded));
		while (changes--) {
			size_t at = (size_t)rand_r(&seed) % (encoded.size - BODY_OFFSET);

			changed.data[BODY_OFFSET + at] = (char)rand_r(&seed);
		}
		if (round % 8)
			set_version(changed.data, changed.size);
		if (decode_copy(bytes_of_buffer(&changed)) != 0)
			refused++;
	}
	assert_true(refused > 10000);
}

static int decode_changed(void (*change)(struct snapshot *))
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct snapshot *snapshot = sample_new();

	change(snapshot);
	snapshot_encode(snapshot, &encoded);
	snapshot_free(snapshot);
	return decode_copy(bytes_of_buffer(&encoded));
}

static void key_beyond_columns(struct snapshot *snapshot)
{
	snapshot->tables[0].foreign_keys[0].columns[0] = 2;
}

static void primary_key_beyond_columns(struct snapshot *snapshot)
{
	snapshot->tables[0].primary_key[0] = 2;
}

static void same_table_twice(struct snapshot *snapshot)
{
	snapshot->tables[1].schema = "sales";
	snapshot->tables[1].name = "orders";
}

static void unknown_kind(struct snapshot *snapshot)
{
	snapshot->tables[1].kind = (enum table_kind)(TABLE_PARTITIONED + 1);
}

static void bad_utf8(struct snapshot *snapshot)
{
	snapshot->tables[1].name = "caf\xe9";
}

static void negative_rows(struct snapshot *snapshot)
{
	snapshot->tables[1].row_estimate = -2;
}

static void empty_foreign_key(struct snapshot *snapshot)
{
	snapshot->tables[0].foreign_keys[0].column_count = 0;
}

static void unchanged(struct snapshot *snapshot)
{
	(void)snapshot;
}

static void test_contents(void **state)
{
	static const struct {
		const char *name;
		void (*change)(struct snapshot *);
		int result;
	} rows[] = {
	    {"unchanged", unchanged, 0},
	    {"foreign key beyond the columns", key_beyond_columns, -EBADMSG},
	    {"primary key beyond the columns", primary_key_beyond_columns, -EBADMSG},
	    {"the same table twice", same_table_twice, -EBADMSG},
	    {"unknown table kind", unknown_kind, -EBADMSG},
	    {"name that is not UTF-8", bad_utf8, -EBADMSG},
	    {"row estimate below -1", negative_rows, -EBADMSG},
	    {"foreign key of no column", empty_foreign_key, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (decode_changed(rows[i].change) != rows[i].result)
			fail_msg("%s", rows[i].name);
}

static void test_descriptor(void **state)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct snapshot *snapshot = NULL;
	int fd = -1;

	(void)state;
	encode_sample(&encoded);
	assert_int_equal(snapshot_to_fd(bytes_of_buffer(&encoded), &fd), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(snapshot_from_fd(fd, &snapshot), 0);
	assert_string_equal(snapshot->database, "shop");
	snapshot_free(snapshot);
	close(fd);
	assert_int_equal(snapshot_from_fd(fd, &snapshot), -EBADF);
}

static void test_wrong_seals(void **state)
{
	static const int rows[] = {0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_GROW,
	    F_SEAL_GROW | F_SEAL_SHRINK, F_SEAL_WRITE | F_SEAL_SHRINK};
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct snapshot *snapshot = NULL;
	int fd;

	(void)state;
	encode_sample(&encoded);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fd = memfd_create("wrong", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(write(fd, encoded.data, encoded.size), encoded.size);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, rows[i]), 0);
		assert_int_equal(snapshot_from_fd(fd, &snapshot), -EBADMSG);
		close(fd);
	}
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(snapshot_from_fd(fd, &snapshot), -EBADMSG);
	close(fd);
	assert_int_equal(snapshot_to_fd(BYTES_NONE, &fd), 0);
	assert_int_equal(snapshot_from_fd(fd, &snapshot), -EBADMSG);
	close(fd);
	assert_null(snapshot);
}

static struct snapshot *large_new(size_t tables, size_t columns)
{
	struct snapshot *snapshot = snapshot_new("large");
	char name[32];

	snapshot->schema_count = 1;
	snapshot->schemas = list(snapshot, 1, (const char *[]){"public"});
	snapshot->table_count = tables;
	snapshot->tables = snapshot_alloc(snapshot, tables * sizeof(*snapshot->tables));
	for (size_t i = 0; i < tables; i++) {
		struct snapshot_table *table = &snapshot->tables[i];

		snprintf(name, sizeof(name), "table_%zu", i);
		table->schema = "public";
		table->name = copy(snapshot, name);
		table->column_count = columns;
		table->columns = snapshot_alloc(snapshot, columns * sizeof(*table->columns));
		for (size_t j = 0; j < columns; j++) {
			snprintf(name, sizeof(name), "column_%zu", j);
			fill_column(snapshot, &table->columns[j], name, COLUMN_TEXT);
		}
	}
	return snapshot;
}

static void test_large(void **state)
{
	CLEAN(buffer) struct buffer encoded = BUFFER_INIT;
	struct snapshot *large = large_new(10000, 20), *snapshot = NULL;
	struct timespec start, end;
	double seconds;

	(void)state;
	snapshot_encode(large, &encoded);
	snapshot_free(large);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	assert_int_equal(snapshot_decode(bytes_of_buffer(&encoded), &snapshot), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	assert_non_null(snapshot_find_table(snapshot, "public", "table_9999"));
	snapshot_free(snapshot);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	print_message("10,000 tables of 20 columns: %zu bytes, decoded in %.0f ms\n", encoded.size,
	    seconds * 1e3);
	assert_true(seconds < 5); /* under a sanitizer too; the plain build takes about 30 ms */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_version_follows_content),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_mutated),
	    cmocka_unit_test(test_contents),
	    cmocka_unit_test(test_descriptor),
	    cmocka_unit_test(test_wrong_seals),
	    cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
