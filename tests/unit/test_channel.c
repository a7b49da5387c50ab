#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/message.h"
#include "common/pack.h"

/* One channel under test; the other end is a plain socket. */
struct scene {
	struct event_base *base;
	struct channel *channel;
	int peer;
	unsigned messages;
	int fd; /* that came with a message */
	bool ended;
	enum channel_end why;
	bool answer, pause;
};

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct scene *scene = owner;
	CLEAN(buffer) struct buffer reply = BUFFER_INIT;

	scene->messages++;
	scene->fd = channel_take_fd(channel);
	if (scene->pause)
		channel_pause(channel);
	if (!scene->answer)
		return;
	message_pack_response_head(&reply, message->msgid);
	pack_map(&reply, 0);
	channel_send(channel, bytes_of_buffer(&reply));
}

static void on_ended(struct channel *channel, void *owner, enum channel_end why)
{
	struct scene *scene = owner;

	scene->ended = true;
	scene->why = why;
	channel_free(channel);
	scene->channel = NULL;
}

static const struct channel_ops ops = {.message = on_message, .ended = on_ended};

static void open_scene(struct scene *scene, enum channel_trust trust)
{
	struct channel_options options = {.trust = trust,
	    .message_limit = 1024,
	    .output_limit = 100000,
	    .passes_fds = true,
	    .peer = "peer"};
	int fds[2];

	*scene = (struct scene){.fd = -1, .answer = true};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	scene->base = event_base_new();
	scene->peer = fds[1];
	scene->channel = channel_new(scene->base, fds[0], &options, &ops, scene);
}

static void close_scene(struct scene *scene)
{
	channel_free(scene->channel);
	if (scene->peer >= 0)
		close(scene->peer);
	event_base_free(scene->base);
}

static void turn(struct scene *scene)
{
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

static void put_ping(struct buffer *message, uint32_t msgid)
{
	struct ping_params params = {0};

	message_pack_request(message, msgid, MESSAGE_ID_PING, &params);
}

static void test_every_cut_is_one_message(void **state)
{
	CLEAN(buffer) struct buffer ping = BUFFER_INIT;
	struct scene scene;
	char reply[64];

	(void)state;
	open_scene(&scene, CHANNEL_CLIENT);
	put_ping(&ping, 300);
	for (size_t cut = 1; cut < ping.size; cut++) {
		unsigned before = scene.messages;

		assert_int_equal(write(scene.peer, ping.data, cut), cut);
		turn(&scene);
		assert_int_equal(scene.messages, before);
		assert_int_equal(
		    write(scene.peer, ping.data + cut, ping.size - cut), ping.size - cut);
		turn(&scene);
		assert_int_equal(scene.messages, before + 1);
		assert_true(read(scene.peer, reply, sizeof(reply)) > 0);
	}
	close_scene(&scene);
}

static void test_pipelined(void **state)
{
	CLEAN(buffer) struct buffer pings = BUFFER_INIT;
	struct scene scene;
	char replies[4096];

	(void)state;
	open_scene(&scene, CHANNEL_CLIENT);
	for (uint32_t i = 0; i < 100; i++)
		put_ping(&pings, i);
	assert_int_equal(write(scene.peer, pings.data, pings.size), pings.size);
	turn(&scene);
	assert_int_equal(scene.messages, 100);
	/* All replies came in one write: five bytes each, up to msgid 127. */
	assert_int_equal(read(scene.peer, replies, sizeof(replies)), 500);
	close_scene(&scene);
}

static void test_pause_keeps_what_came(void **state)
{
	CLEAN(buffer) struct buffer pings = BUFFER_INIT;
	struct scene scene;

	(void)state;
	open_scene(&scene, CHANNEL_CLIENT);
	scene.pause = true;
	for (uint32_t i = 0; i < 3; i++)
		put_ping(&pings, i);
	assert_int_equal(write(scene.peer, pings.data, pings.size), pings.size);
	for (unsigned expected = 1; expected <= 3; expected++) {
		turn(&scene);
		turn(&scene);
		assert_int_equal(scene.messages, expected);
		channel_resume(scene.channel);
	}
	close_scene(&scene);
}

static const struct {
	const char *name;
	const char *bytes;
	size_t size;
	const char *code;
} garbage[] = {
    {"reserved byte", "\xc1\xc1\xc1", 3, "bad_request"},
    {"http", "GET / HTTP/1.1\r\n\r\n", 18, "bad_request"},
    {"an array of one", "\x91\x01", 2, "bad_request"},
    {"type 5", "\x94\x05\x01\xa1x\x90", 6, "bad_request"},
    {"msgid as text", "\x94\x00\xa1y\xa1x\x90", 7, "bad_request"},
    {"depth 9", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", 10, "bad_request"},
    {"length bomb", "\x94\x00\x07\xdb\xff\xff\xff\xff", 8, "too_large"},
};

static void test_garbage_is_answered_then_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct scene scene;
		char reply[512];
		ssize_t size;

		open_scene(&scene, CHANNEL_CLIENT);
		assert_int_equal(
		    write(scene.peer, garbage[i].bytes, garbage[i].size), garbage[i].size);
		turn(&scene);
		size = read(scene.peer, reply, sizeof(reply) - 1);
		if (size <= 0 ||
		    !memmem(reply, (size_t)size, garbage[i].code, strlen(garbage[i].code)))
			fail_msg("%s: no %s", garbage[i].name, garbage[i].code);
		/* Then the end, while what is still being sent goes nowhere and hurts nobody. */
		assert_int_equal(read(scene.peer, reply, sizeof(reply)), 0);
		assert_int_equal(write(scene.peer, "more", 4), 4);
		turn(&scene);
		assert_false(scene.ended);
		close(scene.peer);
		scene.peer = -1;
		turn(&scene);
		assert_true(scene.ended);
		assert_int_equal(scene.why, CHANNEL_BAD_MESSAGE);
		close_scene(&scene);
	}
}

