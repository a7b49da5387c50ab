/*
 * The methods teach and examples. A statement that is taught is checked and planned by a database
 * worker; then the supervisor keeps it and sends it back with the configuration.
 */
#include "daemon/teach.h"

#include "common/pack.h"
#include "daemon/control.h"
#include "daemon/databases.h"
#include "daemon/examples.h"
#include "daemon/methods.h"
#include "daemon/request.h"
#include "daemon/router.h"
#include "text/normalise.h"
#include "text/snapshot.h"

/* As `provider` in replies, where a provider's name would stand. */
static const char taught_name[] = "taught";

/* ---- answering ---- */

static void classify_taught(struct classification *ret_found)
{
	*ret_found = (struct classification){.route = ROUTE_SQL,
	    .lean = ROUTE_SQL,
	    .confidence = 1,
	    .reason_count = 1,
	    .reasons = {{.signal = taught_name, .weight = 1}}};
}

bool teach_answers(struct request *request)
{
	static const size_t empty_list = 1;
	struct bytes sql;

	/* Behind other turns the same words may ask for something else. */
	if (!request->database || request->fixed == REQUEST_CHAT ||
	    request->history.size > empty_list)
		return false;
	sql = examples_taught(request->database->examples, request->question);
	if (!sql.data)
		return false;
	buffer_append_bytes(&request->sql, sql);
	buffer_append_string(&request->provider, taught_name);
	request->has_statement = true;
	request->via = "client";
	if (request->fixed != REQUEST_AUTO)
		return true;
	request->via = "heuristic";
	request->confidence = 1;
	request->classified = true;
	classify_taught(&request->classification);
	return true;
}

bool teach_has_answered(const struct request *request)
{
	return bytes_equal_string(bytes_of_buffer(&request->provider), taught_name);
}

bool teach_route(
    const struct database *database, struct bytes text, struct classification *ret_found)
{
	CLEAN(buffer) struct buffer normal = BUFFER_INIT;

	if (!database || normalise(text, &normal) != 0 ||
	    !examples_taught(database->examples, bytes_of_buffer(&normal)).data)
		return false;
	classify_taught(ret_found);
	return true;
}

/* ---- teach ---- */

static struct teach_request_params pair_of(const struct request *request)
{
	return (struct teach_request_params){.question = request->question,
	    .sql = request->sql.size > 0 ? bytes_of_buffer(&request->sql) : BYTES_NONE,
	    .database = bytes_of_string(request->database->name)};
}

/* The request has the schema's version that it was planned by as its text. */
static void planned(struct request *request, const struct job_outcome *outcome)
{
	const struct database *database = request->database;
	struct teach_request_params pair = pair_of(request);

	(void)outcome;
	if (database->snapshot && bytes_equal_string(request->asked, database->snapshot->version))
		examples_vouch(database->examples, pair.question, pair.sql);
	control_forward(request->client, request->msgid, MESSAGE_ID_TEACH_REQUEST, &pair);
	request_hand_over(request);
}

/* As it is compared and kept. */
static int read_question(struct request *request, struct bytes question, struct error *error)
{
	struct buffer *text = &request->router->text;

	buffer_reset(text);
	if (normalise(question, text) != 0)
		return error_set(error, ERROR_BAD_REQUEST, "\"question\" is not UTF-8");
	request->question = examples_form(bytes_of_buffer(text));
	if (request->question.size == 0)
		return error_set(error, ERROR_BAD_REQUEST, "\"question\" is blank");
	if (request->question.size > LIMIT_EXAMPLE_QUESTION_BYTES)
		return error_set(error, ERROR_TOO_LARGE, "\"question\" has over %d bytes",
		    LIMIT_EXAMPLE_QUESTION_BYTES);
	return 0;
}

static void plan(struct request *request)
{
	struct execute_params job;

	request = request_keep(request);
	examples_plan_job(
	    bytes_of_buffer(&request->sql), request->database->snapshot->version, &job);
	request_submit(
	    request, request->database->pool, BYTES_NONE, MESSAGE_ID_EXECUTE, &job, planned);
}

int teach_call(struct call *call, const void *params)
{
	const struct teach_params *asked = params;
	struct teach_request_params pair;
	struct request request;
	int result;

	request_init(&request, call);
	result = read_question(&request, asked->question, &call->error);
	if (result != 0)
		return result;
	request.database = databases_find(request.router->databases, asked->database, &call->error);
	if (!request.database)
		return (int)call->error.code;
	if (asked->sql.size == 0) {
		pair = pair_of(&request);
		control_forward(call->client, call->msgid, MESSAGE_ID_TEACH_REQUEST, &pair);
		return 0;
	}
	if (!request.database->snapshot)
		return database_not_ready(request.database, &call->error);
	request.asked = bytes_of_string(request.database->snapshot->version);
	request.deadline_ms = call->arrived_us / 1000 + DEFAULT_TIMEOUT_MS;
	request.no_cache = true; /* shares nothing */
	buffer_append_bytes(&request.sql, asked->sql);
	plan(&request);
	return 0;
}

/* ---- examples ---- */

int examples_call(struct call *call, const void *params)
{
	const struct examples_params *asked = params;
	const struct database_set *set = client_router(call->client)->databases;
	struct buffer message = BUFFER_INIT;
	const struct database *database = NULL;
	uint32_t count = 0;
	size_t at;

	if (asked->database.data) {
		database = databases_find(set, asked->database, &call->error);
		if (!database)
			return (int)call->error.code;
	}
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 1);
	pack_string(&message, "examples");
	at = pack_array_begin(&message);
	if (database)
		count = examples_pack(database->examples, &message);
	else
		while ((database = databases_next(set, database)))
			count += examples_pack(database->examples, &message);
	pack_array_end(&message, at, count);
	client_answer(call->client, &message);
	return 0;
}
