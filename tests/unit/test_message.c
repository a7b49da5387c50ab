#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/message.h"
#include "common/pack.h"
#include "common/rpc.h"

static void pack_question(struct buffer *map, const char *question)
{
	pack_map(map, 1);
	pack_pair_string(map, "question", question);
}

static void put_nothing(struct buffer *map)
{
	pack_map(map, 0);
}
static void put_array(struct buffer *map)
{
	pack_array(map, 0);
}
static void put_unknown(struct buffer *map)
{
	pack_map(map, 2);
	pack_pair_string(map, "question", "a");
	pack_pair_string(map, "qestion", "a");
}
static void put_twice(struct buffer *map)
{
	pack_map(map, 2);
	pack_pair_string(map, "question", "a");
	pack_pair_string(map, "question", "b");
}
static void put_empty(struct buffer *map)
{
	pack_question(map, "");
}
static void put_bad_utf8(struct buffer *map)
{
	pack_question(map, "a\xc0\x80");
}
static void put_bin_question(struct buffer *map)
{
	pack_map(map, 1);
	pack_string(map, "question");
	pack_bin(map, bytes_of_string("a"));
}
static void put_nil_question(struct buffer *map)
{
	pack_map(map, 1);
	pack_string(map, "question");
	pack_nil(map);
}
static void put_limit_zero(struct buffer *map)
{
	pack_map(map, 2);
	pack_pair_string(map, "question", "a");
	pack_pair_int(map, "limit", 0);
}
static void put_limit_text(struct buffer *map)
{
	pack_map(map, 2);
	pack_pair_string(map, "question", "a");
	pack_pair_string(map, "limit", "5");
}
static void put_timeout_large(struct buffer *map)
{
	pack_map(map, 2);
	pack_pair_string(map, "question", "a");
	pack_pair_int(map, "timeout_ms", 600001);
}
static void put_bool_int(struct buffer *map)
{
	pack_map(map, 2);
	pack_pair_string(map, "question", "a");
	pack_pair_int(map, "stream", 1);
}
static void put_number_key(struct buffer *map)
{
	pack_map(map, 1);
	pack_int(map, 1);
	pack_int(map, 1);
}
static void put_long_question(struct buffer *map)
{
	size_t size = LIMIT_QUESTION_BYTES + 1;
	char *text = must_zalloc(size);

	memset(text, 'a', size);
	pack_map(map, 1);
	pack_pair_text(map, "question", bytes_of(text, size));
	clean_free(&text);
}

static const struct {
	const char *name;
	void (*put)(struct buffer *map);
	enum error_code code;
	const char *names; /* must be in the message */
} bad[] = {
    {"required key missing", put_nothing, ERROR_BAD_REQUEST, "\"question\" is missing"},
    {"not a map", put_array, ERROR_BAD_REQUEST, "must be a map"},
    {"unknown key", put_unknown, ERROR_BAD_REQUEST, "\"qestion\" is not a known key"},
    {"duplicate key", put_twice, ERROR_BAD_REQUEST, "\"question\" is there twice"},
    {"empty", put_empty, ERROR_BAD_REQUEST, "\"question\" is empty"},
    {"bad UTF-8", put_bad_utf8, ERROR_BAD_REQUEST, "\"question\" is not UTF-8"},
    {"bin for a string", put_bin_question, ERROR_BAD_REQUEST, "\"question\" must be a string"},
    {"nil for a required key", put_nil_question, ERROR_BAD_REQUEST,
        "\"question\" must be a string"},
    {"limit 0", put_limit_zero, ERROR_BAD_REQUEST, "\"limit\" is out of range"},
    {"limit as text", put_limit_text, ERROR_BAD_REQUEST, "\"limit\" must be an integer"},
    {"timeout over its range", put_timeout_large, ERROR_BAD_REQUEST, "from 1 to 600000"},
    {"integer for a boolean", put_bool_int, ERROR_BAD_REQUEST, "\"stream\" must be true or false"},
    {"a key that is no string", put_number_key, ERROR_BAD_REQUEST, "a key is not a string"},
    {"question too long", put_long_question, ERROR_TOO_LARGE, "at most 32768"},
};

