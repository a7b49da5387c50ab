/* liboptimax against a scripted daemon on the other end of a socketpair. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/optimax.h"
#include "common/limits.h"

enum { WAIT_MS = 5000 };

struct scene {
	struct optimax *client;
	int daemon;
};

static struct scene scene_open(void)
{
	struct scene scene = {.client = optimax_new()};
	int ends[2];

	assert_non_null(scene.client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(optimax_connect_fd(scene.client, ends[0]), 0);
	scene.daemon = ends[1];
	return scene;
}

static void scene_close(struct scene *scene)
{
	optimax_free(scene->client);
	if (scene->daemon >= 0)
		close(scene->daemon);
}

static void scene_says(const struct scene *scene, const void *bytes, size_t size)
{
	assert_int_equal(send(scene->daemon, bytes, size, MSG_NOSIGNAL), size);
}

static uint32_t scene_sends(const struct scene *scene, const char *method)
{
	uint32_t msgid;

	assert_int_equal(optimax_send(scene->client, method, NULL, &msgid), 0);
	return msgid;
}

/* ---- messages ---- */

struct message {
	msgpack_sbuffer bytes;
	msgpack_packer packer;
};

static void message_begin(struct message *message)
{
	msgpack_sbuffer_init(&message->bytes);
	msgpack_packer_init(&message->packer, &message->bytes, msgpack_sbuffer_write);
}

static void message_text(struct message *message, const char *text)
{
	msgpack_pack_str_with_body(&message->packer, text, strlen(text));
}

/* [1, msgid, nil, and the result is to follow */
static void message_response(struct message *message, uint32_t msgid)
{
	message_begin(message);
	msgpack_pack_array(&message->packer, 4);
	msgpack_pack_int(&message->packer, 1);
	msgpack_pack_uint32(&message->packer, msgid);
	msgpack_pack_nil(&message->packer);
}

/* [1, msgid, nil, {columns: [{name: n, type: bigint}, {…}], rows: [[7, ""], [nil, "é"]]}] */
static void message_rows(struct message *message, uint32_t msgid)
{
	static const char *const names[] = {"n", "t"}, *const types[] = {"bigint", "text"};

	message_response(message, msgid);
	msgpack_pack_map(&message->packer, 2);
	message_text(message, "columns");
	msgpack_pack_array(&message->packer, 2);
	for (size_t i = 0; i < 2; i++) {
		msgpack_pack_map(&message->packer, 2);
		message_text(message, "name");
		message_text(message, names[i]);
		message_text(message, "type");
		message_text(message, types[i]);
	}
	message_text(message, "rows");
	msgpack_pack_array(&message->packer, 2);
	msgpack_pack_array(&message->packer, 2);
	msgpack_pack_int(&message->packer, 7);
	message_text(message, "");
	msgpack_pack_array(&message->packer, 2);
	msgpack_pack_nil(&message->packer);
	message_text(message, "é");
}

static void scene_answers_rows(const struct scene *scene, uint32_t msgid)
{
	struct message message;

	message_rows(&message, msgid);
	scene_says(scene, message.bytes.data, message.bytes.size);
	msgpack_sbuffer_destroy(&message.bytes);
}

/* [1, msgid or nil, {code: …, message: …, retryable: true, retry_after_ms: 250}, nil] */
static void scene_answers_error(const struct scene *scene, int64_t msgid, const char *code)
{
	struct message message;

	message_begin(&message);
	msgpack_pack_array(&message.packer, 4);
	msgpack_pack_int(&message.packer, 1);
	if (msgid < 0)
		msgpack_pack_nil(&message.packer);
	else
		msgpack_pack_int64(&message.packer, msgid);
	msgpack_pack_map(&message.packer, 4);
	message_text(&message, "code");
	message_text(&message, code);
	message_text(&message, "message");
	message_text(&message, "because");
	message_text(&message, "retryable");
	msgpack_pack_true(&message.packer);
	message_text(&message, "retry_after_ms");
	msgpack_pack_int(&message.packer, 250);
	msgpack_pack_nil(&message.packer);
	scene_says(scene, message.bytes.data, message.bytes.size);
	msgpack_sbuffer_destroy(&message.bytes);
}

