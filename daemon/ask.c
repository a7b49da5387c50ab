/*
 * The way of one question or statement:
 *
 *   ask ── statement entry ── miss ── chat entry ── miss ── route ─┬─ sql: generate ─┐
 *            │ hit, or taught           │ hit                      └─ chat: generate ─┼─ reply
 *            ▼                          ▼                                             │
 *   sql ── result entry ── miss ── execute ── reply                reply      result entry …
 *            │ hit
 *            ▼
 *          reply
 *
 * SQL of a provider that execute refuses goes back to be generated once more (repair.c).
 * Each step either ends the request or starts what the next one waits for.
 */
#include "daemon/ask.h"

#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/databases.h"
#include "daemon/entry.h"
#include "daemon/examples.h"
#include "daemon/keys.h"
#include "daemon/repair.h"
#include "daemon/request.h"
#include "daemon/router.h"
#include "daemon/teach.h"
#include "shm/cache.h"
#include "shm/metrics.h"
#include "text/snapshot.h"

const char *const ask_routes[] = {
    [REQUEST_AUTO] = "auto", [REQUEST_SQL] = "sql", [REQUEST_CHAT] = "chat"};

/* ---- replies ---- */

static struct bytes view_if_any(const struct buffer *buffer)
{
	return buffer->size > 0 ? bytes_of_buffer(buffer) : BYTES_NONE;
}

static struct reply reply_of(struct request *request, const char *route)
{
	struct reply reply = REPLY_INIT;

	reply.msgid = request->msgid;
	reply.route = route;
	reply.via = request->via;
	reply.confidence = request->confidence;
	reply.explain = request->explain;
	reply.attempts = &request->attempts;
	reply.stream = request->stream;
	reply.provider = view_if_any(&request->provider);
	if (request->classified)
		reply.classification = &request->classification;
	for (int i = 0; i < TIME_COUNT; i++)
		reply.time_us[i] = request->time_us[i];
	reply.time_us[TIME_TOTAL] = clock_now_us() - request->arrived_us;
	return reply;
}

static void from_cache(struct reply *reply, const struct cache_hit *hit)
{
	reply->cached = true;
	reply->via = "cache";
	reply->age_ms = hit->age_ms;
	reply->confidence = (double)NAN;
}

static struct reply data_reply(struct request *request, struct bytes pairs)
{
	struct reply reply = reply_of(request, "sql");

	repair_succeeded(request);
	reply.database = bytes_of_string(request->database->name);
	reply.sql = bytes_of_buffer(&request->sql);
	reply.pairs = pairs;
	return reply;
}

/* ---- executing ---- */

static void store_statement(struct request *request)
{
	struct cached_statement_params record = {
	    .sql = bytes_of_buffer(&request->sql),
	    .provider = view_if_any(&request->provider),
	    .via = bytes_of_string(request->via),
	    .confidence = request->confidence,
	};

	/* A statement is an entry once it has been found to run. */
	if (request->question.data && !request->has_statement)
		entry_store(request, CACHE_STATEMENT, request->router->config->ttl_sql_ms,
		    entry_cost_us(request, TIME_GENERATE), MESSAGE_ID_CACHED_STATEMENT, &record);
}

static void executed(struct request *request, const struct job_outcome *outcome)
{
	CLEAN(free) char *not_cached = NULL;
	struct execute_result result;
	struct reply reply;
	struct error error;

	if (message_unpack(&execute_result_row, outcome->result, &result, &error) != 0) {
		error_set(
		    &error, ERROR_INTERNAL, "a database worker sent a result that can't be read");
		request_fail(request, &error);
		return;
	}
	request->time_us[TIME_VALIDATE] = result.validate_us;
	request->time_us[TIME_EXECUTE] = result.execute_us;
	not_cached = bytes_to_string(result.not_cached);
	store_statement(request);
	reply = data_reply(request, result.pairs);
	reply.not_cached = not_cached;
	reply.streamed = request->sequence > 0;
	request_answer(request, &reply);
}

/* Whoever asks after a change or a flush must not be given what was read before it. */
static struct bytes flight_key(struct request *request, struct bytes result_key)
{
	struct router *router = request->router;
	int database = request->database->cache_index;
	uint64_t clock = cache_clock(router->cache, database);
	uint32_t generation = cache_generation(router->cache, CACHE_RESULT, database);

