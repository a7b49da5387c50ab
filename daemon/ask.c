/*
 * The way of one question or statement:
 *
 *   ask ── statement entry ── miss ── chat entry ── miss ── route ─┬─ sql: generate ─┐
 *            │ hit                      │ hit                      └─ chat: generate ─┼─ reply
 *            ▼                          ▼                                             │
 *   sql ── result entry ── miss ── execute ── reply                reply      result entry …
 *            │ hit
 *            ▼
 *          reply
 *
 * Each step either ends the request or starts what the next one waits for.
 */
#include "daemon/ask.h"

#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/databases.h"
#include "daemon/examples.h"
#include "daemon/keys.h"
#include "daemon/request.h"
#include "daemon/router.h"
#include "shm/cache.h"
#include "shm/metrics.h"
#include "text/snapshot.h"

enum { STATEMENT_COST_US = 1000 }; /* where it was not measured */

/* ---- keys and values of the cache ---- */

const char *const ask_routes[] = {
    [REQUEST_AUTO] = "auto", [REQUEST_SQL] = "sql", [REQUEST_CHAT] = "chat"};

static struct bytes question_key(struct request *request)
{
	struct router *router = request->router;
	struct question_key parts = {
	    .database = request->database,
	    .providers = bytes_of_string(router->providers_version),
	    .examples =
	        request->database ? (int64_t)examples_version(request->database->examples) : 0,
	    .route = bytes_of_string(ask_routes[request->keyed]),
	    .question = request->question,
	    .history = request->history,
	};

	keys_question(&parts, &router->key);
	return bytes_of_buffer(&router->key);
}

static int cache_index(const struct request *request)
{
	return request->database ? request->database->cache_index : CACHE_NO_DATABASE;
}

/* Looks one entry up and unpacks its record; the views are valid until the next lookup. */
static bool look_up(struct request *request, enum cache_type type, enum message_id record,
    void *ret_record, struct cache_hit *ret_hit)
{
	struct router *router = request->router;
	struct error error;

	if (request->no_cache)
		return false;
	buffer_reset(&router->value);
	return cache_get(router->cache, type, cache_index(request), question_key(request),
	           request->max_age_ms, &router->value, ret_hit) == CACHE_OK &&
	       message_unpack(
	           &message_rows[record], bytes_of_buffer(&router->value), ret_record, &error) == 0;
}

static void store(struct request *request, enum cache_type type, int64_t ttl_ms, uint64_t cost_us,
    enum message_id record, const void *value)
{
	struct router *router = request->router;
	struct cache_put put = {
	    .type = type,
	    .database = cache_index(request),
	    .key = question_key(request),
	    .ttl_ms = ttl_ms,
	    .cost_us = cost_us,
	    .generation = request->generations[type],
	};

	buffer_reset(&router->value);
	message_pack(&message_rows[record], value, &router->value);
	put.value = bytes_of_buffer(&router->value);
	cache_put(router->cache, &put);
}

static uint64_t cost_of(const struct request *request, enum reply_time which)
{
	return request->time_us[which] > 0 ? (uint64_t)request->time_us[which] : STATEMENT_COST_US;
}

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
		store(request, CACHE_STATEMENT, request->router->config->ttl_sql_ms,
		    cost_of(request, TIME_GENERATE), MESSAGE_ID_CACHED_STATEMENT, &record);
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
		found = cache_get(router->cache, CACHE_RESULT, cache_index(request),
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
		store(request, CACHE_CHAT, request->router->config->ttl_chat_ms,
		    cost_of(request, TIME_GENERATE), MESSAGE_ID_CACHED_CHAT, &record);
	}
	request_answer(request, &reply);
}

static void generated(struct request *request, const struct job_outcome *outcome)
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
	request->time_us[TIME_GENERATE] = result.generate_us;
	if (result.text.data) {
		generated_text(request, &result);
		return;
	}
	buffer_append_bytes(&request->sql, result.sql);
	buffer_append_bytes(&request->provider, result.provider);
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

