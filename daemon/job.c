#include "daemon/job.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

enum { MORE_TIME_MS = 1000 }; /* given beyond what a joiner has, for those who come soon after */

static void permit_answered(struct permit *permit, const struct error *error);

struct job *job_of_flight(struct flight *flight)
{
	return (struct job *)(void *)((char *)flight - offsetof(struct job, flight));
}

struct job *job_new(
    struct pool *pool, struct bytes key, bool shared, enum message_id id, const void *params)
{
	const struct message_row *row = &message_rows[id];
	struct job *job = must_zalloc(sizeof(*job));
	struct error error;

	job->pool = pool;
	job->id = id;
	job->permit.answer = permit_answered;
	message_pack(row, params, &job->encoded);
	job->params = must_alloc(row->size);
	if (message_unpack(row, bytes_of_buffer(&job->encoded), job->params, &error) != 0) {
		log_error("%s is packed against its own table: %s", row->method, error.message);
		abort();
	}
	flight_init(&job->flight, &pool->flights, key, shared);
	return job;
}

void job_free(struct job *job)
{
	flight_deinit(&job->flight);
	buffer_deinit(&job->encoded);
	free(job->params);
	free(job);
}

/* ---- what its worker is sent ---- */

/* Of the time that it is given. */
static int64_t left_ms(const struct job *job)
{
	int64_t left = job->sent_deadline_ms - clock_now_ms();

	if (left < 1)
		return 1;
	return left < LIMIT_TIMEOUT_MS ? left : LIMIT_TIMEOUT_MS;
}

static void complete_generate(struct job *job, struct generate_params *params)
{
	params->timeout_ms = left_ms(job);
	params->stream = job->streams = flight_wants_text(&job->flight);
	params->permit = BYTES_NONE;
	if (job->pool->options.permits)
		params->permit =
		    permits_offer(job->pool->options.permits, &job->permit, params->client);
}

/* A flight lives as long as its most patient waiter. */
void job_request(struct job *job)
{
	struct buffer message = BUFFER_INIT;

	job->sent_deadline_ms = flight_latest_deadline(&job->flight);
	if (job->id == MESSAGE_ID_EXECUTE)
		((struct execute_params *)job->params)->timeout_ms = left_ms(job);
	else if (job->id == MESSAGE_ID_GENERATE)
		complete_generate(job, job->params);
	message_pack_request(&message, job->msgid, job->id, job->params);
	channel_send_buffer(job->worker->channel, &message);
}

/* A model's call has more time then, and its text comes as it is made. */
void job_joined(struct job *job, const struct waiter *waiter)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	bool streams = waiter->text && !job->streams;
	struct joined_params params = {.msgid = job->msgid, .stream = streams};

	if (job->id != MESSAGE_ID_GENERATE || job->state != JOB_SENT ||
	    !(streams || waiter->deadline_ms > job->sent_deadline_ms))
		return;
	job->streams |= streams;
	job->sent_deadline_ms = flight_latest_deadline(&job->flight) + MORE_TIME_MS;
	params.timeout_ms = left_ms(job);
	message_pack_notification(&message, MESSAGE_ID_JOINED, &params);
	channel_send(job->worker->channel, bytes_of_buffer(&message));
}

/* ---- permits ---- */

void job_ask_permit(struct job *job, uint32_t permit_msgid, struct bytes provider)
{
	job->permit_msgid = permit_msgid;
	permits_ask(job->pool->options.permits, &job->permit, provider,
	    ((const struct generate_params *)job->params)->client);
}

static void permit_answered(struct permit *permit, const struct error *error)
{
	struct job *job = (struct job *)(void *)((char *)permit - offsetof(struct job, permit));
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	const struct permit_result result = {0};

	/* Its worker is dead, and its jobs are being given back. */
	if (!job->worker->channel)
		return;
	if (error)
		message_pack_error(&message, true, job->permit_msgid, error);
	else
		message_pack_response(&message, job->permit_msgid, &permit_result_row, &result);
	channel_send(job->worker->channel, bytes_of_buffer(&message));
}