	buffer_reset(&router->text);
	buffer_append(&router->text, &clock, sizeof(clock));
	buffer_append(&router->text, &generation, sizeof(generation));
	buffer_append_bytes(&router->text, result_key);
	return bytes_of_buffer(&router->text);
}

static void execute(struct request *request)
{
	struct database *database = request->database;
	struct bytes key = bytes_of_buffer(&request->router->result_key);
	struct execute_params params = {
	    .sql = bytes_of_buffer(&request->sql),
	    .key = key,
	    .limit = request->limit,
	    .timeout_ms = 1, /* the pool says how much is left */
	    .stream = request->stream,
	};
	struct error error;

	/* A role that was given more than it had is refused by the watcher first: the workers'
	 * connections are of before. */
	if (!database->snapshot || strcmp(database->state, "refused") == 0) {
		database_not_ready(database, &error);
		request_fail(request, &error);
		return;
	}
	params.schema_version = bytes_of_string(database->snapshot->version);
	request = request_keep(request);
	request->failed = repair_or_fail;
	(request->stream ? request_submit_parts : request_submit)(request, database->pool,
	    flight_key(request, key), MESSAGE_ID_EXECUTE, &params, executed);
}

/* The SQL is known. */
void ask_statement(struct request *request)
{
	struct router *router = request->router;
	int64_t since_us = clock_now_us();
	struct cache_hit hit;
	struct reply reply;
	int found = CACHE_MISS;

	keys_result(
	    request->database, bytes_of_buffer(&request->sql), request->limit, &router->result_key);
	buffer_reset(&router->result);
	if (!request->no_cache)
		found = cache_get(router->cache, CACHE_RESULT, entry_database(request),
		    bytes_of_buffer(&router->result_key), request->max_age_ms, &router->result,
		    &hit);
	request_spent(request, TIME_LOOKUP, &since_us);
	if (found != CACHE_OK) {
		execute(request);
		return;
	}
	store_statement(request);
	reply = data_reply(request, bytes_of_buffer(&router->result));
	from_cache(&reply, &hit);
	request_answer(request, &reply);
}

/* ---- generating ---- */

static void generated_text(struct request *request, const struct generate_result *result)
{
	struct cached_chat_params record = {.text = result->text, .provider = result->provider};
	struct reply reply;

	buffer_append_bytes(&request->provider, result->provider);
	reply = reply_of(request, "chat");
	reply.text = result->text;
	reply.streamed = request->sequence > 0;
	if (result->age_ms != FIELD_ABSENT) {
		struct cache_hit hit = {.age_ms = result->age_ms};

		/* It is not stored again: its age would start anew. */
		from_cache(&reply, &hit);
	} else {
		entry_store(request, CACHE_CHAT, request->router->config->ttl_chat_ms,
		    entry_cost_us(request, TIME_GENERATE), MESSAGE_ID_CACHED_CHAT, &record);
	}
	request_answer(request, &reply);
}

void ask_generated(struct request *request, const struct job_outcome *outcome)
{
	struct generate_result result;
	struct error error;

	if (message_unpack(&generate_result_row, outcome->result, &result, &error) != 0 ||
	    !(result.sql.data || result.text.data)) {
		error_set(
		    &error, ERROR_INTERNAL, "an inference worker sent a result that can't be read");
		request_fail(request, &error);
		return;
	}
	if (request->time_us[TIME_GENERATE] < 0)
		request->time_us[TIME_GENERATE] = 0;
	request->time_us[TIME_GENERATE] += result.generate_us;
	if (result.text.data) {
		generated_text(request, &result);
		return;
	}
	if (request->refusal && repair_is_stuck(request, result.sql))
		return;
	buffer_reset(&request->sql);
	buffer_reset(&request->provider);
	buffer_reset(&request->completion_key);
	buffer_append_bytes(&request->sql, result.sql);
	buffer_append_bytes(&request->completion_key, result.completion_key);
	buffer_append_bytes(&request->provider, result.provider);
	if (result.fault.data)
		repair_unread(request, result.fault);
	else
		ask_statement(request);
}

/* How old a completion from the cache may be: statements and routes have no age of their own. */
static int64_t completion_age_ms(const struct request *request, const char *job)
{
	if (request->no_cache)
		return 0;
	if (strcmp(job, "chat") != 0 || request->max_age_ms < 0)
		return FIELD_ABSENT;
	return request->max_age_ms;
}

