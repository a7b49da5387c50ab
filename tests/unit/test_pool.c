#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/pack.h"
#include "daemon/permits.h"
#include "daemon/pool.h"
#include "shm/metrics.h"
#include "shm/segment.h"

enum { WORKERS = 3, WAITERS = 8, TOLD_JOINED = INT32_MAX };

/* Somebody who waits, and what came. */
struct asker {
	struct waiter waiter;
	unsigned answers;
	enum error_code code;
	bool joined;
	char result[64];
	unsigned parts;
	char text[64];
};

/* A pool whose workers are plain sockets in the test's hands. */
struct scene {
	struct event_base *base;
	struct metrics *metrics;
	char instance[32];
	struct pool *pool;
	int peers[WORKERS];
	bool permitted; /* whether the request that came last brought a permit */
	struct joined_params joined; /* what a worker was told last of who joined */
	struct asker askers[WAITERS];
};

static void on_done(struct waiter *waiter, const struct job_outcome *outcome)
{
	struct asker *asker = (struct asker *)(void *)waiter;

	asker->answers++;
	asker->joined = outcome->joined;
	asker->code = outcome->error ? outcome->error->code : ERROR_NONE;
	if (!outcome->error)
		snprintf(asker->result, sizeof(asker->result), "%.*s", (int)outcome->result.size,
		    outcome->result.data);
}

static void on_delta(struct waiter *waiter, struct bytes pairs)
{
	assert_true(bytes_equal(pairs, bytes_of_string("\x81\xa1r\x90")));
	((struct asker *)(void *)waiter)->parts++;
}

static bool on_text(struct waiter *waiter, struct bytes text, bool must)
{
	struct asker *asker = (struct asker *)(void *)waiter;
	size_t size = strlen(asker->text);

	(void)must;
	snprintf(asker->text + size, sizeof(asker->text) - size, "%.*s", (int)text.size, text.data);
	return true;
}

static void on_notified(void *owner, struct rpc_message *message)
{
	(void)owner;
	(void)message;
	fail();
}

static void turn(struct scene *scene)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

static void attach(struct scene *scene, unsigned index)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (scene->peers[index] >= 0)
		close(scene->peers[index]);
	scene->peers[index] = fds[1];
	pool_attach(scene->pool, index, fds[0]);
}

static void open_scene_with(struct scene *scene, unsigned workers, struct permits *permits)
{
	const struct segment_geometry geometry = {
	    .cache_size_bytes = 16 << 20, .max_value_bytes = 1 << 20};
	struct segment_outcome outcome;
	char message[256];
	struct pool_options options = {
	    .name = "test", .worker_capacity = 1, .permits = permits, .notified = on_notified};

	*scene = (struct scene){.peers = {-1, -1, -1}};
	snprintf(scene->instance, sizeof(scene->instance), "test-pool-%d", (int)getpid());
	assert_int_equal(
	    segment_prepare(scene->instance, &geometry, &outcome, message, sizeof(message)), 0);
	assert_int_equal(segment_attach_metrics(scene->instance, true, &scene->metrics), 0);
	segment_unlink(scene->instance);
	assert_int_equal(metrics_claim(scene->metrics, ROLE_ROUTER, "", 0), 0);
	scene->base = event_base_new();
	options.base = scene->base;
	options.metrics = scene->metrics;
	scene->pool = pool_new(&options);
	for (unsigned i = 0; i < workers; i++)
		attach(scene, i);
	for (unsigned i = 0; i < WAITERS; i++)
		scene->askers[i].waiter.done = on_done;
}

static void open_scene(struct scene *scene, unsigned workers)
{
	open_scene_with(scene, workers, NULL);
}

static void close_scene(struct scene *scene)
{
	pool_free(scene->pool);
	for (unsigned i = 0; i < WORKERS; i++)
		if (scene->peers[i] >= 0)
			close(scene->peers[i]);
	event_base_free(scene->base);
}

static int submit(struct scene *scene, unsigned asker, const char *key, int64_t time_ms)
{
	struct execute_params params = {.sql = bytes_of_string("SELECT 1"),
	    .schema_version = bytes_of_string("v"),
	    .key = bytes_of_string("k"),
	    .limit = 1,
	    .timeout_ms = 1};
	struct error error;

	return pool_submit(scene->pool, bytes_of_string(key), MESSAGE_ID_EXECUTE, &params,
	    &scene->askers[asker].waiter, clock_now_ms() + time_ms, &error);
}

