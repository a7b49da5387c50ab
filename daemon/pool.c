#include "daemon/pool.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/job.h"
#include "shm/metrics.h"

enum { ATTEMPTS_MAX = 2, RETRY_AFTER_MS = 100 };

struct pool *pool_new(const struct pool_options *options)
{
	struct pool *pool = must_zalloc(sizeof(*pool));

	pool->options = *options;
	pool->queue_limit = 64;
	pool->size = UINT32_MAX;
	TAILQ_INIT(&pool->queue);
	return pool;
}

void pool_set_queue_limit(struct pool *pool, size_t limit)
{
	pool->queue_limit = limit;
}

/* ---- jobs ---- */

static void job_hold(struct job *job, bool hold)
{
	if (job->held == hold || job->state != JOB_SENT)
		return;
	job->held = hold;
	job->worker->held_jobs += hold ? 1 : -1;
	if (!job->worker->channel)
		return;
	if (job->worker->held_jobs > 0)
		channel_pause(job->worker->channel);
	else
		channel_resume(job->worker->channel);
}

/* Out of the queue or its worker's list. */
static void job_unlink(struct job *job)
{
	job_hold(job, false);
	if (job->state == JOB_QUEUED) {
		TAILQ_REMOVE(&job->pool->queue, job, link);
		job->pool->queued--;
	} else {
		TAILQ_REMOVE(&job->worker->jobs, job, link);
		LIST_REMOVE(job, same_msgid);
		job->worker->job_count--;
		job->worker = NULL;
		permits_drop(&job->permit);
	}
}

static void job_enqueue(struct job *job, bool first)
{
	job->state = JOB_QUEUED;
	job->pool->queued++;
	if (first)
		TAILQ_INSERT_HEAD(&job->pool->queue, job, link);
	else
		TAILQ_INSERT_TAIL(&job->pool->queue, job, link);
}

static void job_finish(struct job *job, const struct error *error, struct bytes result)
{
	flight_finish(&job->flight, error, result);
	job_free(job);
}

static void job_send(struct job *job, struct pool_worker *worker)
{
	job->state = JOB_SENT;
	job->worker = worker;
	job->msgid = ++job->pool->last_msgid;
	TAILQ_INSERT_TAIL(&worker->jobs, job, link);
	LIST_INSERT_HEAD(&worker->by_msgid[job->msgid % JOB_BUCKETS], job, same_msgid);
	worker->job_count++;
	job_request(job);
}

static bool is_better(const struct pool_worker *worker, const struct pool_worker *than)
{
	if (worker->away != than->away)
		return !worker->away;
	return worker->job_count < than->job_count;
}

/* The worker with the least to do that takes one more, but not `avoided`; NULL: none. */
static struct pool_worker *free_worker(const struct pool *pool, const struct pool_worker *avoided)
{
	struct pool_worker *best = NULL;

	for (unsigned i = 0; i < pool->worker_count && i < pool->size; i++) {
		struct pool_worker *worker = pool->workers[i];

		if (worker->channel && worker != avoided &&
		    worker->job_count < pool->options.worker_capacity &&
		    (!best || is_better(worker, best)))
			best = worker;
	}
	return best;
}

static bool has_another(const struct pool *pool, const struct pool_worker *avoided)
{
	for (unsigned i = 0; i < pool->worker_count && i < pool->size; i++)
		if (pool->workers[i]->channel && pool->workers[i] != avoided)
			return true;
	return false;
}

/* A second try waits for another worker, where there is one. */
static struct pool_worker *worker_for(const struct pool *pool, const struct job *job)
{
	bool avoids = job->avoided && has_another(pool, job->avoided);

	return free_worker(pool, avoids ? job->avoided : NULL);
}

static void dispatch(struct pool *pool)
{
	struct job *job, *next;

	for (job = TAILQ_FIRST(&pool->queue); job && !pool->closing; job = next) {
		struct pool_worker *worker = worker_for(pool, job);

		next = TAILQ_NEXT(job, link);
		if (worker) {
			job_unlink(job);
			job_send(job, worker);
		} else if (!free_worker(pool, NULL)) {
			return;
		}
	}
}

/* ---- workers ---- */

static int crashed_error(const struct pool *pool, struct error *error)
{
	return error_set(error, ERROR_WORKER_CRASHED,
	    "this request ended two %s workers; it is refused for %d s", pool->options.name,
	    REFUSED_KEY_MS / 1000);
}

static struct job *find_sent(struct pool_worker *worker, uint32_t msgid)
{
	struct job *job;

	LIST_FOREACH(job, &worker->by_msgid[msgid % JOB_BUCKETS], same_msgid)
	if (job->msgid == msgid)
		return job;
	return NULL;
}

/* A late joiner may have more time than the job was sent with: then it runs again for it. A
 * timeout that came before that time was over is the worker's own limit, and would come again. */
static bool has_more_time(const struct job *job, const struct error *error)
{
	const int64_t slack_ms = 10;

	return error->code == ERROR_TIMEOUT && clock_now_ms() + slack_ms >= job->sent_deadline_ms &&
	       flight_latest_deadline(&job->flight) > job->sent_deadline_ms + slack_ms;
}

