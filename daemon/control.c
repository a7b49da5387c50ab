/*
 * The methods of the control socket: flush, reset_stats, reload, status.
 */
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/pack.h"
#include "daemon/client.h"
#include "daemon/control.h"
#include "daemon/databases.h"
#include "daemon/methods.h"
#include "daemon/router.h"
#include "shm/cache.h"
#include "shm/metrics.h"
#include "text/snapshot.h"

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

static uint64_t result_count(struct cache *cache)
{
	struct cache_usage usage;

	cache_usage(cache, &usage);
	return usage.entries[CACHE_RESULT];
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
	*ret_flushed = result_count(router->cache);
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
	message_pack_response_head(&message, call->msgid);
	pack_map(&message, 0);
	client_answer(call->client, &message);
	return 0;
}

/* ---- reload: the supervisor reads the file ---- */

struct reload {
	struct pending pending;
	LIST_ENTRY(reload) link;
	uint32_t request_msgid; /* on the control channel */
};

static LIST_HEAD(, reload) reloads = LIST_HEAD_INITIALIZER(reloads);
static uint32_t last_request_msgid;

static void reload_abandon(struct pending *pending)
{
	struct reload *reload =
	    (struct reload *)(void *)((char *)pending - offsetof(struct reload, pending));

	LIST_REMOVE(reload, link);
	free(reload);
}

int reload_call(struct call *call, const void *params)
{
	struct router *router = client_router(call->client);
	struct reload *reload = must_zalloc(sizeof(*reload));
	struct reload_request_params none = {0};
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	(void)params;
	reload->pending.abandon = reload_abandon;
	reload->request_msgid = ++last_request_msgid;
	LIST_INSERT_HEAD(&reloads, reload, link);
	client_pend(call->client, call->msgid, &reload->pending);
	message_pack_request(&message, reload->request_msgid, MESSAGE_ID_RELOAD_REQUEST, &none);
	channel_send(router->child->control, bytes_of_buffer(&message));
	return 0;
}

static void answer_reload(struct reload *reload, const struct rpc_message *response)
{
	struct client *client = reload->pending.client;
	struct buffer message = BUFFER_INIT;
	struct error error;

	client_unpend(&reload->pending);
	if (!response->error.data) {
		message_pack_response_head(&message, reload->pending.msgid);
		buffer_append_bytes(&message, response->result);
		client_answer(client, &message);
	} else {
		if (message_unpack_error(response->error, &error) != 0)
			error_set(&error, ERROR_INTERNAL, "the supervisor's answer can't be read");
		client_answer_error(client, reload->pending.msgid, &error);
	}
	reload_abandon(&reload->pending);
}

void control_take_response(const struct rpc_message *response)
{
	struct reload *reload;

	LIST_FOREACH(reload, &reloads, link)
	{
		if (reload->request_msgid == response->msgid) {
			answer_reload(reload, response);
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

static void pack_provider(const struct provider_mirror *provider, struct buffer *message)
{
	bool failed = provider->last_error[0] != '\0';
	bool timed = provider->latency_ms != FIELD_ABSENT;
	bool counted = !isnan(provider->tokens_per_s);

	pack_map(message, 2u + failed + timed + counted);
	pack_pair_string(message, "name", provider->name);
	pack_pair_string(message, "state", provider->state);
	if (failed)
		pack_pair_string(message, "last_error", provider->last_error);
	if (timed)
		pack_pair_int(message, "latency_ms", provider->latency_ms);
	if (counted)
		pack_pair_float(message, "tokens_per_s", provider->tokens_per_s);
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
		pack_provider(&router->providers[i], &message);
	client_answer(call->client, &message);
	return 0;
}