/* A chat job, whose text the asker wants as it comes, or not. */
static int submit_chat(
    struct scene *scene, unsigned asker, const char *key, int64_t time_ms, bool streams)
{
	struct waiter *waiter = &scene->askers[asker].waiter;
	struct generate_params params;
	struct error error;

	message_init(&message_rows[MESSAGE_ID_GENERATE], &params);
	params.job = bytes_of_string("chat");
	params.question = bytes_of_string("hello");
	params.timeout_ms = 1;
	waiter->text = streams ? on_text : NULL;
	return pool_submit(scene->pool, bytes_of_string(key), MESSAGE_ID_GENERATE, &params, waiter,
	    clock_now_ms() + time_ms, &error);
}

/* What a worker was sent: its msgid, 0 where nothing; a cancel gives the negative msgid. */
static int64_t received(struct scene *scene, unsigned worker)
{
	char data[4096];
	struct rpc_message message;
	ssize_t size;
	uint32_t msgid;

	turn(scene);
	size = read(scene->peers[worker], data, sizeof(data));
	if (size <= 0)
		return 0;
	assert_true(rpc_parse(bytes_of(data, (size_t)size), &message));
	if (bytes_equal_string(message.method, "joined")) {
		struct error error;
		struct bytes map;

		assert_int_equal(message.size, size);
		assert_int_equal(rpc_params_map(message.params, &map, &error), 0);
		assert_int_equal(
		    message_unpack(&message_rows[MESSAGE_ID_JOINED], map, &scene->joined, &error),
		    0);
		return TOLD_JOINED;
	}
	if (message.type == RPC_NOTIFICATION) {
		assert_true(rpc_cancel_msgid(message.params, &msgid));
		return -(int64_t)msgid;
	}
	scene->permitted = memmem(data, (size_t)size, "permit", strlen("permit")) != NULL;
	return message.msgid;
}

static void answer(struct scene *scene, unsigned worker, int64_t msgid, enum error_code code)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct error error;

	if (code != ERROR_NONE) {
		error_set(&error, code, "no");
		error.retryable = code == ERROR_MODEL_ERROR;
		message_pack_error(&message, true, (uint32_t)msgid, &error);
	} else {
		message_pack_response_head(&message, (uint32_t)msgid);
		pack_string(&message, "fine");
	}
	assert_int_equal(write(scene->peers[worker], message.data, message.size), message.size);
	turn(scene);
}

static void send_part(struct scene *scene, unsigned worker, int64_t msgid)
{
	struct delta_params params = {.msgid = msgid, .pairs = bytes_of_string("\x81\xa1r\x90")};
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_notification(&message, MESSAGE_ID_DELTA, &params);
	assert_int_equal(write(scene->peers[worker], message.data, message.size), message.size);
	turn(scene);
}

static void send_text(struct scene *scene, unsigned worker, int64_t msgid, const char *text)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct delta_params params;

	message_init(&message_rows[MESSAGE_ID_DELTA], &params);
	params.msgid = msgid;
	params.text = bytes_of_string(text);
	message_pack_notification(&message, MESSAGE_ID_DELTA, &params);
	assert_int_equal(write(scene->peers[worker], message.data, message.size), message.size);
	turn(scene);
}

static void kill_worker(struct scene *scene, unsigned worker)
{
	close(scene->peers[worker]);
	scene->peers[worker] = -1;
	turn(scene);
}

static void test_one_flight_for_all_who_ask_the_same(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(submit(&scene, i, "same", 1000), 0);
	msgid = received(&scene, 0);
	assert_true(msgid > 0);
	assert_int_equal(received(&scene, 1), 0);
	answer(&scene, 0, msgid, ERROR_NONE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(scene.askers[i].answers, 1);
		assert_string_equal(scene.askers[i].result + 1, "fine");
		assert_int_equal(scene.askers[i].joined, i > 0);
	}
	close_scene(&scene);
}