void ask_generate(struct request *request, const char *job, enum cache_type type,
    void (*done)(struct request *request, const struct job_outcome *outcome))
{
	CLEAN(buffer) struct buffer examples = BUFFER_INIT, reason = BUFFER_INIT;
	struct router *router = request->router;
	struct generate_params params = {
	    .job = bytes_of_string(job),
	    .question = request->question,
	    .history = request->history,
	    .timeout_ms = 1,
	};
	bool streams;

	request = request_keep(request);
	params.question = request->question;
	params.history = request->history;
	params.max_age_ms = completion_age_ms(request, job);
	params.client = client_number(request->client);
	if (request->database) {
		params.database = bytes_of_string(request->database->name);
		if (request->database->snapshot)
			params.schema_version =
			    bytes_of_string(request->database->snapshot->version);
	}
	if (request->database && type == CACHE_STATEMENT &&
	    examples_pick(request->database->examples, request->question, &examples))
		params.examples = bytes_of_buffer(&examples);
	if (request->refusal) {
		params.sql = bytes_of_buffer(&request->sql);
		repair_reason(request, &reason);
		params.error = bytes_of_buffer(&reason);
	}
	entry_question_key(request);
	/* Who wants none from the cache must not share with who takes one. */
	buffer_printf(&router->key, "%s %lld", job, (long long)params.max_age_ms);
	buffer_append(
	    &router->key, &request->generations[type], sizeof(request->generations[type]));
	buffer_append_bytes(&router->key, params.sql);
	streams = request->stream && strcmp(job, "chat") == 0;
	(streams ? request_submit_text : request_submit)(request, router->inference,
	    bytes_of_buffer(&router->key), MESSAGE_ID_GENERATE, &params, done);
}

void ask_generate_sql(struct request *request)
{
	struct error error;

	if (!request->database)
		databases_find(request->router->databases, BYTES_NONE, &error);
	else if (!request->database->snapshot)
		database_not_ready(request->database, &error);
	else {
		ask_generate(request, "sql", CACHE_STATEMENT, ask_generated);
		return;
	}
	request_fail(request, &error);
}

/* ---- the first look ---- */

/* Names are static: a cached one is only ever one of these. */
static const char *via_from_name(struct bytes name)
{
	static const char *const names[] = {"heuristic", "model", "client"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bytes_equal_string(name, names[i]))
			return names[i];
	return names[0];
}

static bool find_statement(struct request *request)
{
	struct cached_statement_params record;
	struct cache_hit hit;

	/* The statement's age is no age of rows: max_age_ms does not concern it. */
	int64_t max_age_ms = request->max_age_ms;
	bool found;

	request->max_age_ms = -1;
	found = entry_look_up(request, CACHE_STATEMENT, MESSAGE_ID_CACHED_STATEMENT, &record, &hit);
	request->max_age_ms = max_age_ms;
	if (!found)
		return false;
	buffer_append_bytes(&request->sql, record.sql);
	buffer_append_bytes(&request->provider, record.provider);
	request->via = via_from_name(record.via);
	request->confidence = record.confidence;
	request->has_statement = true;
	return true;
}

static bool answer_chat_from_cache(struct request *request)
{
	struct cached_chat_params record;
	struct cache_hit hit;
	struct reply reply;

	if (!entry_look_up(request, CACHE_CHAT, MESSAGE_ID_CACHED_CHAT, &record, &hit))
		return false;
	buffer_append_bytes(&request->provider, record.provider);
	reply = reply_of(request, "chat");
	from_cache(&reply, &hit);
	reply.text = record.text;
	request_answer(request, &reply);
	return true;
}

/* What was made before a flush must not be stored as if it came after. */
static void note_generations(struct request *request)
{
	static const enum cache_type stored[] = {CACHE_STATEMENT, CACHE_CHAT, CACHE_ROUTE};

	for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++)
		request->generations[stored[i]] =
		    cache_generation(request->router->cache, stored[i], entry_database(request));
}

void ask_question(struct request *request)
{
	int64_t since_us = clock_now_us();
	bool found;

	note_generations(request);
	/* What was cached before the correction was for the other route. */
	request->keyed = ask_corrected(request);
	if (teach_answers(request)) {
		request_spent(request, TIME_LOOKUP, &since_us);
		ask_statement(request);
		return;
	}
	found = request->keyed != REQUEST_CHAT && request->database && find_statement(request);
	request_spent(request, TIME_LOOKUP, &since_us);
	if (found)
		ask_statement(request);
	else if (request->keyed == REQUEST_SQL || !answer_chat_from_cache(request))
		ask_route(request);
}
