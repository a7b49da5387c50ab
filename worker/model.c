/*
 * One call goes through these states; model_call_free is its end from each of them:
 *
 *   WAITING (for a permit) ─┬─ SENT ─┬─ answered, failed
 *                           │   ▲    ▼
 *                           │   └─ PAUSED (before the next try)
 *                           └─ failed (too many wait)
 */
#include "worker/model.h"

#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "shm/metrics.h"
#include "worker/breaker.h"
#include "worker/completion.h"
#include "worker/completion_cache.h"
#include "worker/http.h"
#include "worker/key_file.h"
#include "worker/model_address.h"
#include "worker/model_answer.h"
#include "worker/model_prompt.h"
#include "worker/retry.h"

enum {
	REFUSAL_BYTES_MAX = 8 * 1024, /* of the body of a status other than 200 */
	SLOW_MS = 5000, /* who heard nothing for so long has met a failure of the server's */
	AT_ONCE_US = 1000, /* an answer that comes so fast was not streamed */
};

enum call_state { CALL_WAITING, CALL_SENT, CALL_PAUSED };

struct model {
	struct provider *provider;
	const struct model_wire *wire;
	struct event_base *base;
	struct http *http;
	char *url, *socket_path; /* socket_path NULL: TCP */
	struct breaker breaker;
	int64_t context_tokens;
	char last_failure[256]; /* of the server */
};

struct model_call {
	struct model *model;
	struct provider_call *call;
	enum call_state state;
	struct model_prompt prompt;
	struct model_answer answer;
	struct http_transfer *transfer; /* NULL: none */
	struct event *timer;
	int64_t began_ms, deadline_ms, sent_us, first_token_us;
	int64_t timer_ms; /* when the timer is due, but for the deadline */
	int64_t heard_ms; /* when the last event came, or it was asked */
	uint32_t generation; /* of the cache, when it began */
	unsigned attempts;
	long status;
	int64_t retry_after_ms;
	struct buffer refusal;
	bool asked; /* the breaker waits for its outcome */
	bool has_token;
};

/* ---- what status says ---- */

static double average(double before, double value)
{
	return isnan(before) ? value : before * 0.8 + value * 0.2;
}

static void show(struct model *model)
{
	struct provider *provider = model->provider;

	provider->state = model->breaker.state == BREAKER_CLOSED ? "ready" : "down";
	if (provider->changed)
		provider->changed(provider);
}

static void show_success(struct model_call *call)
{
	struct provider *provider = call->model->provider;
	int64_t latency_ms = (call->first_token_us - call->sent_us) / 1000;
	int64_t took_us = clock_now_us() - call->first_token_us;
	const struct model_answer *answer = &call->answer;

	provider->last_error[0] = '\0';
	provider->latency_ms = provider->latency_ms == FIELD_ABSENT
	                           ? latency_ms
	                           : (provider->latency_ms * 4 + latency_ms) / 5;
	if (answer->tokens_us > 0)
		took_us = answer->tokens_us;
	else if (took_us < AT_ONCE_US)
		took_us += call->first_token_us - call->sent_us;
	if (answer->tokens > 0 && took_us > 0)
		provider->tokens_per_s =
		    average(provider->tokens_per_s, (double)answer->tokens * 1e6 / (double)took_us);
}

/* The one way in which the breaker learns. */
static void tell_breaker(struct model_call *call, enum breaker_event event)
{
	struct model *model = call->model;
	bool ends = event != BREAKER_ASKED;

	if (call->asked != ends)
		return;
	call->asked = !ends;
	if (breaker_take(&model->breaker, event, clock_now_ms()) && ends)
		log_notice("provider %s is %s", model->provider->settings->name,
		    model->breaker.state == BREAKER_CLOSED ? "answering again"
		                                           : "not asked for a while");
}

/* ---- the end of a call ---- */

static void drop_transfer(struct model_call *call)
{
	if (call->transfer)
		http_abort(call->transfer);
	call->transfer = NULL;
}

static void model_call_free(struct model_call *call)
{
	drop_transfer(call);
	tell_breaker(call, BREAKER_ABANDONED);
	event_free(call->timer);
	model_answer_deinit(&call->answer);
	model_prompt_deinit(&call->prompt);
	buffer_deinit(&call->refusal);
	call->call->state = NULL;
	free(call);
}