/* `type`: what the outcome is kept as; who asks after a flush of it joins no older flight. */
static void submit_generate(struct request *request, const char *job, enum cache_type type,
    void (*done)(struct request *request, const struct job_outcome *outcome))
{
	CLEAN(buffer) struct buffer examples = BUFFER_INIT;
	struct router *router = request->router;
	struct generate_params params = {
	    .job = bytes_of_string(job),
	    .question = request->question,
	    .history = request->history,
	    .timeout_ms = 1,
	};

	request = request_keep(request);
	params.question = request->question;
	params.history = request->history;
	params.max_age_ms = completion_age_ms(request, job);
	params.client = client_number(request->client);
	params.stream = request->stream && strcmp(job, "chat") == 0;
	if (request->database) {
		params.database = bytes_of_string(request->database->name);
		if (request->database->snapshot)
			params.schema_version =
			    bytes_of_string(request->database->snapshot->version);
	}
	if (request->database && strcmp(job, "sql") == 0 &&
	    examples_pick(request->database->examples, request->question, &examples))
		params.examples = bytes_of_buffer(&examples);
	question_key(request);
	/* Who wants none from the cache must not share with who takes one. */
	buffer_printf(&router->key, "%s %lld", job, (long long)params.max_age_ms);
	buffer_append(
	    &router->key, &request->generations[type], sizeof(request->generations[type]));
	(params.stream ? request_submit_text : request_submit)(request, router->inference,
	    bytes_of_buffer(&router->key), MESSAGE_ID_GENERATE, &params, done);
}

static void generate_sql(struct request *request)
{
	struct error error;

	if (!request->database)
		databases_find(request->router->databases, BYTES_NONE, &error);
	else if (!request->database->snapshot)
		database_not_ready(request->database, &error);
	else {
		submit_generate(request, "sql", CACHE_STATEMENT, generated);
		return;
	}
	request_fail(request, &error);
}

/* ---- routing ---- */

static void take_route(struct request *request, enum route route)
{
	if (route == ROUTE_SQL)
		generate_sql(request);
	else
		submit_generate(request, "chat", CACHE_CHAT, generated);
}

static void route_decided(struct request *request, const char *via, enum route route)
{
	request->via = via;
	metrics_add(request->router->metrics,
	    strcmp(via, "model") == 0 ? METRIC_ROUTED_MODEL : METRIC_ROUTED_HEURISTIC, 1);
	take_route(request, route);
}

static enum route route_from_name(struct bytes name)
{
	return bytes_equal_string(name, "sql") ? ROUTE_SQL : ROUTE_CHAT;
}

static void route_generated(struct request *request, const struct job_outcome *outcome)
{
	struct cached_route_params record = {0};
	struct generate_result result;
	struct error error;

	if (message_unpack(&generate_result_row, outcome->result, &result, &error) != 0 ||
	    !result.route.data) {
		error_set(
		    &error, ERROR_INTERNAL, "an inference worker sent a route that can't be read");
		request_fail(request, &error);
		return;
	}
	request->time_us[TIME_ROUTE] += result.generate_us;
	router_count_model(request->router, request->classification.confidence,
	    route_from_name(result.route) == request->classification.lean);
	request->confidence = 1.0;
	record.route = result.route;
	store(request, CACHE_ROUTE, request->router->config->ttl_route_ms,
	    (uint64_t)result.generate_us, MESSAGE_ID_CACHED_ROUTE, &record);
	route_decided(request, "model", route_from_name(result.route));
}

static void ask_model_for_route(struct request *request)
{
	struct cached_route_params record;
	struct cache_hit hit;

	if (look_up(request, CACHE_ROUTE, MESSAGE_ID_CACHED_ROUTE, &record, &hit)) {
		request->confidence = 1.0;
		route_decided(request, "model", route_from_name(record.route));
		return;
	}
	submit_generate(request, "route", CACHE_ROUTE, route_generated);
}

static void refuse_unsure(struct request *request)
{
	struct error error;

	metrics_add(request->router->metrics, METRIC_ROUTED_REFUSED, 1);
	error_set(&error, ERROR_UNANSWERABLE,
	    "it is not clear whether this asks for data; say so with route: sql or chat, or word "
	    "it with the names of tables and columns");
	request_fail(request, &error);
}

