/*
 * The methods of the control socket: flush, reset_stats, status; and those that the supervisor
 * answers: reload, learn, cache_verify, cache_top.
 */
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/pack.h"
#include "daemon/classify.h"
#include "daemon/client.h"
#include "daemon/control.h"
#include "daemon/databases.h"
#include "daemon/methods.h"
#include "daemon/permits.h"
#include "daemon/router.h"
#include "shm/cache.h"
#include "shm/metrics.h"
#include "text/snapshot.h"

enum { TOP_DEFAULT = 20 };

/* ---- flush ---- */

static const struct {
	const char *name;
	unsigned type_mask;
} flush_types[] = {
    {"route", 1u << CACHE_ROUTE},
    {"chat", 1u << CACHE_CHAT},
    {"sql", 1u << CACHE_STATEMENT | 1u << CACHE_RESULT},
    {"llm", 1u << CACHE_LLM},
};

static int flush_mask(struct bytes type, unsigned *ret_mask, struct error *error)
{
	*ret_mask = 0;
	for (size_t i = 0; i < sizeof(flush_types) / sizeof(flush_types[0]); i++)
		if (!type.data || bytes_equal_string(type, flush_types[i].name))
			*ret_mask |= flush_types[i].type_mask;
	if (*ret_mask == 0)
		return error_set(
		    error, ERROR_BAD_REQUEST, "\"type\" must be route, chat, sql or llm");
	return 0;
}

/* "table" or "schema.table", of a schema that is known. */
static const struct snapshot_table *find_table(const struct database *database, struct bytes name)
{
	CLEAN(free) char *copy = bytes_to_string(name);
	char *dot;

	if (!database->snapshot)
		return NULL;
	dot = strchr(copy, '.');
	if (!dot)
		return snapshot_find_table(database->snapshot, NULL, copy);
	*dot = '\0';
	return snapshot_find_table(database->snapshot, copy, dot + 1);
}

/* Results that read the table become stale, as if its data had changed. */
static int flush_table(struct router *router, const struct database *database, struct bytes name,
    uint64_t *ret_flushed, struct error *error)
{
	const struct snapshot_table *table = find_table(database, name);

	if (!table)
		return error_set(error, ERROR_BAD_REQUEST,
		    "there is no table \"%.*s\" in database \"%s\"", (int)name.size, name.data,
		    database->name);
	/* Which of them read it would take a walk. */
	*ret_flushed = cache_count(router->cache, 1u << CACHE_RESULT, database->cache_index);
	cache_touch(router->cache, database->cache_index,
	    cache_relation(
	        router->cache, bytes_of_string(table->schema), bytes_of_string(table->name)));
	return 0;
}

static int flush(struct router *router, const struct flush_params *asked, uint64_t *ret_flushed,
    struct error *error)
{
	struct database *database = NULL;
	unsigned mask;
	int result = flush_mask(asked->type, &mask, error);

	if (result != 0)
		return result;
	if (asked->database.data) {
		database = databases_find(router->databases, asked->database, error);
		if (!database)
			return (int)error->code;
	}
	if (!asked->table.data) {
		*ret_flushed = cache_flush(
		    router->cache, mask, database ? database->cache_index : CACHE_NO_DATABASE);
		return 0;
	}
	if (!database)
		return error_set(error, ERROR_BAD_REQUEST, "\"table\" needs \"database\"");
	return flush_table(router, database, asked->table, ret_flushed, error);
}

int flush_call(struct call *call, const void *params)
{
	struct buffer message = BUFFER_INIT;
	uint64_t flushed = 0;
	int result = flush(client_router(call->client), params, &flushed, &call->error);

	if (result != 0)
		return result;
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 1);
	pack_pair_int(&message, "flushed", (int64_t)flushed);
	client_answer(call->client, &message);
	return 0;
}

int reset_stats_call(struct call *call, const void *params)
{
	struct buffer message = BUFFER_INIT;

	(void)params;
	metrics_reset(client_router(call->client)->metrics);
	client_router(call->client)->evidence = (struct threshold_evidence){0};
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 0);
	client_answer(call->client, &message);
	return 0;
}

/* ---- what the supervisor does: reload, and looking into the cache ---- */