static void test_bad_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEAN(buffer) struct buffer map = BUFFER_INIT;
		struct ask_params params;
		struct error error = ERROR_INIT;

		bad[i].put(&map);
		if (message_unpack(&message_rows[MESSAGE_ID_ASK], bytes_of_buffer(&map), &params,
		        &error) != (int)bad[i].code)
			fail_msg("%s: code %s", bad[i].name, error_name(error.code));
		if (!strstr(error.message, bad[i].names))
			fail_msg("%s: \"%s\"", bad[i].name, error.message);
	}
}

static void test_round_trip(void **state)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct ask_params params, back;
	struct rpc_message rpc;
	struct error error;
	struct bytes map;

	(void)state;
	message_init(&message_rows[MESSAGE_ID_ASK], &params);
	params.question = bytes_of_string("wie viele Bestellungen gab es in München?");
	params.limit = 7;
	params.explain = true;
	message_pack_request(&message, 42, MESSAGE_ID_ASK, &params);
	assert_true(rpc_parse(bytes_of_buffer(&message), &rpc));
	assert_int_equal(rpc.type, RPC_REQUEST);
	assert_int_equal(rpc.msgid, 42);
	assert_true(bytes_equal_string(rpc.method, "ask"));
	assert_int_equal(rpc_params_map(rpc.params, &map, &error), 0);
	assert_int_equal(message_unpack(&message_rows[MESSAGE_ID_ASK], map, &back, &error), 0);
	assert_true(bytes_equal(back.question, params.question));
	assert_int_equal(back.limit, 7);
	assert_true(back.explain);
	assert_false(back.stream);
	assert_null(back.database.data);
	assert_true(back.max_age_ms == FIELD_ABSENT);
}

static void test_errors_travel(void **state)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct error error, back;
	struct rpc_message rpc;

	(void)state;
	error_set(&error, ERROR_OVERLOADED, "the queue of \"%s\" is full", "shop");
	error.retry_after_ms = 250;
	error_set_detail(&error, "x");
	message_pack_error(&message, true, 9, &error);
	assert_true(rpc_parse(bytes_of_buffer(&message), &rpc));
	assert_int_equal(rpc.type, RPC_RESPONSE);
	assert_int_equal(message_unpack_error(rpc.error, &back), 0);
	assert_int_equal(back.code, ERROR_OVERLOADED);
	assert_true(back.retryable);
	assert_int_equal(back.retry_after_ms, 250);
	assert_string_equal(back.message, error.message);
	assert_string_equal(back.detail, "x");
}

static void test_every_row_is_sound(void **state)
{
	(void)state;
	for (int id = 0; id < MESSAGE_ID_COUNT; id++) {
		const struct message_row *row = &message_rows[id];
		unsigned count = 0;

		for (const struct field_row *field = row->fields(); field->name; field++) {
			assert_true(field->offset < row->size);
			assert_true(field->min <= field->max);
			count++;
		}
		assert_true(count <= 64);
	}
}

static void test_params_shapes(void **state)
{
	struct error error;
	struct bytes map;

	(void)state;
	assert_int_equal(rpc_params_map(bytes_of("\x90", 1), &map, &error), 0);
	assert_int_equal(rpc_params_map(bytes_of("\x91\x80", 2), &map, &error), 0);
	assert_int_equal(rpc_params_map(bytes_of("\x91\x01", 2), &map, &error), ERROR_BAD_REQUEST);
	assert_int_equal(
	    rpc_params_map(bytes_of("\x92\x80\x80", 3), &map, &error), ERROR_BAD_REQUEST);
	assert_int_equal(rpc_params_map(bytes_of("\x80", 1), &map, &error), ERROR_BAD_REQUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad_parameters),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_errors_travel),
	    cmocka_unit_test(test_every_row_is_sound),
	    cmocka_unit_test(test_params_shapes),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