/* The caller is told last: it may start another call. */
static void finish(struct model_call *call, const struct error *error)
{
	struct provider_call *waiting = call->call;
	struct error kept = ERROR_INIT; /* the error may be the call's own */

	if (error)
		kept = *error;
	model_call_free(call);
	waiting->done(waiting, error ? &kept : NULL);
}

static void fail(struct model_call *call, const struct error *error)
{
	struct provider *provider = call->model->provider;

	if (error->code == ERROR_MODEL_ERROR) {
		snprintf(provider->last_error, sizeof(provider->last_error), "%s", error->message);
		log_info("provider %s: %s", provider->settings->name, error->message);
	}
	show(call->model);
	finish(call, error);
}

/* The server is at fault. */
static void fail_server(struct model_call *call, const struct error *error)
{
	struct model *model = call->model;

	tell_breaker(call, BREAKER_FAILED);
	snprintf(model->last_failure, sizeof(model->last_failure), "%.255s", error->message);
	fail(call, error);
}

/* ---- the answer ---- */

static void arm_timer(struct model_call *call)
{
	int64_t due_ms = call->timer_ms < call->deadline_ms ? call->timer_ms : call->deadline_ms;
	int64_t wait_ms = due_ms - clock_now_ms();
	struct timeval wait;

	if (wait_ms < 0)
		wait_ms = 0;
	wait = (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
	evtimer_add(call->timer, &wait);
}

static void set_timer(struct model_call *call, int64_t wait_ms)
{
	call->timer_ms = clock_now_ms() + wait_ms;
	arm_timer(call);
}

static void await_event(struct model_call *call)
{
	call->heard_ms = clock_now_ms();
	set_timer(call, call->model->provider->settings->first_token_ms);
}

/* The provider's time, or what the request leaves. */
static void set_deadline(struct model_call *call)
{
	int64_t own_ms = call->began_ms + call->model->provider->settings->timeout_ms;
	int64_t request_ms = clock_now_ms() + call->call->timeout_ms;

	call->deadline_ms = request_ms < own_ms ? request_ms : own_ms;
}

static bool on_head(void *owner, const struct http_head *head)
{
	struct model_call *call = owner;

	call->status = head->status;
	call->retry_after_ms = head->retry_after_ms;
	return head->status != 200 || model_answer_begin(&call->answer, head->content_type);
}

static bool on_body(void *owner, struct bytes bytes)
{
	struct model_call *call = owner;

	if (call->status == 200) {
		size_t before = call->answer.events;
		bool going_on = model_answer_take(&call->answer, bytes);

		if (call->answer.events != before)
			await_event(call);
		return going_on;
	}
	if (call->refusal.size + bytes.size > REFUSAL_BYTES_MAX)
		return false;
	buffer_append_bytes(&call->refusal, bytes);
	return true;
}

static void on_text(void *owner, struct bytes text)
{
	struct model_call *call = owner;
	struct provider_call *waiting = call->call;

	if (!call->has_token)
		call->first_token_us = clock_now_us();
	call->has_token = true;
	if (text.size > 0 && waiting->delta && waiting->job == PROVIDER_CHAT)
		waiting->delta(waiting, text);
}

static void take_answer(struct model_call *call)
{
	bool is_whole = model_answer_end(&call->answer);
	struct error error = ERROR_INIT;
	int result;

	if (!is_whole && !call->answer.cut) {
		fail_server(call, &call->answer.error);
		return;
	}
	/* The server does its work; whether the model does is another matter. */
	tell_breaker(call, BREAKER_SUCCEEDED);
	if (!is_whole) {
		fail(call, &call->answer.error);
		return;
	}
	if (!call->has_token)
		call->first_token_us = clock_now_us();
	result = completion_read(call->call->job, bytes_of_buffer(&call->answer.completion),
	    &call->call->answer, &error);
	if (result == 0 || result == ERROR_UNANSWERABLE) {
		show_success(call);
		completion_cache_keep(call->model->provider, call->call, call->generation,
		    bytes_of_buffer(&call->prompt.key), bytes_of_buffer(&call->answer.completion),
		    clock_now_us() - call->sent_us);
	}
	if (result == ERROR_MODEL_ERROR)
		completion_unread(call->call->job, bytes_of_buffer(&call->answer.completion),
		    &call->call->unread);
	if (result != 0) {
		fail(call, &error);
		return;
	}
	show(call->model);
	finish(call, NULL);
}

/* ---- sending ---- */

static uint32_t chance(void)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint32_t)clock_now_us();
	return random;
}