static void test_sibling_garbage_is_reported(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, CHANNEL_SIBLING);
	assert_int_equal(write(scene.peer, "\xc1", 1), 1);
	turn(&scene);
	assert_true(scene.ended);
	assert_int_equal(scene.why, CHANNEL_BAD_MESSAGE);
	close_scene(&scene);
}

static void test_who_never_reads_is_dropped(void **state)
{
	char *large = must_zalloc(400000);
	struct scene scene;

	(void)state;
	open_scene(&scene, CHANNEL_CLIENT);
	/* The reply being written may be of any size; what waits behind it may not. */
	channel_send(scene.channel, bytes_of(large, 400000));
	turn(&scene);
	assert_false(scene.ended);
	for (int i = 0; i < 3; i++)
		channel_send(scene.channel, bytes_of(large, 50000));
	turn(&scene);
	assert_true(scene.ended);
	assert_int_equal(scene.why, CHANNEL_OVERFLOW);
	free(large);
	close_scene(&scene);
}

static void test_descriptors_travel_in_order(void **state)
{
	CLEAN(buffer) struct buffer ping = BUFFER_INIT;
	struct scene sender, receiver;
	int pipes[2], fds[2];
	struct channel_options options = {
	    .trust = CHANNEL_SIBLING, .message_limit = 1024, .passes_fds = true};

	(void)state;
	open_scene(&sender, CHANNEL_SIBLING);
	open_scene(&receiver, CHANNEL_SIBLING);
	receiver.answer = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	channel_free(sender.channel);
	channel_free(receiver.channel);
	sender.channel = channel_new(sender.base, fds[0], &options, &ops, &sender);
	receiver.channel = channel_new(receiver.base, fds[1], &options, &ops, &receiver);
	put_ping(&ping, 1);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 2; i++) {
		char byte = 0;

		channel_send_with_fd(sender.channel, bytes_of_buffer(&ping), pipes[1]);
		turn(&receiver);
		assert_true(receiver.fd >= 0);
		assert_int_equal(write(receiver.fd, "x", 1), 1);
		assert_int_equal(read(pipes[0], &byte, 1), 1);
		close(receiver.fd);
	}
	channel_send(sender.channel, bytes_of_buffer(&ping));
	turn(&receiver);
	assert_int_equal(receiver.messages, 3);
	assert_int_equal(receiver.fd, -1);
	close(pipes[0]);
	close(pipes[1]);
	close_scene(&sender);
	close_scene(&receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_cut_is_one_message),
	    cmocka_unit_test(test_pipelined),
	    cmocka_unit_test(test_pause_keeps_what_came),
	    cmocka_unit_test(test_garbage_is_answered_then_closed),
	    cmocka_unit_test(test_sibling_garbage_is_reported),
	    cmocka_unit_test(test_who_never_reads_is_dropped),
	    cmocka_unit_test(test_descriptors_travel_in_order),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
