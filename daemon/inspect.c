/*
 * The methods that explain and answer no question: route, check, prompt, schema, ping.
 */
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/pack.h"
#include "daemon/ask.h"
#include "daemon/classify.h"
#include "daemon/databases.h"
#include "daemon/examples.h"
#include "daemon/methods.h"
#include "daemon/request.h"
#include "daemon/router.h"
#include "daemon/schema_reply.h"
#include "daemon/teach.h"
#include "text/normalise.h"

enum { PROTOCOL_VERSION = 1 };

/* validate_us FIELD_ABSENT: nothing was validated. */
static void pack_times(struct buffer *message, int64_t arrived_us, int64_t validate_us)
{
	pack_string(message, "timing_us");
	pack_map(message, validate_us == FIELD_ABSENT ? 1 : 2);
	pack_pair_int(message, "total", clock_now_us() - arrived_us);
	if (validate_us != FIELD_ABSENT)
		pack_pair_int(message, "validate", validate_us);
}

int route_call(struct call *call, const void *params)
{
	const struct route_params *asked = params;
	struct router *router = client_router(call->client);
	struct database *database =
	    databases_find(router->databases, asked->database, &call->error);
	struct classify_options options = {.min_confidence = router_min_confidence(router)};
	struct classification result;
	struct buffer message = BUFFER_INIT;

	if (!database && asked->database.data)
		return (int)call->error.code;
	if (normalise_is_blank(asked->text))
		return error_set(&call->error, ERROR_BAD_REQUEST, "\"text\" is blank");
	if (!teach_route(database, asked->text, &result))
		classify(asked->text, database ? database->vocabulary : NULL,
		    database ? database->classifier : router->databases->classifier, &options,
		    &result);
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 4);
	pack_pair_string(&message, "route", route_name(result.route));
	pack_pair_float(&message, "confidence", result.confidence);
	pack_string(&message, "reasons");
	reply_pack_reasons(&result, NULL, NULL, &message);
	pack_times(&message, call->arrived_us, FIELD_ABSENT);
	client_answer(call->client, &message);
	return 0;
}

/* Ends a request with what a worker has encoded, and the time it took. */
static void answer_pairs(struct request *request, struct bytes pairs, int64_t validate_us)
{
	struct buffer message = BUFFER_INIT;
	struct pack_counted_map map;

	message_pack_response_head(&message, request->msgid);
	map = pack_map_begin(&message);
	reply_splice(&message, &map, pairs);
	pack_times(&message, request->arrived_us, validate_us);
	map.pairs++;
	pack_map_end(&message, &map);
	request_answer_message(request, &message);
}

/* ---- check: the validator lives in the database workers ---- */

static void checked(struct request *request, const struct job_outcome *outcome)
{
	struct validate_result result;
	struct error error;

	if (message_unpack(&validate_result_row, outcome->result, &result, &error) != 0) {
		error_set(
		    &error, ERROR_INTERNAL, "a database worker sent a verdict that can't be read");
		request_fail(request, &error);
		return;
	}
	answer_pairs(request, result.pairs, result.validate_us);
}

int check_call(struct call *call, const void *params)
{
	const struct check_params *asked = params;
	struct router *router = client_router(call->client);
	struct validate_params job = {.sql = asked->sql};
	struct request on_stack, *request;

	request_init(&on_stack, call);
	on_stack.database = databases_find(router->databases, asked->database, &call->error);
	if (!on_stack.database)
		return (int)call->error.code;
	on_stack.deadline_ms = call->arrived_us / 1000 + DEFAULT_TIMEOUT_MS;
	on_stack.no_cache = true; /* shares nothing: a verdict is cheap */
	request = request_keep(&on_stack);
	request_submit(
	    request, request->database->pool, BYTES_NONE, MESSAGE_ID_VALIDATE, &job, checked);
	return 0;
}

/* ---- prompt: the inference workers compose it ---- */

static void composed(struct request *request, const struct job_outcome *outcome)
{
	struct compose_result result;
	struct error error;

	if (message_unpack(&compose_result_row, outcome->result, &result, &error) != 0) {
		error_set(
		    &error, ERROR_INTERNAL, "an inference worker sent a prompt that can't be read");
		request_fail(request, &error);
		return;
	}
	answer_pairs(request, result.pairs, FIELD_ABSENT);
}

int prompt_call(struct call *call, const void *params)
{
	CLEAN(buffer) struct buffer examples = BUFFER_INIT;
	const struct prompt_params *asked = params;
	struct router *router = client_router(call->client);
	struct compose_params job;
	struct request on_stack, *request;
	int result = ask_check_history(asked->history, &call->error);

	if (result != 0)
		return result;
	if (normalise_is_blank(asked->question))
		return error_set(&call->error, ERROR_BAD_REQUEST, "\"question\" is blank");
	request_init(&on_stack, call);
	on_stack.database = databases_find(router->databases, asked->database, &call->error);
	if (!on_stack.database && asked->database.data)
		return (int)call->error.code;
	if (on_stack.database && !on_stack.database->snapshot)
		return database_not_ready(on_stack.database, &call->error);
	on_stack.deadline_ms = call->arrived_us / 1000 + DEFAULT_TIMEOUT_MS;
	on_stack.no_cache = true; /* shares nothing: a prompt is cheap */
	message_init(&message_rows[MESSAGE_ID_COMPOSE], &job);
	job.job = asked->job.data ? asked->job : bytes_of_string("sql");
	job.question = asked->question;
	job.history = asked->history;
	if (on_stack.database)
		job.database = bytes_of_string(on_stack.database->name);
	if (on_stack.database && bytes_equal_string(job.job, "sql") &&
	    examples_pick(on_stack.database->examples, asked->question, &examples))
		job.examples = bytes_of_buffer(&examples);
	request = request_keep(&on_stack);
	request_submit(request, router->inference, BYTES_NONE, MESSAGE_ID_COMPOSE, &job, composed);
	return 0;
}

int schema_call(struct call *call, const void *params)
{
	const struct schema_params *asked = params;
	struct router *router = client_router(call->client);
	struct database *database =
	    databases_find(router->databases, asked->database, &call->error);
	struct buffer message = BUFFER_INIT;
	int result;

	if (!database)
		return (int)call->error.code;
	if (!database->snapshot)
		return database_not_ready(database, &call->error);
	message_pack_response_head(&message, call->msgid);
	result = schema_reply_pack(database->snapshot, asked->table, &message, &call->error);
	if (result != 0)
		buffer_deinit(&message);
	else
		client_answer(call->client, &message);
	return result;
}

int ping_call(struct call *call, const void *params)
{
	const struct child_config *config = client_router(call->client)->config;
	struct buffer message = BUFFER_INIT;

	(void)params;
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 4);
	pack_pair_string(&message, "version", PACKAGE_VERSION);
	pack_pair_int(&message, "protocol", PROTOCOL_VERSION);
	pack_pair_string(&message, "instance", config->instance);
	pack_pair_int(&message, "uptime_s", (clock_now_ms() - config->started_ms) / 1000);
	client_answer(call->client, &message);
	return 0;
}