struct forward {
	struct pending pending;
	LIST_ENTRY(forward) link;
	enum message_id id;
	uint32_t request_msgid; /* on the control channel */
};

static LIST_HEAD(, forward) forwards = LIST_HEAD_INITIALIZER(forwards);
static uint32_t last_request_msgid;

static void forward_abandon(struct pending *pending)
{
	struct forward *forward =
	    (struct forward *)(void *)((char *)pending - offsetof(struct forward, pending));

	LIST_REMOVE(forward, link);
	free(forward);
}

void control_forward(struct client *client, uint32_t msgid, enum message_id id, const void *params)
{
	struct router *router = client_router(client);
	struct forward *forward = must_zalloc(sizeof(*forward));
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	forward->pending.abandon = forward_abandon;
	forward->id = id;
	forward->request_msgid = ++last_request_msgid;
	LIST_INSERT_HEAD(&forwards, forward, link);
	client_pend(client, msgid, &forward->pending);
	message_pack_request(&message, forward->request_msgid, id, params);
	channel_send(router->child->control, bytes_of_buffer(&message));
}

static void forward_call(struct call *call, enum message_id id, const void *params)
{
	control_forward(call->client, call->msgid, id, params);
}

int reload_call(struct call *call, const void *params)
{
	struct reload_request_params none = {0};

	(void)params;
	forward_call(call, MESSAGE_ID_RELOAD_REQUEST, &none);
	return 0;
}

int learn_call(struct call *call, const void *params)
{
	static const char *const routes[] = {"sql", "chat", "auto"};
	const struct learn_params *asked = params;
	struct learn_request_params request = {.route = asked->route};
	CLEAN(buffer) struct buffer folded = BUFFER_INIT;
	bool is_route = false;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		is_route = is_route || bytes_equal_string(asked->route, routes[i]);
	if (!is_route)
		return error_set(
		    &call->error, ERROR_BAD_REQUEST, "\"route\" must be sql, chat or auto");
	if (!classify_fold(asked->text, &folded))
		return error_set(&call->error, ERROR_BAD_REQUEST,
		    "\"text\" has nothing in it that could be learnt");
	if (asked->database.data) {
		if (!databases_find(
		        client_router(call->client)->databases, asked->database, &call->error))
			return (int)call->error.code;
		request.database = asked->database;
	}
	request.text = bytes_of_buffer(&folded);
	forward_call(call, MESSAGE_ID_LEARN_REQUEST, &request);
	return 0;
}

int cache_verify_call(struct call *call, const void *params)
{
	struct inspect_cache_params inspect = {
	    .job = bytes_of_string("verify"), .limit = FIELD_ABSENT};

	(void)params;
	forward_call(call, MESSAGE_ID_INSPECT_CACHE, &inspect);
	return 0;
}

int cache_top_call(struct call *call, const void *params)
{
	const struct cache_top_params *asked = params;
	struct inspect_cache_params inspect = {
	    .job = bytes_of_string("top"),
	    .by = asked->by.data ? asked->by : bytes_of_string("size"),
	    .type = asked->type,
	    .limit = asked->limit == FIELD_ABSENT ? TOP_DEFAULT : asked->limit,
	};
	unsigned mask;

	if (!bytes_equal_string(inspect.by, "size") && !bytes_equal_string(inspect.by, "use") &&
	    !bytes_equal_string(inspect.by, "cost"))
		return error_set(
		    &call->error, ERROR_BAD_REQUEST, "\"by\" must be size, use or cost");
	if (flush_mask(asked->type, &mask, &call->error) != 0)
		return (int)call->error.code;
	forward_call(call, MESSAGE_ID_INSPECT_CACHE, &inspect);
	return 0;
}

/* The result as the client gets it; false where it can't be read. */
static bool append_result(enum message_id id, struct bytes result, struct buffer *message)
{
	struct inspect_cache_result inspected;
	struct error error;

	if (id == MESSAGE_ID_INSPECT_CACHE) {
		if (message_unpack(&inspect_cache_result_row, result, &inspected, &error) != 0)
			return false;
		result = inspected.pairs;
	}
	buffer_append_bytes(message, result);
	return true;
}