static void scene_says_delta(
    const struct scene *scene, uint32_t msgid, uint32_t seq, const char *text)
{
	struct message message;

	message_begin(&message);
	msgpack_pack_array(&message.packer, 3);
	msgpack_pack_int(&message.packer, 2);
	message_text(&message, "delta");
	msgpack_pack_array(&message.packer, 3);
	msgpack_pack_uint32(&message.packer, msgid);
	msgpack_pack_uint32(&message.packer, seq);
	msgpack_pack_map(&message.packer, 1);
	message_text(&message, "text");
	message_text(&message, text);
	scene_says(scene, message.bytes.data, message.bytes.size);
	msgpack_sbuffer_destroy(&message.bytes);
}

static void assert_rows(struct optimax_reply *reply)
{
	assert_null(optimax_reply_error(reply));
	assert_int_equal(optimax_columns(reply), 2);
	assert_int_equal(optimax_rows(reply), 2);
	assert_string_equal(optimax_column_name(reply, 1), "t");
	assert_string_equal(optimax_column_type(reply, 0), "bigint");
	assert_string_equal(optimax_cell_text(reply, 0, 0), "7");
	assert_string_equal(optimax_cell_text(reply, 0, 1), "");
	assert_null(optimax_cell_text(reply, 1, 0));
	assert_string_equal(optimax_cell_text(reply, 1, 1), "é");
	assert_null(optimax_cell(reply, 2, 0));
	assert_null(optimax_cell(reply, 0, 2));
	assert_null(optimax_column_name(reply, 2));
}

/* ---- answers ---- */

static void test_replies_out_of_order(void **state)
{
	struct scene scene = scene_open();
	uint32_t first = scene_sends(&scene, "ask"), second = scene_sends(&scene, "ask");
	uint32_t third = scene_sends(&scene, "ask");
	struct optimax_reply *reply;

	(void)state;
	scene_answers_rows(&scene, third);
	scene_says_delta(&scene, first, 0, "piece");
	scene_answers_rows(&scene, 4242); /* never asked for: dropped */
	scene_answers_error(&scene, second, "timeout");
	scene_answers_rows(&scene, first);
	assert_int_equal(optimax_wait(scene.client, first, WAIT_MS, &reply), 0);
	assert_rows(reply);
	optimax_reply_free(reply);
	assert_int_equal(optimax_wait(scene.client, second, WAIT_MS, &reply), 0);
	assert_int_equal(optimax_reply_error(reply)->code, OPTIMAX_TIMEOUT);
	optimax_reply_free(reply);
	assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), 0);
	assert_int_equal(optimax_reply_msgid(reply), third);
	optimax_reply_free(reply);
	assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), 0);
	assert_true(optimax_reply_is_delta(reply));
	assert_string_equal(optimax_text(reply, "text"), "piece");
	optimax_reply_free(reply);
	assert_int_equal(optimax_receive(scene.client, 0, &reply), -ETIMEDOUT);
	assert_int_equal(optimax_wait(scene.client, first, 0, &reply), -EINVAL);
	scene_close(&scene);
}

static void test_split_at_every_byte(void **state)
{
	struct message message;

	(void)state;
	message_rows(&message, 0);
	for (size_t at = 0; at <= message.bytes.size; at++) {
		struct scene scene = scene_open();
		struct optimax_reply *reply;
		uint32_t msgid = scene_sends(&scene, "ask");
		assert_int_equal(msgid, 0);
		if (at > 0)
			scene_says(&scene, message.bytes.data, at);
		if (at < message.bytes.size) {
			assert_int_equal(optimax_receive(scene.client, 0, &reply), -ETIMEDOUT);
			scene_says(&scene, message.bytes.data + at, message.bytes.size - at);
		}
		assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), 0);
		assert_rows(reply);
		optimax_reply_free(reply);
		scene_close(&scene);
	}
	msgpack_sbuffer_destroy(&message.bytes);
}

static void test_closed_at_every_byte(void **state)
{
	struct message message;

	(void)state;
	message_rows(&message, 0);
	for (size_t at = 0; at < message.bytes.size; at++) {
		struct scene scene = scene_open();
		struct optimax_reply *reply = NULL;
		scene_sends(&scene, "ask");
		if (at > 0)
			scene_says(&scene, message.bytes.data, at);
		shutdown(scene.daemon, SHUT_RDWR);
		assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), -ECONNRESET);
		assert_null(reply);
		assert_string_equal(optimax_error(scene.client)->name, "lost");
		assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), -ENOTCONN);
		assert_int_equal(optimax_fd(scene.client), -1);
		scene_close(&scene);
	}
	msgpack_sbuffer_destroy(&message.bytes);
}

