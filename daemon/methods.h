/*
 * The methods that clients call: one table of who may call each and who answers it. The
 * parameters are unpacked and checked before a handler runs.
 */
#pragma once

#include "common/channel.h"
#include "common/message.h"

struct client;

/* One call, checked; handed to a handler, which answers now or pends. */
struct call {
	struct client *client;
	uint32_t msgid;
	enum message_id id;
	int64_t arrived_us;
	struct error error; /* scratch for the handler */
};

/* Answers a request of a client, or hands it to who will. */
void methods_call(struct client *client, const struct rpc_message *message);

/* Handlers: 0 where it was answered or pends, else the code of call->error, which is sent. */
typedef int method_handler(struct call *call, const void *params);
method_handler ask_call, sql_call, route_call, check_call, prompt_call, schema_call, stats_call,
    ping_call;
method_handler cache_verify_call, cache_top_call;
method_handler flush_call, reset_stats_call, reload_call, status_call, learn_call, teach_call,
    examples_call;