static void answer_forward(struct forward *forward, const struct rpc_message *response)
{
	struct client *client = forward->pending.client;
	struct buffer message = BUFFER_INIT;
	struct error error;

	client_unpend(&forward->pending);
	error_set(&error, ERROR_INTERNAL, "the supervisor's answer can't be read");
	message_pack_response_head(&message, forward->pending.msgid);
	if (!response->error.data && append_result(forward->id, response->result, &message)) {
		client_answer(client, &message);
	} else {
		if (response->error.data)
			message_unpack_error(response->error, &error);
		buffer_deinit(&message);
		client_answer_error(client, forward->pending.msgid, &error);
	}
	forward_abandon(&forward->pending);
}

void control_take_response(const struct rpc_message *response)
{
	struct forward *forward;

	LIST_FOREACH(forward, &forwards, link)
	{
		if (forward->request_msgid == response->msgid) {
			answer_forward(forward, response);
			return;
		}
	}
}

/* ---- status ---- */

static void pack_child(const struct child_mirror *child, struct buffer *message)
{
	bool has_database = child->database[0] != '\0', died = child->last_death[0] != '\0';

	pack_map(message, 5u + has_database + died);
	pack_pair_string(message, "role", role_rows[child->role].name);
	if (has_database)
		pack_pair_string(message, "database", child->database);
	pack_pair_int(message, "pid", child->pid);
	pack_pair_string(message, "state", child->state);
	pack_pair_int(message, "restarts", child->restarts);
	pack_pair_int(message, "uptime_s", (clock_now_ms() - child->since_ms) / 1000);
	if (died)
		pack_pair_string(message, "last_death", child->last_death);
}

static void pack_databases(const struct database_set *set, struct buffer *message)
{
	const struct database *database;
	size_t at = pack_array_begin(message);
	uint32_t count = 0;

	for (database = databases_next(set, NULL); database;
	     database = databases_next(set, database), count++) {
		bool has_reason = database->reason[0] != '\0';

		pack_map(message, 2u + has_reason);
		pack_pair_string(message, "name", database->name);
		pack_pair_string(message, "state", database_state(database));
		if (has_reason)
			pack_pair_string(message, "reason", database->reason);
	}
	pack_array_end(message, at, count);
}

static void pack_provider(
    const struct router *router, const struct provider_mirror *provider, struct buffer *message)
{
	struct permits_use use;
	bool limited = permits_use(router->permits, bytes_of_string(provider->name), &use);
	bool failed = provider->last_error[0] != '\0';
	bool timed = provider->latency_ms != FIELD_ABSENT;
	bool counted = !isnan(provider->tokens_per_s);

	pack_map(message, 2u + failed + timed + counted + (limited ? 3 : 0));
	pack_pair_string(message, "name", provider->name);
	pack_pair_string(message, "state", provider->state);
	if (failed)
		pack_pair_string(message, "last_error", provider->last_error);
	if (timed)
		pack_pair_int(message, "latency_ms", provider->latency_ms);
	if (counted)
		pack_pair_float(message, "tokens_per_s", provider->tokens_per_s);
	if (!limited)
		return;
	pack_pair_int(message, "calls", (int64_t)use.out);
	pack_pair_int(message, "concurrency", (int64_t)use.limit);
	pack_pair_int(message, "waiting", (int64_t)use.waiting);
}

int status_call(struct call *call, const void *params)
{
	struct router *router = client_router(call->client);
	struct buffer message = BUFFER_INIT;

	(void)params;
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 6);
	pack_pair_string(&message, "state", router_state(router));
	pack_pair_int(&message, "supervisor_pid", router->config->supervisor_pid);
	pack_pair_string(&message, "instance", router->config->instance);
	pack_string(&message, "children");
	pack_array(&message, router->child_count);
	for (size_t i = 0; i < router->child_count; i++)
		pack_child(&router->children[i], &message);
	pack_string(&message, "databases");
	pack_databases(router->databases, &message);
	pack_string(&message, "providers");
	pack_array(&message, router->provider_count);
	for (size_t i = 0; i < router->provider_count; i++)
		pack_provider(router, &router->providers[i], &message);
	client_answer(call->client, &message);
	return 0;
}