/* ---- errors ---- */

static void test_every_code_is_known(void **state)
{
	static const struct {
		const char *name;
		int code;
	} rows[] = {
#define ERROR(id, code, retryable, meaning) {code, OPTIMAX_##id},
#include "common/errors.def"
#undef ERROR
	    {"of_a_newer_daemon", OPTIMAX_OTHER_CODE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene = scene_open();
		struct optimax_reply *reply = NULL;
		scene_answers_error(&scene, 0, rows[i].name);
		/* The answer waits in the socket until the question reads it. */
		assert_int_equal(optimax_ask(scene.client, "?", NULL, &reply), rows[i].code);
		assert_null(reply);
		assert_string_equal(optimax_error(scene.client)->name, rows[i].name);
		assert_string_equal(optimax_error(scene.client)->message, "because");
		assert_string_equal(optimax_error(scene.client)->detail, "");
		assert_true(optimax_error(scene.client)->retryable);
		assert_int_equal(optimax_error(scene.client)->retry_after_ms, 250);
		scene_close(&scene);
	}
}

static void test_error_of_no_request(void **state)
{
	struct scene scene = scene_open();
	struct optimax_reply *reply;

	(void)state;
	scene_sends(&scene, "ask");
	scene_answers_error(&scene, -1, "too_large");
	assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), OPTIMAX_TOO_LARGE);
	assert_int_equal(optimax_fd(scene.client), -1);
	scene_close(&scene);
}

/* Bytes that no daemon sends. */
static void test_garbage(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t size;
		int result;
	} rows[] = {
	    {"HTTP", "HTTP/1.1 400", 12, -EBADMSG},
	    {"reserved byte", "\xc1", 1, -EBADMSG},
	    {"extension", "\x94\x01\x00\xc0\xd4\x01\x01", 7, -EBADMSG},
	    {"integer", "\x07", 1, -EBADMSG},
	    {"empty array", "\x90", 1, -EBADMSG},
	    {"empty map", "\x80", 1, -EBADMSG},
	    {"request", "\x94\x00\x00\xa1x\x90", 6, -EBADMSG},
	    {"short response", "\x93\x01\x00\xc0", 4, -EBADMSG},
	    {"msgid a text", "\x94\x01\xa1x\xc0\x80", 6, -EBADMSG},
	    {"msgid negative", "\x94\x01\xff\xc0\x80", 5, -EBADMSG},
	    {"msgid of 33 bits", "\x94\x01\xcf\0\0\0\x01\0\0\0\0\xc0\x80", 13, -EBADMSG},
	    {"no msgid, no error", "\x94\x01\xc0\xc0\x80", 5, -EBADMSG},
	    {"error a text", "\x94\x01\x00\xa1x\xc0", 6, -EBADMSG},
	    {"error without code", "\x94\x01\x00\x80\xc0", 5, -EBADMSG},
	    {"other notification", "\x93\x02\xa1x\x90", 5, -EBADMSG},
	    {"short delta",
	        "\x93\x02\xa5"
	        "delta"
	        "\x91\x00",
	        10, -EBADMSG},
	    {"deep", "\x94\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", 17,
	        -EBADMSG},
	    {"array bomb", "\x94\x01\x00\xc0\xdd\xff\xff\xff\xff", 9, -EMSGSIZE},
	    {"map bomb", "\x94\x01\x00\xc0\xdf\xff\xff\xff\xff", 9, -EMSGSIZE},
	    {"text bomb", "\x94\x01\x00\xc0\xdb\xff\xff\xff\xff", 9, -EMSGSIZE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene = scene_open();
		struct optimax_reply *reply = NULL;
		int r;
		scene_sends(&scene, "ask");
		scene_says(&scene, rows[i].bytes, rows[i].size);
		r = optimax_receive(scene.client, 0, &reply);
		if (r != rows[i].result)
			fail_msg("%s: %d, not %d", rows[i].name, r, rows[i].result);
		assert_int_equal(optimax_fd(scene.client), -1);
		assert_string_equal(optimax_error(scene.client)->name, "bad_reply");
		scene_close(&scene);
	}
}