/* Tries again later, or fails. */
static void retry_or_fail(struct model_call *call, bool refused, const struct error *error)
{
	struct retry_failure failure = {
	    .refused = refused,
	    .status = call->status,
	    .retry_after_ms = call->retry_after_ms,
	    .has_token = call->has_token,
	    .attempts = call->attempts,
	    .left_ms = call->deadline_ms - clock_now_ms(),
	};
	int64_t wait_ms = retry_wait_ms(&failure, chance());

	if (wait_ms >= 0) {
		log_debug("provider %s: %s; it is asked again in %lld ms",
		    call->model->provider->settings->name, error->message, (long long)wait_ms);
		call->state = CALL_PAUSED;
		set_timer(call, wait_ms);
	} else if (refused || call->status >= 500) {
		fail_server(call, error);
	} else {
		/* It said no: it is there. */
		tell_breaker(call, BREAKER_SUCCEEDED);
		fail(call, error);
	}
}

static void on_ended(void *owner, enum http_end why, const char *message)
{
	struct model_call *call = owner;
	struct error error = ERROR_INIT;

	call->transfer = NULL;
	evtimer_del(call->timer);
	if (why == HTTP_NOT_CONNECTED || why == HTTP_BROKEN) {
		error_set(&error, ERROR_MODEL_ERROR, "%s: %.300s",
		    why == HTTP_NOT_CONNECTED ? "no connection" : "the connection broke", message);
		call->status = 0;
		if (call->answer.done && why == HTTP_BROKEN)
			take_answer(call);
		else if (why == HTTP_NOT_CONNECTED)
			retry_or_fail(call, true, &error);
		else
			fail_server(call, &error);
	} else if (call->status != 200) {
		model_answer_refused(
		    call->status, bytes_of_buffer(&call->refusal), call->prompt.model, &error);
		error.retry_after_ms = call->retry_after_ms > 0 ? call->retry_after_ms : 0;
		retry_or_fail(call, false, &error);
	} else if (call->answer.error.code != ERROR_NONE) {
		fail_server(call, &call->answer.error);
	} else {
		take_answer(call);
	}
}

static const struct http_ops http_ops = {.head = on_head, .body = on_body, .ended = on_ended};

static void new_answer(struct model_call *call)
{
	model_answer_deinit(&call->answer);
	model_answer_init(
	    &call->answer, call->model->wire, call->model->provider->settings->max_tokens);
	call->answer.text = on_text;
	call->answer.owner = call;
	buffer_reset(&call->refusal);
	call->status = 0;
	call->retry_after_ms = -1;
}

static void send_request(struct model_call *call)
{
	struct model *model = call->model;
	const struct child_provider *settings = model->provider->settings;
	CLEAN(buffer) struct buffer key = BUFFER_INIT;
	struct error error = ERROR_INIT;
	struct http_request request = {
	    .url = model->url,
	    .socket_path = model->socket_path,
	    .body = bytes_of_buffer(&call->prompt.body),
	    .ca_file = settings->ca_file,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	};

	call->state = CALL_SENT;
	call->attempts++;
	if (model->provider->metrics)
		metrics_add(model->provider->metrics, METRIC_MODEL_CALLS, 1);
	call->sent_us = clock_now_us();
	new_answer(call);
	tell_breaker(call, BREAKER_ASKED);
	if (settings->api_key_file && key_file_read(settings->api_key_file, &key, &error) != 0) {
		fail(call, &error);
		return;
	}
	request.bearer = settings->api_key_file ? buffer_string(&key) : NULL;
	call->transfer = http_post(model->http, &request, &http_ops, call);
	if (key.size > 0)
		explicit_bzero(key.data, key.size);
	if (!call->transfer) {
		error_set(
		    &error, ERROR_MODEL_ERROR, "no memory or descriptor is left for a request");
		fail(call, &error);
		return;
	}
	await_event(call);
}

/* ---- permits ---- */

/* 0, or why it is not asked now. */
static int refuse_broken(const struct model *model, struct error *error)
{
	int64_t now_ms = clock_now_ms();

	if (breaker_allows(&model->breaker, now_ms))
		return 0;
	error_set(error, ERROR_MODEL_ERROR, "not asked after failures, the last: %s",
	    model->last_failure);
	if (model->breaker.until_ms > now_ms)
		error->retry_after_ms = model->breaker.until_ms - now_ms;
	return (int)error->code;
}

/* It has its permit. */
static void begin(struct model_call *call)
{
	struct error error = ERROR_INIT;

	evtimer_del(call->timer);
	if (refuse_broken(call->model, &error) != 0)
		fail(call, &error);
	else
		send_request(call);
}