static void test_no_key_is_never_shared(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, 2);
	assert_int_equal(submit(&scene, 0, "", 1000), 0);
	assert_int_equal(submit(&scene, 1, "", 1000), 0);
	assert_true(received(&scene, 0) > 0);
	assert_true(received(&scene, 1) > 0);
	close_scene(&scene);
	assert_int_equal(scene.askers[0].code, ERROR_SHUTTING_DOWN);
}

static void test_the_queue_has_a_limit(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 1);
	pool_set_queue_limit(scene.pool, 2);
	assert_int_equal(submit(&scene, 0, "a", 1000), 0);
	assert_int_equal(submit(&scene, 1, "b", 1000), 0);
	assert_int_equal(submit(&scene, 2, "c", 1000), 0);
	assert_int_equal(submit(&scene, 3, "d", 1000), ERROR_OVERLOADED);
	assert_int_equal(submit(&scene, 4, "b", 1000), 0); /* joins: it needs no room */
	assert_int_equal(pool_queued(scene.pool), 2);
	msgid = received(&scene, 0);
	answer(&scene, 0, msgid, ERROR_NONE);
	assert_int_equal(received(&scene, 0), msgid + 1);
	close_scene(&scene);
	assert_int_equal(scene.askers[3].answers, 0);
}

static void test_a_second_try_on_another_worker(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 2);
	assert_int_equal(submit(&scene, 0, "a", 1000), 0);
	assert_true(received(&scene, 0) > 0);
	assert_int_equal(submit(&scene, 1, "b", 1000), 0);
	msgid = received(&scene, 1);
	kill_worker(&scene, 0);
	attach(&scene, 0); /* free, but it waits for the other one */
	assert_int_equal(received(&scene, 0), 0);
	answer(&scene, 1, msgid, ERROR_NONE);
	msgid = received(&scene, 1);
	assert_true(msgid > 0);
	answer(&scene, 1, msgid, ERROR_NONE);
	assert_int_equal(scene.askers[0].answers, 1);
	assert_int_equal(scene.askers[0].code, ERROR_NONE);
	close_scene(&scene);
}

/* One whose session waits for a statement in the server, say, while the other's is free. */
static void test_who_found_no_database_comes_last(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 2);
	assert_int_equal(submit(&scene, 0, "a", 1000), 0);
	answer(&scene, 0, received(&scene, 0), ERROR_DATABASE_UNAVAILABLE);
	assert_int_equal(submit(&scene, 1, "b", 1000), 0);
	assert_int_equal(received(&scene, 0), 0);
	msgid = received(&scene, 1);
	assert_true(msgid > 0);
	/* It is asked where there is no other, and comes first again once it has answered. */
	assert_int_equal(submit(&scene, 2, "c", 1000), 0);
	answer(&scene, 0, received(&scene, 0), ERROR_NONE);
	answer(&scene, 1, msgid, ERROR_NONE);
	assert_int_equal(submit(&scene, 3, "d", 1000), 0);
	assert_true(received(&scene, 0) > 0);
	close_scene(&scene);
}

static void test_what_ends_two_workers_is_refused(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, 1);
	assert_int_equal(submit(&scene, 0, "deadly", 1000), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(received(&scene, 0) > 0);
		kill_worker(&scene, 0);
		attach(&scene, 0);
	}
	assert_int_equal(scene.askers[0].code, ERROR_WORKER_CRASHED);
	assert_int_equal(submit(&scene, 1, "deadly", 1000), ERROR_WORKER_CRASHED);
	assert_int_equal(submit(&scene, 2, "another", 1000), 0);
	assert_true(received(&scene, 0) > 0);
	close_scene(&scene);
}

static void test_the_last_one_to_leave_cancels(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 1);
	assert_int_equal(submit(&scene, 0, "a", 1000), 0);
	assert_int_equal(submit(&scene, 1, "a", 1000), 0);
	assert_int_equal(submit(&scene, 2, "b", 1000), 0);
	msgid = received(&scene, 0);
	pool_leave(&scene.askers[0].waiter);
	assert_int_equal(received(&scene, 0), 0);
	pool_leave(&scene.askers[1].waiter);
	assert_int_equal(received(&scene, 0), -msgid);
	/* It gets the next job only when it has answered the cancelled one. */
	answer(&scene, 0, msgid, ERROR_CANCELLED);
	assert_int_equal(received(&scene, 0), msgid + 1);
	assert_int_equal(scene.askers[0].answers + scene.askers[1].answers, 0);
	pool_leave(&scene.askers[2].waiter);
	kill_worker(&scene, 0);
	attach(&scene, 0);
	assert_int_equal(received(&scene, 0), 0); /* nobody waits: no second try */
	close_scene(&scene);
}

