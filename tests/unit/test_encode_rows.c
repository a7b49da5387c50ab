/* Values of every native type, damaged ones, and the limits, from results made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "worker/encode_rows.h"

enum {
	BOOL = 16,
	BYTEA = 17,
	INT8 = 20,
	INT2 = 21,
	INT4 = 23,
	TEXT = 25,
	FLOAT4 = 700,
	FLOAT8 = 701,
	NUMERIC = 1700
};

/* A result of one column; text NULL: NULL. */
static PGresult *result_of(Oid type, const char *const *texts, int count)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	char name[] = "c";
	PGresAttDesc column = {.name = name, .typid = type, .typlen = -1, .atttypmod = -1};

	assert_int_equal(PQsetResultAttrs(result, 1, &column), 1);
	for (int row = 0; row < count; row++) {
		int size = texts[row] ? (int)strlen(texts[row]) : -1;
		char *copy = texts[row] ? must_strdup(texts[row]) : NULL;

		assert_int_equal(PQsetvalue(result, row, 0, copy, size), 1);
		free(copy);
	}
	return result;
}

static const struct {
	const char *name;
	Oid type;
	const char *text;
	const char *encoded; /* NULL: refused */
	size_t size;
} values[] = {
    {"true", BOOL, "t", "\xc3", 1},
    {"false", BOOL, "f", "\xc2", 1},
    {"no bool", BOOL, "true", NULL, 0},
    {"empty bool", BOOL, "", NULL, 0},
    {"null", INT4, NULL, "\xc0", 1},
    {"int2 low", INT2, "-32768", "\xd1\x80\x00", 3},
    {"int4", INT4, "1", "\x01", 1},
    {"int8 high", INT8, "9223372036854775807", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9},
    {"int8 low", INT8, "-9223372036854775808", "\xd3\x80\0\0\0\0\0\0\0", 9},
    {"over int8", INT8, "9223372036854775808", NULL, 0},
    {"empty int", INT4, "", NULL, 0},
    {"int and more", INT4, "1x", NULL, 0},
    {"float8", FLOAT8, "1.5", "\xcb\x3f\xf8\0\0\0\0\0\0", 9},
    {"float4 by its text", FLOAT4, "0.1", "\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", 9},
    {"infinity", FLOAT8, "Infinity", "\xcb\x7f\xf0\0\0\0\0\0\0", 9},
    {"minus infinity", FLOAT8, "-Infinity", "\xcb\xff\xf0\0\0\0\0\0\0", 9},
    {"no float", FLOAT8, "1.5.", NULL, 0},
    {"numeric is text", NUMERIC, "1.10",
        "\xa4"
        "1.10",
        5},
    {"empty text", TEXT, "", "\xa0", 1},
    {"text", TEXT, "\xc3\xa9", "\xa2\xc3\xa9", 3},
    {"not UTF-8", TEXT, "\xe9", NULL, 0},
    {"bytea", BYTEA, "\\x00ff41", "\xc4\x03\x00\xff\x41", 5},
    {"empty bytea", BYTEA, "\\x", "\xc4\x00", 2},
    {"odd bytea", BYTEA, "\\x0", NULL, 0},
    {"no hex", BYTEA, "\\x0g", NULL, 0},
    {"escape bytea", BYTEA, "abcd", NULL, 0},
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		PGresult *result = result_of(values[i].type, &values[i].text, 1);
		struct row_encoder encoder;
		struct error error = ERROR_INIT;
		int r;

		print_message("%s\n", values[i].name);
		row_encoder_init(&encoder, 10, 1000);
		r = row_encoder_add(&encoder, result, &error);
		assert_int_equal(r, values[i].encoded ? 0 : ERROR_SQL_ERROR);
		if (values[i].encoded) {
			/* Behind the array32 head and the row's fixarray head. */
			assert_int_equal(encoder.rows.size, 6 + values[i].size);
			assert_memory_equal(
			    encoder.rows.data + 6, values[i].encoded, values[i].size);
		} else {
			assert_string_equal(error.sqlstate, "22021");
			assert_non_null(strstr(error.message, "\"c\""));
		}
		row_encoder_deinit(&encoder);
		PQclear(result);
	}
}

static const struct {
	const char *name;
	int64_t limit_rows, limit_bytes;
	int rows;
	uint32_t expected;
	bool truncated;
} limits[] = {
    {"under", 5, 1000, 4, 4, false},
    {"at the limit", 5, 1000, 5, 5, false},
    {"one more", 5, 1000, 6, 5, true},
    {"many more", 5, 1000, 50, 5, true},
    {"none", 5, 1000, 0, 0, false},
    /* a head of 5 bytes, and 5 bytes a row */
    {"bytes at the limit", 50, 25, 4, 4, false},
    {"bytes over by one", 50, 24, 4, 3, true},
    {"no row fits", 50, 9, 4, 0, true},
};