/* Mutations of a good answer: any result will do but a crash or a wait. */
static void test_mutations(void **state)
{
	struct message message;
	unsigned seed = 1;

	(void)state;
	message_rows(&message, 0);
	for (unsigned round = 0; round < 3000; round++) {
		struct scene scene = scene_open();
		struct optimax_reply *reply = NULL;
		char bytes[256];
		memcpy(bytes, message.bytes.data, message.bytes.size);
		for (int i = 0; i < 3; i++)
			bytes[(unsigned)rand_r(&seed) % message.bytes.size] = (char)rand_r(&seed);
		scene_sends(&scene, "ask");
		scene_says(&scene, bytes, message.bytes.size);
		shutdown(scene.daemon, SHUT_WR);
		while (optimax_receive(scene.client, WAIT_MS, &reply) == 0) {
			for (size_t row = 0; row < optimax_rows(reply); row++)
				(void)optimax_cell_text(reply, row, 0);
			optimax_reply_free(reply);
		}
		scene_close(&scene);
	}
	msgpack_sbuffer_destroy(&message.bytes);
}

/* ---- requests ---- */

static void test_request_bytes(void **state)
{
	static const char want[] = "\x94\x00\xce\x00\x00\x00\x00\xa3"
	                           "ask"
	                           "\x91\x83"
	                           "\xa8"
	                           "question"
	                           "\xa2"
	                           "hi"
	                           "\xa5"
	                           "limit"
	                           "\x05"
	                           "\xa8"
	                           "no_cache"
	                           "\xc3";
	static const struct optimax_options options = {.limit = 5, .no_cache = true};
	struct scene scene = scene_open();
	struct optimax_reply *reply;
	unsigned char got[256];
	ssize_t size;

	(void)state;
	scene_answers_rows(&scene, 0);
	assert_int_equal(optimax_ask(scene.client, "hi", &options, &reply), 0);
	assert_rows(reply);
	optimax_reply_free(reply);
	size = recv(scene.daemon, got, sizeof(got), 0);
	assert_true(size > 10); /* the msgid may be shorter than a uint32 */
	assert_memory_equal(got + size - (sizeof(want) - 8), want + 7, sizeof(want) - 8);
	assert_int_equal(optimax_cancel(scene.client, 0), 0);
	assert_int_equal(recv(scene.daemon, got, sizeof(got), 0), 15);
	assert_memory_equal(got,
	    "\x93\x02\xa6"
	    "cancel"
	    "\x91\xce\0\0\0\0",
	    15);
	scene_close(&scene);
}

static void test_limits_of_requests(void **state)
{
	struct scene scene = scene_open();
	struct optimax_reply *reply = NULL;
	char *large = calloc(1, LIMIT_CLIENT_MESSAGE_BYTES + 1);
	uint32_t msgid;

	(void)state;
	memset(large, 'x', LIMIT_CLIENT_MESSAGE_BYTES);
	assert_int_equal(optimax_ask(scene.client, large, NULL, &reply), OPTIMAX_TOO_LARGE);
	free(large);
	for (int i = 0; i < LIMIT_CLIENT_REQUESTS; i++) {
		char sent[64];
		assert_int_equal(optimax_send(scene.client, "ping", NULL, &msgid), 0);
		assert_true(recv(scene.daemon, sent, sizeof(sent), 0) > 0);
	}
	assert_int_equal(optimax_send(scene.client, "ping", NULL, &msgid), OPTIMAX_OVERLOADED);
	scene_answers_rows(&scene, 17);
	assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), 0);
	optimax_reply_free(reply);
	assert_int_equal(optimax_send(scene.client, "ping", NULL, &msgid), 0);
	scene_close(&scene);
}

static void test_a_late_answer_is_dropped(void **state)
{
	struct scene scene = scene_open();
	struct optimax_reply *reply = NULL;
	uint32_t msgid;

	(void)state;
	assert_int_equal(optimax_call(scene.client, "ask", NULL, 1, &reply), -ETIMEDOUT);
	assert_string_equal(optimax_error(scene.client)->name, "no_answer");
	scene_answers_rows(&scene, 0);
	msgid = scene_sends(&scene, "ask");
	assert_int_not_equal(msgid, 0);
	scene_answers_rows(&scene, msgid);
	assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), 0);
	assert_int_equal(optimax_reply_msgid(reply), msgid);
	optimax_reply_free(reply);
	scene_close(&scene);
}