/* Whether it goes on for some of those who wait; the others have been told. */
static bool run_again(struct job *job, const struct error *error)
{
	bool told = flight_fail_begun(&job->flight, error);

	if (LIST_EMPTY(&job->flight.waiters) || job->attempts >= ATTEMPTS_MAX)
		return false;
	/* Alone, those who saw nothing of it would have been answered by the next provider. */
	if (!(told ? error->retryable : has_more_time(job, error)))
		return false;
	job->attempts++;
	return true;
}

static void take_response(struct pool_worker *worker, const struct rpc_message *message)
{
	struct pool *pool = worker->pool;
	struct job *job = find_sent(worker, message->msgid);
	struct error error = ERROR_INIT;
	bool failed = message->error.data != NULL;

	if (!job)
		return;
	job_unlink(job);
	if (failed && message_unpack_error(message->error, &error) != 0)
		error_set(&error, ERROR_INTERNAL, "a %s worker sent an error that can't be read",
		    pool->options.name);
	worker->away = failed && error.code == ERROR_DATABASE_UNAVAILABLE;
	if (failed && error.code == ERROR_OVERLOADED)
		metrics_add(pool->options.metrics, METRIC_OVERLOADS, 1);
	if (failed && run_again(job, &error))
		job_enqueue(job, true);
	else
		job_finish(job, failed ? &error : NULL, failed ? BYTES_NONE : message->result);
	dispatch(pool);
}

static void take_delta(struct pool_worker *worker, const struct rpc_message *message)
{
	struct delta_params params;
	struct error error;
	struct bytes map;
	struct job *job;

	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_DELTA], map, &params, &error) != 0) {
		log_error("a %s worker sent a part of an answer that can't be read: %s",
		    worker->pool->options.name, error.message);
		return;
	}
	job = find_sent(worker, (uint32_t)params.msgid);
	if (job && params.text.data)
		flight_take_text(&job->flight, params.text);
	else if (job && params.pairs.data)
		flight_pass(&job->flight, params.pairs);
}

/* The one request of workers: for a permit. A job that has ended since, or that nobody waits for
 * any more, needs none. */
static void take_request(struct pool_worker *worker, const struct rpc_message *message)
{
	struct permit_params params;
	struct error error;
	struct bytes map;
	struct job *job;

	if (!worker->pool->options.permits || !bytes_equal_string(message->method, "permit") ||
	    rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_PERMIT], map, &params, &error) != 0) {
		log_error(
		    "a %s worker sent a request that is none of its", worker->pool->options.name);
		return;
	}
	job = find_sent(worker, (uint32_t)params.msgid);
	if (!job || job->id != MESSAGE_ID_GENERATE || !flight_is_awaited(&job->flight))
		return;
	job_ask_permit(job, message->msgid, params.provider);
}

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct pool_worker *worker = owner;

	(void)channel;
	if (message->type == RPC_RESPONSE && message->has_msgid)
		take_response(worker, message);
	else if (message->type == RPC_REQUEST)
		take_request(worker, message);
	else if (message->type == RPC_NOTIFICATION &&
	         bytes_equal_string(message->method, message_rows[MESSAGE_ID_DELTA].method))
		take_delta(worker, message);
	else if (message->type == RPC_NOTIFICATION)
		worker->pool->options.notified(worker->pool->options.owner, message);
}

/* Those who were sent a part of the answer are told. */
static void tell_begun(struct job *job)
{
	struct error error;

	error_set(&error, ERROR_WORKER_CRASHED,
	    "the %s worker died after a part of the answer had been sent; ask again",
	    job->pool->options.name);
	error.retryable = true;
	flight_fail_begun(&job->flight, &error);
}

/* Whether the job runs once more; the error says why not. */
static bool try_again(struct job *job, struct error *ret_error)
{
	tell_begun(job);
	crashed_error(job->pool, ret_error);
	if (LIST_EMPTY(&job->flight.waiters))
		return false;
	if (++job->attempts < ATTEMPTS_MAX)
		return true;
	if (job->flight.key.size > 0)
		refused_keys_add(&job->pool->refused, job->flight.hash);
	return false;
}

/* Jobs of a dead worker go to the head of the queue, or end if they were tried enough. */
static void give_back_jobs(struct pool_worker *worker)
{
	struct pool *pool = worker->pool;
	struct error error;
	struct job *job;

	while ((job = TAILQ_LAST(&worker->jobs, job_list))) {
		job_unlink(job);
		if (!try_again(job, &error)) {
			job_finish(job, &error, BYTES_NONE);
			continue;
		}
		metrics_add(pool->options.metrics, METRIC_RETRIES, 1);
		job->avoided = worker;
		job_enqueue(job, true);
	}
}

static void worker_lost(struct pool_worker *worker)
{
	channel_free(worker->channel);
	worker->channel = NULL;
	give_back_jobs(worker);
	dispatch(worker->pool);
}

