#include "daemon/methods.h"

#include "common/clock.h"
#include "daemon/client.h"

static const struct {
	enum message_id id;
	method_handler *handler;
} methods[] = {
    {MESSAGE_ID_ASK, ask_call},
    {MESSAGE_ID_SQL, sql_call},
    {MESSAGE_ID_ROUTE, route_call},
    {MESSAGE_ID_CHECK, check_call},
    {MESSAGE_ID_PROMPT, prompt_call},
    {MESSAGE_ID_SCHEMA, schema_call},
    {MESSAGE_ID_STATS, stats_call},
    {MESSAGE_ID_PING, ping_call},
    {MESSAGE_ID_FLUSH, flush_call},
    {MESSAGE_ID_CACHE_VERIFY, cache_verify_call},
    {MESSAGE_ID_CACHE_TOP, cache_top_call},
    {MESSAGE_ID_RESET_STATS, reset_stats_call},
    {MESSAGE_ID_RELOAD, reload_call},
    {MESSAGE_ID_STATUS, status_call},
    {MESSAGE_ID_LEARN, learn_call},
    {MESSAGE_ID_TEACH, teach_call},
    {MESSAGE_ID_EXAMPLES, examples_call},
};

enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]) };

/* Room for the parameters of any method. */
union any_params {
	struct ask_params ask;
	struct sql_params sql;
	struct route_params route;
	struct check_params check;
	struct prompt_params prompt;
	struct schema_params schema;
	struct stats_params stats;
	struct ping_params ping;
	struct flush_params flush;
	struct cache_verify_params cache_verify;
	struct cache_top_params cache_top;
	struct reset_stats_params reset_stats;
	struct reload_params reload;
	struct status_params status;
	struct learn_params learn;
	struct teach_params teach;
	struct examples_params examples;
};

static int find_method(struct client *client, struct bytes method, struct error *error)
{
	for (int i = 0; i < METHOD_COUNT; i++) {
		const struct message_row *row = &message_rows[methods[i].id];

		if (!bytes_equal_string(method, row->method))
			continue;
		if (row->from == END_CONTROL && !client_is_control(client)) {
			error_set(error, ERROR_FORBIDDEN,
			    "\"%s\" is a method of the control socket", row->method);
			return -1;
		}
		return i;
	}
	error_set(error, ERROR_UNKNOWN_METHOD, "there is no method \"%.*s\"",
	    bytes_are_utf8(method) && method.size < 64 ? (int)method.size : 0, method.data);
	return -1;
}

void methods_call(struct client *client, const struct rpc_message *message)
{
	struct call call = {
	    .client = client, .msgid = message->msgid, .arrived_us = clock_now_us()};
	union any_params params;
	struct bytes map;
	int result = ERROR_UNKNOWN_METHOD, index;

	index = find_method(client, message->method, &call.error);
	if (index >= 0) {
		call.id = methods[index].id;
		result = rpc_params_map(message->params, &map, &call.error);
		if (result == 0)
			result = message_unpack(&message_rows[call.id], map, &params, &call.error);
		if (result == 0)
			result = methods[index].handler(&call, &params);
	}
	if (result != 0)
		client_answer_error(client, message->msgid, &call.error);
}
