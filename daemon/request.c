#include "daemon/request.h"

#include <event2/event.h>
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "daemon/methods.h"
#include "daemon/router.h"
#include "shm/metrics.h"

void request_init(struct request *request, const struct call *call)
{
	*request = (struct request){
	    .router = client_router(call->client),
	    .client = call->client,
	    .msgid = call->msgid,
	    .arrived_us = call->arrived_us,
	    .max_age_ms = -1,
	    .confidence = (double)NAN,
	};
	for (int i = 0; i < TIME_COUNT; i++)
		request->time_us[i] = -1;
}

void request_free(struct request *request)
{
	buffer_deinit(&request->storage);
	buffer_deinit(&request->sql);
	buffer_deinit(&request->provider);
	buffer_deinit(&request->completion_key);
	buffer_deinit(&request->attempts.reasons);
	free(request->refusal);
	if (!request->kept)
		return;
	pool_leave(&request->waiter);
	event_free(request->deadline);
	free(request);
}

static struct request *of_pending(struct pending *pending)
{
	return (struct request *)(void *)((char *)pending - offsetof(struct request, pending));
}

static struct request *of_waiter(struct waiter *waiter)
{
	return (struct request *)(void *)((char *)waiter - offsetof(struct request, waiter));
}

static void abandon(struct pending *pending)
{
	request_free(of_pending(pending));
}

static void deadline_reached(evutil_socket_t fd, short what, void *argument)
{
	struct request *request = argument;
	struct error error;

	(void)fd;
	(void)what;
	error_set(&error, ERROR_TIMEOUT, "the request did not end within %lld ms",
	    (long long)(request->deadline_ms - request->arrived_us / 1000));
	request_fail(request, &error);
}

/* Copies a view into storage; the pointers are set when all have been copied. */
static size_t keep_bytes(struct buffer *storage, struct bytes bytes)
{
	size_t at = storage->size;

	buffer_append_bytes(storage, bytes);
	return at;
}

static void keep_views(struct request *request)
{
	size_t asked = keep_bytes(&request->storage, request->asked);
	size_t question = keep_bytes(&request->storage, request->question);
	size_t history = keep_bytes(&request->storage, request->history);

	buffer_reserve(&request->storage, 1);
	if (request->asked.data)
		request->asked.data = request->storage.data + asked;
	if (request->question.data)
		request->question.data = request->storage.data + question;
	if (request->history.data)
		request->history.data = request->storage.data + history;
}

static void start_deadline(struct request *request)
{
	int64_t left_ms = request->deadline_ms - clock_now_ms();
	struct timeval left;

	if (left_ms < 0)
		left_ms = 0;
	left = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = (left_ms % 1000) * 1000};
	request->deadline =
	    event_new(request->router->child->base, -1, EV_TIMEOUT, deadline_reached, request);
	event_add(request->deadline, &left);
}

struct request *request_keep(struct request *request)
{
	struct request *kept;

	if (request->kept)
		return request;
	kept = must_alloc(sizeof(*kept));
	*kept = *request;
	request->storage = request->sql = request->provider = BUFFER_INIT;
	request->completion_key = request->attempts.reasons = BUFFER_INIT;
	kept->kept = true;
	kept->pending.abandon = abandon;
	keep_views(kept);
	start_deadline(kept);
	client_pend(kept->client, kept->msgid, &kept->pending);
	return kept;
}

static void job_failed(struct request *request, const struct error *error)
{
	if (request->failed)
		request->failed(request, error);
	else
		request_fail(request, error);
}

static void job_done(struct waiter *waiter, const struct job_outcome *outcome)
{
	struct request *request = of_waiter(waiter);

	if (outcome->error)
		job_failed(request, outcome->error);
	else
		request->done(request, outcome);
}

static void part_came(struct waiter *waiter, struct bytes pairs)
{
	struct request *request = of_waiter(waiter);
	struct buffer message = BUFFER_INIT;

	reply_pack_delta(&message, request->msgid, request->sequence++, pairs);
	client_answer(request->client, &message);
	if (client_is_behind(request->client))
		pool_hold(waiter);
}

/* The flight keeps the text and holds nobody up for a slow reader, who gets it when it has taken
 * what came before; at the end it has to be sent the rest. */
static bool text_came(struct waiter *waiter, struct bytes text, bool must)
{
	struct request *request = of_waiter(waiter);
	struct buffer message = BUFFER_INIT;

	if (!must && client_is_behind(request->client))
		return false;
	reply_pack_text_delta(&message, request->msgid, request->sequence++, text);
	client_answer(request->client, &message);
	return true;
}

static void go_on(struct pending *pending)
{
	pool_go_on(&of_pending(pending)->waiter);
}

static void submit(struct request *request, struct pool *pool, struct bytes key, enum message_id id,
    const void *params, void (*done)(struct request *request, const struct job_outcome *outcome))
{
	struct error error;

	request->done = done;
	request->waiter.done = job_done;
	request->pending.drained = go_on;
	if (pool_submit(pool, request->no_cache ? BYTES_NONE : key, id, params, &request->waiter,
	        request->deadline_ms, &error) != 0)
		job_failed(request, &error);
}

void request_submit(struct request *request, struct pool *pool, struct bytes key,
    enum message_id id, const void *params,
    void (*done)(struct request *request, const struct job_outcome *outcome))
{
	request->waiter.delta = NULL;
	request->waiter.text = NULL;
	submit(request, pool, key, id, params, done);
}

void request_submit_parts(struct request *request, struct pool *pool, struct bytes key,
    enum message_id id, const void *params,
    void (*done)(struct request *request, const struct job_outcome *outcome))
{
	request->waiter.delta = part_came;
	request->waiter.text = NULL;
	submit(request, pool, key, id, params, done);
}

void request_submit_text(struct request *request, struct pool *pool, struct bytes key,
    enum message_id id, const void *params,
    void (*done)(struct request *request, const struct job_outcome *outcome))
{
	request->waiter.delta = NULL;
	request->waiter.text = text_came;
	submit(request, pool, key, id, params, done);
}

static void unpend(struct request *request)
{
	if (request->kept)
		client_unpend(&request->pending);
}

void request_answer_message(struct request *request, struct buffer *message)
{
	unpend(request);
	client_answer(request->client, message);
	request_free(request);
}

void request_answer(struct request *request, const struct reply *reply)
{
	struct buffer message = BUFFER_INIT;

	metrics_observe(request->router->metrics, METRIC_RESPONSE,
	    (uint64_t)(clock_now_us() - request->arrived_us));
	reply_pack(reply, &message);
	request_answer_message(request, &message);
}

void request_fail(struct request *request, const struct error *error)
{
	struct buffer message = BUFFER_INIT;

	if (request->explain && request->attempts.count > 0) {
		metrics_add(request->router->metrics, METRIC_REQUEST_ERRORS, 1);
		reply_pack_error(&message, request->msgid, error, &request->attempts);
		request_answer_message(request, &message);
		return;
	}
	unpend(request);
	client_answer_error(request->client, request->msgid, error);
	request_free(request);
}

void request_hand_over(struct request *request)
{
	unpend(request);
	request_free(request);
}

void request_spent(struct request *request, enum reply_time which, int64_t *since_us)
{
	int64_t now_us = clock_now_us(), before = request->time_us[which];

	request->time_us[which] = (before > 0 ? before : 0) + now_us - *since_us;
	*since_us = now_us;
}