static void on_ended(struct channel *channel, void *owner, enum channel_end why)
{
	struct pool_worker *worker = owner;

	(void)channel;
	if (why == CHANNEL_BAD_MESSAGE)
		log_error("%s worker %u sent what is no message; its channel is closed",
		    worker->pool->options.name, worker->index);
	worker_lost(worker);
}

static const struct channel_ops worker_ops = {.message = on_message, .ended = on_ended};

static struct pool_worker *worker_at(struct pool *pool, unsigned index)
{
	while (pool->worker_count <= index) {
		struct pool_worker *worker = must_zalloc(sizeof(*worker));

		worker->pool = pool;
		worker->index = pool->worker_count;
		TAILQ_INIT(&worker->jobs);
		pool->workers =
		    must_realloc(pool->workers, (pool->worker_count + 1) * sizeof(*pool->workers));
		pool->workers[pool->worker_count++] = worker;
	}
	return pool->workers[index];
}

void pool_attach(struct pool *pool, unsigned index, int fd)
{
	const struct channel_options options = {
	    .trust = CHANNEL_SIBLING,
	    .message_limit = LIMIT_SIBLING_MESSAGE_BYTES,
	    .peer = pool->options.name,
	};
	struct pool_worker *worker = worker_at(pool, index);

	if (worker->channel)
		worker_lost(worker);
	worker->away = false;
	worker->channel = channel_new(pool->options.base, fd, &options, &worker_ops, worker);
	dispatch(pool);
}

void pool_set_size(struct pool *pool, unsigned count)
{
	pool->size = count;
	dispatch(pool);
}

/* ---- waiting ---- */

static void join(struct job *job, struct waiter *waiter)
{
	metrics_add(job->pool->options.metrics, METRIC_FLIGHTS_JOINED, 1);
	flight_add(&job->flight, waiter, true);
	job_joined(job, waiter);
}

int pool_submit(struct pool *pool, struct bytes key, enum message_id id, const void *params,
    struct waiter *waiter, int64_t deadline_ms, struct error *ret_error)
{
	/* Nobody keeps rows: who joined would have to be sent those that went by before. */
	bool shared = key.size > 0 && !waiter->delta;
	struct flight *flight = shared ? flight_find(&pool->flights, key) : NULL;
	struct job *job;

	waiter->deadline_ms = deadline_ms;
	if (flight) {
		join(job_of_flight(flight), waiter);
		return 0;
	}
	if (key.size > 0 && refused_keys_has(&pool->refused, flight_hash(key)))
		return crashed_error(pool, ret_error);
	if (pool->queued >= pool->queue_limit && !free_worker(pool, NULL)) {
		metrics_add(pool->options.metrics, METRIC_OVERLOADS, 1);
		error_set(ret_error, ERROR_OVERLOADED,
		    "%zu requests wait for a %s worker; try again later", pool->queued,
		    pool->options.name);
		ret_error->retry_after_ms = RETRY_AFTER_MS;
		return (int)ret_error->code;
	}
	job = job_new(pool, key, shared, id, params);
	flight_add(&job->flight, waiter, false);
	job_enqueue(job, false);
	dispatch(pool);
	return 0;
}

void pool_leave(struct waiter *waiter)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct job *job;

	if (!waiter->flight)
		return;
	job = job_of_flight(waiter->flight);
	if (!flight_leave(waiter))
		return;
	if (job->state == JOB_QUEUED) {
		job_unlink(job);
		job_free(job);
		return;
	}
	/* Its worker is busy until it has answered; only then can it get another job. It may be
	 * calling, so a permit is held until then, too; but it takes nobody's place in the queue
	 * for one. */
	permits_stop_waiting(&job->permit);
	flight_close(&job->flight);
	job_hold(job, false);
	message_pack_cancel(&message, job->msgid);
	channel_send(job->worker->channel, bytes_of_buffer(&message));
}

void pool_hold(struct waiter *waiter)
{
	if (waiter->flight)
		job_hold(job_of_flight(waiter->flight), true);
}

void pool_go_on(struct waiter *waiter)
{
	if (!waiter->flight)
		return;
	flight_catch_up(waiter);
	job_hold(job_of_flight(waiter->flight), false);
}

size_t pool_in_flight(const struct pool *pool, unsigned index)
{
	return index < pool->worker_count ? pool->workers[index]->job_count : 0;
}

size_t pool_queued(const struct pool *pool)
{
	return pool->queued;
}

void pool_free(struct pool *pool)
{
	struct error error;
	struct job *job;

	if (!pool)
		return;
	pool->closing = true;
	error_set(&error, ERROR_SHUTTING_DOWN, "OptimaX is stopping");
	for (unsigned i = 0; i < pool->worker_count; i++) {
		while ((job = TAILQ_FIRST(&pool->workers[i]->jobs))) {
			job_unlink(job);
			job_finish(job, &error, BYTES_NONE);
		}
		channel_free(pool->workers[i]->channel);
		free(pool->workers[i]);
	}
	while ((job = TAILQ_FIRST(&pool->queue))) {
		job_unlink(job);
		job_finish(job, &error, BYTES_NONE);
	}
	free(pool->workers);
	free(pool);
}