static void test_a_patient_waiter_gets_a_second_run(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 1);
	assert_int_equal(submit(&scene, 0, "a", 1), 0);
	assert_int_equal(submit(&scene, 1, "a", 60000), 0);
	msgid = received(&scene, 0);
	pool_leave(&scene.askers[0].waiter); /* its own deadline has passed */
	answer(&scene, 0, msgid, ERROR_TIMEOUT);
	assert_int_equal(scene.askers[1].answers, 0);
	answer(&scene, 0, received(&scene, 0), ERROR_NONE);
	assert_int_equal(scene.askers[1].code, ERROR_NONE);
	assert_int_equal(scene.askers[1].answers, 1);
	close_scene(&scene);
}

/* The worker's own limit was reached: it would be again, and the client waits twice as long. */
static void test_a_timeout_of_the_worker_is_no_reason_for_a_second_run(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, 1);
	assert_int_equal(submit(&scene, 0, "a", 60000), 0);
	answer(&scene, 0, received(&scene, 0), ERROR_TIMEOUT);
	assert_int_equal(scene.askers[0].code, ERROR_TIMEOUT);
	assert_int_equal(received(&scene, 0), 0);
	close_scene(&scene);
}

static void test_parts_go_to_one_waiter_in_a_flight_alone(void **state)
{
	struct scene scene;
	int64_t first, second;

	(void)state;
	open_scene(&scene, 2);
	scene.askers[0].waiter.delta = scene.askers[1].waiter.delta = on_delta;
	assert_int_equal(submit(&scene, 0, "same", 1000), 0);
	assert_int_equal(submit(&scene, 1, "same", 1000), 0);
	assert_int_equal(submit(&scene, 2, "same", 1000), 0);
	first = received(&scene, 0);
	second = received(&scene, 1);
	assert_true(first > 0 && second > 0);
	assert_int_equal(pool_queued(scene.pool), 1); /* who wants no parts does not join either */
	send_part(&scene, 0, first);
	send_part(&scene, 0, first);
	send_part(&scene, 0, second); /* of another worker's job */
	answer(&scene, 0, first, ERROR_NONE);
	assert_int_equal(scene.askers[0].parts, 2);
	assert_int_equal(scene.askers[0].answers, 1);
	assert_int_equal(scene.askers[1].parts, 0);
	close_scene(&scene);
}

static void test_what_was_sent_in_part_is_not_tried_again(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, 2);
	scene.askers[0].waiter.delta = scene.askers[1].waiter.delta = on_delta;
	assert_int_equal(submit(&scene, 0, "a", 1000), 0);
	send_part(&scene, 0, received(&scene, 0));
	kill_worker(&scene, 0);
	assert_int_equal(scene.askers[0].code, ERROR_WORKER_CRASHED);
	/* Once is no reason to refuse it; and before the first part it is tried again. */
	assert_int_equal(submit(&scene, 1, "a", 1000), 0);
	assert_true(received(&scene, 1) > 0);
	attach(&scene, 0);
	kill_worker(&scene, 1);
	assert_true(received(&scene, 0) > 0);
	assert_int_equal(scene.askers[1].answers, 0);
	close_scene(&scene);
}