static void route_unsure(struct request *request)
{
	const char *when_unsure = request->router->config->when_unsure;

	if (strcmp(when_unsure, "model") == 0)
		ask_model_for_route(request);
	else if (strcmp(when_unsure, "refuse") == 0)
		refuse_unsure(request);
	else {
		metrics_add(request->router->metrics, METRIC_ROUTED_UNSURE, 1);
		route_decided(
		    request, "heuristic", strcmp(when_unsure, "sql") == 0 ? ROUTE_SQL : ROUTE_CHAT);
	}
}

static const struct classifier *classifier_of(const struct request *request)
{
	return request->database ? request->database->classifier
	                         : request->router->databases->classifier;
}

/* What was learnt, and SQL, say nothing of how sure words can be. */
static void count_judged(struct request *request)
{
	struct router *router = request->router;

	if (request->classification.is_sql_text)
		metrics_add(router->metrics, METRIC_ROUTED_SQL_TEXT, 1);
	else if (request->keyed != request->fixed)
		metrics_add(router->metrics, METRIC_ROUTED_CORRECTION, 1);
	else
		router_count_judged(router, request->classification.confidence);
}

static void classify_question(struct request *request)
{
	struct router *router = request->router;
	struct database *database = request->database;
	struct classify_options options = {
	    .min_confidence = router_min_confidence(router),
	    .has_history = request->history.data != NULL,
	};

	classify(request->asked, database ? database->vocabulary : NULL, classifier_of(request),
	    &options, &request->classification);
	request->classified = true;
	count_judged(request);
	request->confidence = request->classification.confidence;
}

/* A question that is itself SQL is run as it was written. */
static void run_text_as_sql(struct request *request)
{
	struct error error;

	request->via = "heuristic";
	metrics_add(request->router->metrics, METRIC_ROUTED_HEURISTIC, 1);
	if (!request->database) {
		databases_find(request->router->databases, BYTES_NONE, &error);
		request_fail(request, &error);
	} else if (request->asked.size > LIMIT_SQL_BYTES) {
		error_set(&error, ERROR_TOO_LARGE,
		    "the statement has %zu bytes; at most %d are accepted", request->asked.size,
		    LIMIT_SQL_BYTES);
		request_fail(request, &error);
	} else {
		buffer_append_bytes(&request->sql, request->asked);
		ask_statement(request);
	}
}

static void route(struct request *request)
{
	int64_t since_us = clock_now_us();

	if (request->fixed != REQUEST_AUTO) {
		request->via = "client";
		metrics_add(request->router->metrics, METRIC_ROUTED_CLIENT, 1);
		take_route(request, request->fixed == REQUEST_SQL ? ROUTE_SQL : ROUTE_CHAT);
		return;
	}
	classify_question(request);
	request_spent(request, TIME_ROUTE, &since_us);
	if (request->classification.is_sql_text)
		run_text_as_sql(request);
	else if (request->classification.route == ROUTE_UNSURE)
		route_unsure(request);
	else
		route_decided(request, "heuristic", request->classification.route);
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
	found = look_up(request, CACHE_STATEMENT, MESSAGE_ID_CACHED_STATEMENT, &record, &hit);
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

	if (!look_up(request, CACHE_CHAT, MESSAGE_ID_CACHED_CHAT, &record, &hit))
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
		    cache_generation(request->router->cache, stored[i], cache_index(request));
}

static enum request_route corrected(const struct request *request)
{
	static const enum request_route routes[] = {
	    [ROUTE_UNSURE] = REQUEST_AUTO, [ROUTE_SQL] = REQUEST_SQL, [ROUTE_CHAT] = REQUEST_CHAT};

	if (request->fixed != REQUEST_AUTO)
		return request->fixed;
	return routes[classifier_correction(classifier_of(request), request->asked)];
}

void ask_question(struct request *request)
{
	int64_t since_us = clock_now_us();
	bool found;

	note_generations(request);

	/* What was cached before the correction was for the other route. */
	request->keyed = corrected(request);
	found = request->keyed != REQUEST_CHAT && request->database && find_statement(request);
	request_spent(request, TIME_LOOKUP, &since_us);
	if (found)
		ask_statement(request);
	else if (request->keyed == REQUEST_SQL || !answer_chat_from_cache(request))
		route(request);
}