static void test_limits(void **state)
{
	static const char *const texts[50] = {[0 ... 49] = "abc"};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		PGresult *result = result_of(TEXT, texts, limits[i].rows);
		struct row_encoder encoder;
		struct error error;

		print_message("%s\n", limits[i].name);
		row_encoder_init(&encoder, limits[i].limit_rows, limits[i].limit_bytes);
		assert_int_equal(row_encoder_add(&encoder, result, &error), 0);
		assert_int_equal(encoder.row_count, limits[i].expected);
		assert_int_equal(encoder.truncated, limits[i].truncated);
		assert_int_equal(encoder.rows.size, 5 + 5 * limits[i].expected);
		row_encoder_deinit(&encoder);
		PQclear(result);
	}
}

static void test_a_long_value_is_refused(void **state)
{
	char *text = must_alloc(ENCODE_VALUE_BYTES_MAX + 2);
	PGresult *result;
	struct row_encoder encoder;
	struct error error;

	(void)state;
	memset(text, 'x', ENCODE_VALUE_BYTES_MAX + 1);
	text[ENCODE_VALUE_BYTES_MAX + 1] = '\0';
	result = result_of(TEXT, (const char *const *)&text, 1);
	row_encoder_init(&encoder, 10, INT64_MAX);
	assert_int_equal(row_encoder_add(&encoder, result, &error), ERROR_SQL_ERROR);
	assert_string_equal(error.sqlstate, "54000");
	row_encoder_deinit(&encoder);
	PQclear(result);
	free(text);
}

static void test_pairs(void **state)
{
	static const char expected[] = "\x84\xa7"
	                               "columns\x91\x82\xa4"
	                               "name\xa1"
	                               "c\xa4"
	                               "type\xa4"
	                               "text"
	                               "\xa4"
	                               "rows\xdd\0\0\0\x02\x91\xa1"
	                               "a\x91\xc0"
	                               "\xa9"
	                               "row_count\x02\xa9"
	                               "truncated\xc2";
	static const char *const texts[] = {"a", NULL};
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT, literal = BUFFER_INIT;
	struct type_names names = {0};
	struct row_encoder encoder;
	struct error error;
	PGresult *result = result_of(TEXT, texts, 2);

	(void)state;
	row_encoder_init(&encoder, 10, 1000);
	assert_int_equal(row_encoder_add(&encoder, result, &error), 0);
	assert_true(row_encoder_unknown_types(&encoder, &names, &literal));
	assert_string_equal(buffer_string(&literal), "{25}");
	names.types = must_zalloc(sizeof(*names.types));
	names.types[names.count++] = (struct type_name){TEXT, must_strdup("text")};
	assert_false(row_encoder_unknown_types(&encoder, &names, &literal));
	row_encoder_finish(&encoder, &names, &pairs);
	assert_int_equal(pairs.size, sizeof(expected) - 1);
	assert_memory_equal(pairs.data, expected, pairs.size);
	type_names_clear(&names);
	row_encoder_deinit(&encoder);
	PQclear(result);
}

static void add_rows(struct row_encoder *encoder, const char *const *texts, int count)
{
	PGresult *result = result_of(TEXT, texts, count);
	struct error error;

	assert_int_equal(row_encoder_add(encoder, result, &error), 0);
	PQclear(result);
}

/* Batches go out; the rows stay while all of them fit. */
static void test_a_stream(void **state)
{
	static const char batch[] = "\x81\xa4"
	                            "rows\x92\x91\xa1"
	                            "a\x91\xc0";
	static const char *const texts[] = {"a", NULL}, *const large[] = {"0123456789"};
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT;
	struct type_names names = {0};
	struct row_encoder encoder;

	(void)state;
	row_encoder_init(&encoder, 7, 10);
	row_encoder_stream(&encoder, 20);
	assert_false(row_encoder_take_batch(&encoder, &pairs));
	for (int i = 0; i < 3; i++) {
		add_rows(&encoder, texts, 2);
		assert_int_equal(row_encoder_batch_size(&encoder), 5);
		buffer_reset(&pairs);
		assert_true(row_encoder_take_batch(&encoder, &pairs));
		assert_int_equal(pairs.size, sizeof(batch) - 1);
		assert_memory_equal(pairs.data, batch, pairs.size);
		assert_false(row_encoder_take_batch(&encoder, &pairs));
		/* The head of 5 bytes and the rows: 10, 15, and 20, which is the most. */
		assert_true(encoder.kept);
	}
	assert_false(encoder.truncated);
	add_rows(&encoder, large, 1); /* over the limit of one row */
	assert_true(encoder.truncated);
	assert_int_equal(encoder.row_count, 6);
	buffer_reset(&pairs);
	row_encoder_finish_stream(&encoder, &names, &pairs);
	assert_non_null(memmem(pairs.data, pairs.size, "rows\x90", 5));
	row_encoder_deinit(&encoder);

	row_encoder_init(&encoder, 100, 100);
	row_encoder_stream(&encoder, 9);
	add_rows(&encoder, texts, 2);
	assert_true(row_encoder_take_batch(&encoder, &pairs));
	assert_false(encoder.kept);
	assert_int_equal(encoder.rows.size, 5); /* nothing grows */
	row_encoder_deinit(&encoder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_a_long_value_is_refused),
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