static void collect_delta(const msgpack_object *piece, void *argument)
{
	const msgpack_object *text = optimax_get(piece, "text");

	strcat(argument, text->via.str.ptr);
}

static void test_stream_leaves_the_rest_alone(void **state)
{
	struct scene scene = scene_open();
	struct optimax_reply *reply;
	char text[64] = "";
	const struct optimax_options options = {
	    .on_delta = collect_delta, .on_delta_argument = text};
	uint32_t other = scene_sends(&scene, "ask");

	(void)state;
	scene_says_delta(&scene, 1, 0, "one ");
	scene_answers_rows(&scene, other);
	scene_says_delta(&scene, 1, 1, "two");
	scene_answers_rows(&scene, 1);
	assert_int_equal(optimax_ask(scene.client, "?", &options, &reply), 0);
	assert_string_equal(text, "one two");
	optimax_reply_free(reply);
	assert_int_equal(optimax_wait(scene.client, other, 0, &reply), 0);
	assert_rows(reply);
	optimax_reply_free(reply);
	scene_close(&scene);
}

/* ---- no daemon ---- */

static void test_connect_fails(void **state)
{
	char folder[] = "/tmp/optimax-client-XXXXXX", path[sizeof(folder) + 8], long_path[200];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct optimax *client = optimax_new();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	assert_int_equal(optimax_connect(client, path), -ENOENT);
	assert_string_equal(optimax_error(client)->name, "no_daemon");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	setenv("OPTIMAX_SOCKET", path, 1);
	assert_int_equal(optimax_connect(client, NULL), -ECONNREFUSED);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(optimax_connect(client, NULL), 0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(optimax_connect(client, long_path), -ENAMETOOLONG);
	optimax_free(client);
	close(fd);
	unlink(path);
	rmdir(folder);
}

/* Does not read before its answers are taken. */
static void *echo_daemon(void *argument)
{
	static const char filler[4096];
	const struct scene *scene = argument;
	char byte[512];
	ssize_t size, bytes = 0;

	for (uint32_t msgid = 0; msgid < 64; msgid++) {
		struct message message;
		message_response(&message, msgid);
		msgpack_pack_bin_with_body(&message.packer, filler, sizeof(filler));
		scene_says(scene, message.bytes.data, message.bytes.size);
		msgpack_sbuffer_destroy(&message.bytes);
	}
	while ((size = recv(scene->daemon, byte, sizeof(byte), 0)) > 0)
		bytes += size;
	return (void *)bytes;
}

static void test_send_reads_while_it_cannot_write(void **state)
{
	struct scene scene = scene_open();
	msgpack_sbuffer params;
	msgpack_packer packer;
	static const char filler[60000];
	pthread_t thread;
	int small = 4096;
	uint32_t msgid;
	void *bytes;

	(void)state;
	setsockopt(scene.daemon, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(optimax_fd(scene.client), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_int_equal(pthread_create(&thread, NULL, echo_daemon, &scene), 0);
	msgpack_sbuffer_init(&params);
	msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
	msgpack_pack_bin_with_body(&packer, filler, sizeof(filler));
	for (int i = 0; i < 64; i++)
		assert_int_equal(optimax_send(scene.client, "ask", &params, &msgid), 0);
	for (int i = 0; i < 64; i++) {
		struct optimax_reply *reply;
		assert_int_equal(optimax_receive(scene.client, WAIT_MS, &reply), 0);
		optimax_reply_free(reply);
	}
	shutdown(optimax_fd(scene.client), SHUT_WR);
	pthread_join(thread, &bytes);
	assert_true((ssize_t)bytes > (ssize_t)(64 * sizeof(filler)));
	msgpack_sbuffer_destroy(&params);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies_out_of_order),
	    cmocka_unit_test(test_split_at_every_byte),
	    cmocka_unit_test(test_closed_at_every_byte),
	    cmocka_unit_test(test_every_code_is_known),
	    cmocka_unit_test(test_error_of_no_request),
	    cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_mutations),
	    cmocka_unit_test(test_request_bytes),
	    cmocka_unit_test(test_limits_of_requests),
	    cmocka_unit_test(test_a_late_answer_is_dropped),
	    cmocka_unit_test(test_stream_leaves_the_rest_alone),
	    cmocka_unit_test(test_connect_fails),
	    cmocka_unit_test(test_send_reads_while_it_cannot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
