/*
 * Which way a question goes: the client's wish, a correction, the classification, or a provider.
 */
#include "daemon/ask.h"

#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/databases.h"
#include "daemon/entry.h"
#include "daemon/router.h"
#include "shm/metrics.h"
#include "text/snapshot.h"

static void take_route(struct request *request, enum route route)
{
	if (route == ROUTE_SQL)
		ask_generate_sql(request);
	else
		ask_generate(request, "chat", CACHE_CHAT, ask_generated);
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
	entry_store(request, CACHE_ROUTE, request->router->config->ttl_route_ms,
	    (uint64_t)result.generate_us, MESSAGE_ID_CACHED_ROUTE, &record);
	route_decided(request, "model", route_from_name(result.route));
}

static void ask_model_for_route(struct request *request)
{
	struct cached_route_params record;
	struct cache_hit hit;

	if (entry_look_up(request, CACHE_ROUTE, MESSAGE_ID_CACHED_ROUTE, &record, &hit)) {
		request->confidence = 1.0;
		route_decided(request, "model", route_from_name(record.route));
		return;
	}
	ask_generate(request, "route", CACHE_ROUTE, route_generated);
}

static void refuse_unsure(struct request *request)
{
	struct error error;

	metrics_add(request->router->metrics, METRIC_ROUTED_REFUSED, 1);
	error_set(&error, ERROR_UNANSWERABLE,
	    "it is not clear whether this asks for data; say so with route: sql or chat");
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

void ask_route(struct request *request)
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

enum request_route ask_corrected(const struct request *request)
{
	static const enum request_route routes[] = {
	    [ROUTE_UNSURE] = REQUEST_AUTO, [ROUTE_SQL] = REQUEST_SQL, [ROUTE_CHAT] = REQUEST_CHAT};

	if (request->fixed != REQUEST_AUTO)
		return request->fixed;
	return routes[classifier_correction(classifier_of(request), request->asked)];
}