static void test_who_streams_joins_and_is_joined(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 1);
	assert_int_equal(submit_chat(&scene, 0, "same", 20000, false), 0);
	msgid = received(&scene, 0);
	assert_int_equal(submit_chat(&scene, 1, "same", 1000, false), 0);
	assert_int_equal(received(&scene, 0), 0); /* nothing new for the worker */
	assert_int_equal(submit_chat(&scene, 2, "same", 1000, true), 0);
	assert_int_equal(received(&scene, 0), TOLD_JOINED);
	assert_int_equal(scene.joined.msgid, msgid);
	assert_true(scene.joined.stream && scene.joined.timeout_ms > 15000);
	send_text(&scene, 0, msgid, "Good ");
	/* More time is asked for once, not by each of many. */
	assert_int_equal(submit_chat(&scene, 3, "same", 60000, true), 0);
	assert_int_equal(received(&scene, 0), TOLD_JOINED);
	assert_true(!scene.joined.stream && scene.joined.timeout_ms > 60000);
	assert_int_equal(submit_chat(&scene, 4, "same", 60100, true), 0);
	assert_int_equal(received(&scene, 0), 0);
	pool_leave(&scene.askers[0].waiter);
	pool_leave(&scene.askers[2].waiter);
	send_text(&scene, 0, msgid, "day");
	answer(&scene, 0, msgid, ERROR_NONE);
	assert_string_equal(scene.askers[2].text, "Good ");
	for (unsigned i = 3; i < 5; i++) {
		assert_string_equal(scene.askers[i].text, "Good day");
		assert_int_equal(scene.askers[i].answers, 1);
		assert_true(scene.askers[i].joined);
	}
	assert_int_equal(scene.askers[1].answers, 1);
	close_scene(&scene);
}

static void test_those_who_saw_nothing_get_a_second_try(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 1);
	assert_int_equal(submit_chat(&scene, 0, "same", 60000, true), 0);
	assert_int_equal(submit_chat(&scene, 1, "same", 50000, false), 0);
	msgid = received(&scene, 0);
	send_text(&scene, 0, msgid, "Good ");
	kill_worker(&scene, 0);
	assert_int_equal(scene.askers[0].code, ERROR_WORKER_CRASHED);
	assert_int_equal(scene.askers[1].answers, 0);
	attach(&scene, 0);
	msgid = received(&scene, 0);
	assert_int_equal(submit_chat(&scene, 2, "same", 40000, true), 0);
	assert_int_equal(received(&scene, 0), TOLD_JOINED);
	assert_true(scene.joined.stream); /* the second run was not asked to */
	send_text(&scene, 0, msgid, "Hel");
	/* The provider breaks off: again only for the one who has seen nothing. */
	answer(&scene, 0, msgid, ERROR_MODEL_ERROR);
	assert_int_equal(scene.askers[2].code, ERROR_MODEL_ERROR);
	assert_int_equal(scene.askers[1].answers, 0);
	answer(&scene, 0, received(&scene, 0), ERROR_NONE);
	assert_int_equal(scene.askers[1].code, ERROR_NONE);
	assert_int_equal(scene.askers[1].answers, 1);
	/* All who wait saw a part: nobody is left for another run. */
	assert_int_equal(submit_chat(&scene, 3, "same", 60000, true), 0);
	msgid = received(&scene, 0);
	send_text(&scene, 0, msgid, "Hel");
	answer(&scene, 0, msgid, ERROR_MODEL_ERROR);
	assert_int_equal(scene.askers[3].answers, 1);
	assert_int_equal(received(&scene, 0), 0);
	close_scene(&scene);
}

/* A worker asks for a permit for that job. */
static void ask_permit(struct scene *scene, unsigned worker, uint32_t permit_msgid, int64_t msgid,
    const char *provider)
{
	struct permit_params params = {.msgid = msgid, .provider = bytes_of_string(provider)};
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_request(&message, permit_msgid, MESSAGE_ID_PERMIT, &params);
	assert_int_equal(write(scene->peers[worker], message.data, message.size), message.size);
	turn(scene);
}

