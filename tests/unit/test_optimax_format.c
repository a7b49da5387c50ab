/* What liboptimax makes of values and of bytes, without a connection. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/frame.h"
#include "client/optimax.h"

static void test_format(void **state)
{
	static const struct {
		const char *name;
		msgpack_object value;
		const char *text;
	} rows[] = {
	    {"largest", {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_MAX},
	        "18446744073709551615"},
	    {"smallest", {.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = INT64_MIN},
	        "-9223372036854775808"},
	    {"double", {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 0.1}, "0.1"},
	    {"single", {.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = 0.1f}, "0.1"},
	    {"third", {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 1.0 / 3}, "0.3333333333333333"},
	    {"NaN", {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = __builtin_nan("")}, "NaN"},
	    {"infinity", {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = -__builtin_inf()},
	        "-Infinity"},
	    {"bytes", {.type = MSGPACK_OBJECT_BIN, .via.bin = {3, "\x00\xfa\x7f"}}, "\\x00fa7f"},
	    {"no bytes", {.type = MSGPACK_OBJECT_BIN, .via.bin = {0, NULL}}, "\\x"},
	    {"true", {.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true}, "true"},
	    {"nil", {.type = MSGPACK_OBJECT_NIL}, ""},
	    {"text", {.type = MSGPACK_OBJECT_STR, .via.str = {2, "hi"}}, "hi"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char whole[64], cut[4];
		assert_int_equal(
		    optimax_format(&rows[i].value, whole, sizeof(whole)), strlen(rows[i].text));
		assert_string_equal(whole, rows[i].text);
		assert_int_equal(
		    optimax_format(&rows[i].value, cut, sizeof(cut)), strlen(rows[i].text));
		assert_int_equal(strncmp(cut, rows[i].text, 3), 0);
		assert_true(strlen(cut) <= 3);
		assert_int_equal(optimax_format(&rows[i].value, NULL, 0), strlen(rows[i].text));
	}
}

/* Byte by byte and at once end at the same place. */
static void test_frame_limit(void **state)
{
	static const unsigned char text[] = "\xd9\x03"
	                                    "abc";

	(void)state;
	for (size_t limit = 1; limit <= 6; limit++) {
		struct frame_scan scan = {0};
		int r = FRAME_INCOMPLETE;
		for (size_t size = 0; size <= 5 && r == FRAME_INCOMPLETE; size++)
			r = frame_scan(&scan, text, size, limit);
		assert_int_equal(r, limit < 5 ? -EMSGSIZE : FRAME_WHOLE);
		scan = (struct frame_scan){0};
		assert_int_equal(frame_scan(&scan, text, 5, limit), r);
	}
}

static void test_no_memory(void **state)
{
	struct optimax_reply *reply;

	(void)state;
	assert_int_equal(optimax_connect(NULL, "/"), -ENOMEM);
	assert_int_equal(optimax_ask(NULL, "?", NULL, &reply), -ENOMEM);
	assert_int_equal(optimax_call(NULL, "ping", NULL, 0, &reply), -ENOMEM);
	assert_int_equal(optimax_receive(NULL, 0, &reply), -ENOMEM);
	assert_int_equal(optimax_error(NULL)->code, -ENOMEM);
	assert_int_equal(optimax_fd(NULL), -1);
	optimax_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_frame_limit),
	    cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
