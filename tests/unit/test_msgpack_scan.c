#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/msgpack_scan.h"
#include "common/pack.h"

enum { LIMIT = 1024 };

static const struct {
	const char *name;
	const char *bytes;
	size_t size;
	enum msgpack_scan_result result;
} cases[] = {
    {"nothing", "", 0, SCAN_INCOMPLETE},
    {"fixint", "\x07", 1, SCAN_WHOLE},
    {"negative fixint", "\xff", 1, SCAN_WHOLE},
    {"nil", "\xc0", 1, SCAN_WHOLE},
    {"the reserved byte", "\xc1", 1, SCAN_BAD},
    {"an extension", "\xd4\x01\x00", 3, SCAN_BAD},
    {"a long extension", "\xc7\x01\x01\x00", 4, SCAN_BAD},
    {"uint64 cut", "\xcf\x00\x00\x00", 4, SCAN_INCOMPLETE},
    {"a string cut",
        "\xa3"
        "ab",
        3, SCAN_INCOMPLETE},
    {"a string",
        "\xa3"
        "abc",
        4, SCAN_WHOLE},
    {"an empty map", "\x80", 1, SCAN_WHOLE},
    {"a map without its value",
        "\x81\xa1"
        "a",
        3, SCAN_INCOMPLETE},
    {"a length bomb: array of 2^28", "\xdd\x10\x00\x00\x00", 5, SCAN_TOO_LARGE},
    {"a length bomb: map of 2^32-1", "\xdf\xff\xff\xff\xff", 5, SCAN_TOO_LARGE},
    {"a length bomb: string of 4 GiB", "\xdb\xff\xff\xff\xff", 5, SCAN_TOO_LARGE},
    {"a bomb inside an array", "\x92\x01\xdd\x00\x00\x04\x00", 7, SCAN_TOO_LARGE},
    {"depth 8", "\x91\x91\x91\x91\x91\x91\x91\x91\x01", 9, SCAN_WHOLE},
    {"depth 8, the last one empty", "\x91\x91\x91\x91\x91\x91\x91\x91\x90", 9, SCAN_WHOLE},
    {"depth 9", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", 10, SCAN_TOO_DEEP},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msgpack_scan scan = MSGPACK_SCAN_INIT;
		size_t size = 0;
		enum msgpack_scan_result result =
		    msgpack_scan(&scan, bytes_of(cases[i].bytes, cases[i].size), LIMIT, &size);

		if (result != cases[i].result)
			fail_msg("%s: result %d", cases[i].name, result);
		if (result == SCAN_WHOLE)
			assert_int_equal(size, cases[i].size);
	}
}

static void pack_sample(struct buffer *buffer)
{
	pack_array(buffer, 4);
	pack_int(buffer, 0);
	pack_int(buffer, 70000);
	pack_string(buffer, "ask");
	pack_array(buffer, 1);
	pack_map(buffer, 3);
	pack_pair_string(buffer, "question", "how many orders are there?");
	pack_pair_float(buffer, "x", 0.5);
	pack_string(buffer, "history");
	pack_array(buffer, 0);
}

/* However the bytes are cut, the scanner says the same, and looks at no byte behind the end. */
static void test_every_cut(void **state)
{
	CLEAN(buffer) struct buffer buffer = BUFFER_INIT;

	(void)state;
	pack_sample(&buffer);
	for (size_t cut = 0; cut < buffer.size; cut++) {
		struct msgpack_scan scan = MSGPACK_SCAN_INIT;
		char *exact = must_alloc(cut);
		size_t size = 0;

		if (cut > 0)
			memcpy(exact, buffer.data, cut);
		assert_int_equal(
		    msgpack_scan(&scan, bytes_of(exact, cut), LIMIT, &size), SCAN_INCOMPLETE);
		free(exact);
		assert_int_equal(
		    msgpack_scan(&scan, bytes_of_buffer(&buffer), LIMIT, &size), SCAN_WHOLE);
		assert_int_equal(size, buffer.size);
	}
}

static void test_byte_by_byte(void **state)
{
	CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
	struct msgpack_scan scan = MSGPACK_SCAN_INIT;
	size_t size = 0;

	(void)state;
	pack_sample(&buffer);
	for (size_t n = 1; n < buffer.size; n++)
		assert_int_equal(
		    msgpack_scan(&scan, bytes_of(buffer.data, n), LIMIT, &size), SCAN_INCOMPLETE);
	assert_int_equal(msgpack_scan(&scan, bytes_of_buffer(&buffer), LIMIT, &size), SCAN_WHOLE);
	assert_int_equal(size, buffer.size);
	assert_int_equal(msgpack_value_size(bytes_of_buffer(&buffer)), buffer.size);
}

/* At the limit it is whole, one byte over it is refused as soon as its head says so. */
static void test_size_limit(void **state)
{
	CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
	char text[LIMIT] = {0};
	size_t size;

	(void)state;
	for (size_t body = LIMIT - 4; body <= LIMIT - 2; body++) {
		struct msgpack_scan scan = MSGPACK_SCAN_INIT;
		bool fits = body + 3 <= LIMIT;

		buffer_reset(&buffer);
		pack_text(&buffer, bytes_of(text, body));
		assert_int_equal(msgpack_scan(&scan, bytes_of(buffer.data, fits ? buffer.size : 5),
		                     LIMIT, &size),
		    fits ? SCAN_WHOLE : SCAN_TOO_LARGE);
	}
}

static void test_numbers(void **state)
{
	static const int64_t numbers[] = {0, 1, -1, 127, 128, -32, -33, 255, 256, 65535, 65536,
	    -128, -129, -32768, -32769, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, UINT32_MAX};
	CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
	struct msgpack_element element;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		buffer_reset(&buffer);
		pack_int(&buffer, numbers[i]);
		assert_int_equal(msgpack_head(bytes_of_buffer(&buffer), &element), SCAN_WHOLE);
		assert_int_equal(element.kind, MSGPACK_INT);
		assert_true(element.integer == numbers[i]);
	}
	buffer_reset(&buffer);
	pack_float(&buffer, -2.5);
	assert_int_equal(msgpack_head(bytes_of_buffer(&buffer), &element), SCAN_WHOLE);
	assert_true(element.number <= -2.5 && element.number >= -2.5);
	assert_int_equal(
	    msgpack_head(bytes_of("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9), &element),
	    SCAN_WHOLE);
	assert_int_equal(element.kind, MSGPACK_UINT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_byte_by_byte),
	    cmocka_unit_test(test_size_limit),
	    cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("msgpack_scan", tests, NULL, NULL);
}