static void test_permits_go_with_their_jobs(void **state)
{
	struct child_provider model = {
	    .name = must_strdup("m"), .type = must_strdup("openai"), .concurrency = 1, .queue = 8};
	struct child_config config = {.provider_count = 1, .providers = &model};
	struct permits *permits = permits_new();
	struct metrics_sum sum;
	struct scene scene;
	int64_t first, second, third;

	(void)state;
	permits_configure(permits, &config);
	open_scene_with(&scene, 3, permits);
	assert_int_equal(submit_chat(&scene, 0, "a", 60000, false), 0);
	first = received(&scene, 0);
	assert_true(scene.permitted);
	assert_int_equal(submit_chat(&scene, 1, "b", 60000, false), 0);
	second = received(&scene, 1);
	assert_false(scene.permitted);
	assert_int_equal(submit_chat(&scene, 2, "c", 60000, false), 0);
	third = received(&scene, 2);
	ask_permit(&scene, 1, 77, second, "m");
	ask_permit(&scene, 2, 78, third, "m");
	assert_int_equal(received(&scene, 1), 0);
	/* The response gives it back, to who waits longest. */
	answer(&scene, 0, first, ERROR_NONE);
	assert_int_equal(received(&scene, 1), 77);
	assert_int_equal(received(&scene, 2), 0);
	/* So does its worker's death; the job waits anew, as one that has none. */
	kill_worker(&scene, 1);
	assert_int_equal(received(&scene, 2), 78);
	second = received(&scene, 0);
	assert_true(second > third);
	assert_false(scene.permitted);
	/* Of a job that has ended: nobody waits for it. */
	ask_permit(&scene, 0, 79, first, "m");
	answer(&scene, 2, third, ERROR_NONE);
	assert_int_equal(received(&scene, 0), 0);
	ask_permit(&scene, 0, 80, second, "m");
	assert_int_equal(received(&scene, 0), 80);
	answer(&scene, 0, second, ERROR_NONE);
	assert_int_equal(submit_chat(&scene, 3, "d", 60000, false), 0);
	first = received(&scene, 0);
	assert_true(scene.permitted);
	/* Too many wait at all providers: the client is told, and it is counted. */
	answer(&scene, 0, first, ERROR_OVERLOADED);
	assert_int_equal(scene.askers[3].code, ERROR_OVERLOADED);
	metrics_read(scene.metrics, &sum);
	assert_int_equal(sum.counters[METRIC_OVERLOADS], 1);
	close_scene(&scene);
	permits_free(permits);
	free(model.name);
	free(model.type);
}

static void test_a_worker_that_is_held_is_not_read(void **state)
{
	struct scene scene;
	int64_t msgid;

	(void)state;
	open_scene(&scene, 1);
	scene.askers[0].waiter.delta = on_delta;
	assert_int_equal(submit(&scene, 0, "a", 1000), 0);
	msgid = received(&scene, 0);
	send_part(&scene, 0, msgid);
	pool_hold(&scene.askers[0].waiter);
	pool_hold(&scene.askers[0].waiter);
	send_part(&scene, 0, msgid);
	assert_int_equal(scene.askers[0].parts, 1);
	pool_go_on(&scene.askers[0].waiter);
	turn(&scene);
	assert_int_equal(scene.askers[0].parts, 2);
	/* Who leaves holds nobody any more. */
	pool_hold(&scene.askers[0].waiter);
	pool_leave(&scene.askers[0].waiter);
	answer(&scene, 0, msgid, ERROR_CANCELLED);
	assert_int_equal(pool_in_flight(scene.pool, 0), 0);
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_flight_for_all_who_ask_the_same),
	    cmocka_unit_test(test_no_key_is_never_shared),
	    cmocka_unit_test(test_the_queue_has_a_limit),
	    cmocka_unit_test(test_a_second_try_on_another_worker),
	    cmocka_unit_test(test_who_found_no_database_comes_last),
	    cmocka_unit_test(test_what_ends_two_workers_is_refused),
	    cmocka_unit_test(test_the_last_one_to_leave_cancels),
	    cmocka_unit_test(test_a_patient_waiter_gets_a_second_run),
	    cmocka_unit_test(test_a_timeout_of_the_worker_is_no_reason_for_a_second_run),
	    cmocka_unit_test(test_parts_go_to_one_waiter_in_a_flight_alone),
	    cmocka_unit_test(test_what_was_sent_in_part_is_not_tried_again),
	    cmocka_unit_test(test_who_streams_joins_and_is_joined),
	    cmocka_unit_test(test_those_who_saw_nothing_get_a_second_try),
	    cmocka_unit_test(test_permits_go_with_their_jobs),
	    cmocka_unit_test(test_a_worker_that_is_held_is_not_read),
	};

	clock_init();
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
