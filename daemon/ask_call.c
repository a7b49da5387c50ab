/*
 * The methods ask and sql: what the tables of messages can't check, and the start of a request.
 */
#include "common/msgpack_scan.h"
#include "daemon/ask.h"
#include "daemon/databases.h"
#include "daemon/methods.h"
#include "daemon/router.h"
#include "shm/metrics.h"
#include "text/normalise.h"

static int bad_history(struct error *error)
{
	return error_set(error, ERROR_BAD_REQUEST,
	    "\"history\" must be a list of maps with \"role\" (user or assistant) and \"content\"");
}

static bool turn_is_sound(struct bytes *rest)
{
	struct msgpack_element element;
	struct bytes key, value;
	bool role = false, content = false;

	if (!msgpack_read_element(rest, &element, NULL) || element.kind != MSGPACK_MAP ||
	    element.count != 2)
		return false;
	for (int i = 0; i < 2; i++) {
		if (!msgpack_read_element(rest, &element, &key) ||
		    !msgpack_read_element(rest, &element, &value) || element.kind != MSGPACK_STR ||
		    !bytes_are_utf8(value))
			return false;
		role |=
		    bytes_equal_string(key, "role") &&
		    (bytes_equal_string(value, "user") || bytes_equal_string(value, "assistant"));
		content |= bytes_equal_string(key, "content");
	}
	return role && content;
}

int ask_check_history(struct bytes history, struct error *error)
{
	struct msgpack_element element;

	if (!history.data)
		return 0;
	if (!msgpack_read_element(&history, &element, NULL) || element.kind != MSGPACK_ARRAY)
		return bad_history(error);
	for (uint32_t left = element.count; left > 0; left--)
		if (!turn_is_sound(&history))
			return bad_history(error);
	return 0;
}

static int fixed_from_name(struct bytes name, enum request_route *ret_fixed, struct error *error)
{
	*ret_fixed = REQUEST_AUTO;
	if (!name.data)
		return 0;
	for (int i = REQUEST_AUTO; i <= REQUEST_CHAT; i++) {
		if (bytes_equal_string(name, ask_routes[i])) {
			*ret_fixed = (enum request_route)i;
			return 0;
		}
	}
	return error_set(error, ERROR_BAD_REQUEST, "\"route\" must be auto, sql or chat");
}

static int64_t or_default(int64_t value, int64_t fallback)
{
	return value == FIELD_ABSENT ? fallback : value;
}

static void set_limits(
    struct request *request, int64_t limit, int64_t max_age_ms, int64_t timeout_ms)
{
	int64_t rows = request->database ? request->database->limit_rows : 1;

	request->limit = limit == FIELD_ABSENT || limit > rows ? rows : limit;
	request->max_age_ms = or_default(max_age_ms, -1);
	request->deadline_ms =
	    request->arrived_us / 1000 + or_default(timeout_ms, DEFAULT_TIMEOUT_MS);
}

static int blank(const char *name, struct error *error)
{
	return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is blank", name);
}

int ask_call(struct call *call, const void *params)
{
	const struct ask_params *asked = params;
	struct request request;
	int result;

	request_init(&request, call);
	if (normalise_is_blank(asked->question))
		return blank("question", &call->error);
	result = fixed_from_name(asked->route, &request.fixed, &call->error);
	if (result == 0)
		result = ask_check_history(asked->history, &call->error);
	if (result != 0)
		return result;
	request.database = databases_find(request.router->databases, asked->database, &call->error);
	if (!request.database && asked->database.data)
		return (int)call->error.code;
	request.no_cache = asked->no_cache;
	request.stream = asked->stream;
	request.explain = asked->explain;
	set_limits(&request, asked->limit, asked->max_age_ms, asked->timeout_ms);
	buffer_reset(&request.router->text);
	if (normalise(asked->question, &request.router->text) != 0)
		return error_set(&call->error, ERROR_BAD_REQUEST, "\"question\" is not UTF-8");
	request.asked = asked->question;
	request.question = bytes_of_buffer(&request.router->text);
	request.history = asked->history;
	metrics_add(request.router->metrics, METRIC_REQUESTS, 1);
	ask_question(&request);
	return 0;
}

int sql_call(struct call *call, const void *params)
{
	const struct sql_params *asked = params;
	struct request request;

	request_init(&request, call);
	if (normalise_is_blank(asked->sql))
		return blank("sql", &call->error);
	request.database = databases_find(request.router->databases, asked->database, &call->error);
	if (!request.database)
		return (int)call->error.code;
	request.fixed = REQUEST_SQL;
	request.via = "client";
	request.no_cache = asked->no_cache;
	request.stream = asked->stream;
	request.explain = asked->explain;
	set_limits(&request, asked->limit, asked->max_age_ms, asked->timeout_ms);
	metrics_add(request.router->metrics, METRIC_REQUESTS, 1);
	buffer_append_bytes(&request.sql, asked->sql);
	ask_statement(&request);
	return 0;
}