void model_permit(struct provider *provider, struct provider_call *call, const struct error *error)
{
	struct model_call *waiting = call->state;

	(void)provider;
	if (!waiting || waiting->state != CALL_WAITING)
		return;
	if (error)
		fail(waiting, error);
	else
		begin(waiting);
}

static void out_of_time(struct model_call *call)
{
	int64_t now_ms = clock_now_ms(), waited_ms = now_ms - call->sent_us / 1000;
	bool over = now_ms >= call->deadline_ms;
	struct error error = ERROR_INIT;

	if (call->state == CALL_WAITING)
		error_set(&error, ERROR_MODEL_ERROR, "no turn came: it has too many requests");
	else if (call->has_token)
		error_set(&error, ERROR_MODEL_ERROR, "its answer did not end in time");
	else
		error_set(&error, ERROR_MODEL_ERROR, "no token came within %lld ms%s",
		    (long long)waited_ms, over ? ", all the time there was" : "");
	drop_transfer(call);
	/* Somebody's short time says nothing of the server. */
	if (call->state == CALL_WAITING || (over && now_ms - call->heard_ms < SLOW_MS))
		fail(call, &error);
	else
		fail_server(call, &error);
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
	struct model_call *call = owner;

	(void)fd;
	(void)what;
	if (call->state == CALL_PAUSED && clock_now_ms() < call->deadline_ms) {
		send_request(call);
	} else if (call->state == CALL_SENT && call->answer.done) {
		/* The answer is whole; only the end of the transfer is missing. */
		drop_transfer(call);
		take_answer(call);
	} else {
		out_of_time(call);
	}
}

static struct model_call *call_new(
    struct model *model, struct provider_call *waiting, const struct model_prompt *prompt)
{
	struct model_call *call = must_zalloc(sizeof(*call));

	call->model = model;
	call->call = waiting;
	call->prompt = *prompt;
	call->generation = completion_cache_generation(model->provider, waiting);
	call->timer = evtimer_new(model->base, on_timer, call);
	if (!call->timer)
		abort();
	call->began_ms = clock_now_ms();
	set_deadline(call);
	call->state = CALL_WAITING;
	set_timer(call, model->provider->settings->timeout_ms);
	waiting->state = call;
	return call;
}

void model_generate(struct provider *provider, struct provider_call *call)
{
	struct model *model = provider->own;
	struct error error = ERROR_INIT;
	struct model_prompt prompt;
	struct model_call *new;

	if (model_prompt_init(&prompt, provider->settings, model->wire, call,
	        &model->context_tokens, &error) != 0) {
		model_prompt_deinit(&prompt);
		call->done(call, &error);
		return;
	}
	if (completion_cache_answer(provider, call, bytes_of_buffer(&prompt.key))) {
		model_prompt_deinit(&prompt);
		call->done(call, NULL);
		return;
	}
	if (refuse_broken(model, &error) != 0) {
		model_prompt_deinit(&prompt);
		call->done(call, &error);
		return;
	}
	new = call_new(model, call, &prompt);
	if (call->permitted)
		begin(new);
	else
		call->want_permit(call);
}

void model_joined(struct provider *provider, struct provider_call *call, bool wants_text)
{
	struct model_call *joined = call->state;

	(void)provider;
	if (!joined)
		return;
	set_deadline(joined);
	if (evtimer_pending(joined->timer, NULL))
		arm_timer(joined);
	if (wants_text && call->job == PROVIDER_CHAT && joined->answer.completion.size > 0)
		call->delta(call, bytes_of_buffer(&joined->answer.completion));
}

void model_cancel(struct provider *provider, struct provider_call *call)
{
	(void)provider;
	if (call->state)
		model_call_free(call->state);
}

bool model_can(const struct provider *provider, enum provider_job job)
{
	(void)provider;
	(void)job;
	return true;
}

/* ---- its life ---- */

void model_configure(
    struct provider *provider, struct event_base *base, const struct model_wire *wire)
{
	struct model *model = must_zalloc(sizeof(*model));

	model->provider = provider;
	model->wire = wire;
	model->base = base;
	model->http = http_new(base);
	model_address(provider->settings->url, wire, &model->url, &model->socket_path);
	provider->own = model;
}

void model_deinit(struct provider *provider)
{
	struct model *model = provider->own;

	http_free(model->http);
	free(model->url);
	free(model->socket_path);
	free(model);
	provider->own = NULL;
}
