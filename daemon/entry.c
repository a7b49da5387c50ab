#include "daemon/entry.h"

#include "daemon/ask.h"
#include "daemon/databases.h"
#include "daemon/examples.h"
#include "daemon/keys.h"
#include "daemon/router.h"

enum { STATEMENT_COST_US = 1000 }; /* where it was not measured */

struct bytes entry_question_key(struct request *request)
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

int entry_database(const struct request *request)
{
	return request->database ? request->database->cache_index : CACHE_NO_DATABASE;
}

bool entry_look_up(struct request *request, enum cache_type type, enum message_id record,
    void *ret_record, struct cache_hit *ret_hit)
{
	struct router *router = request->router;
	struct error error;

	if (request->no_cache)
		return false;
	buffer_reset(&router->value);
	return cache_get(router->cache, type, entry_database(request), entry_question_key(request),
	           request->max_age_ms, &router->value, ret_hit) == CACHE_OK &&
	       message_unpack(
	           &message_rows[record], bytes_of_buffer(&router->value), ret_record, &error) == 0;
}

void entry_store(struct request *request, enum cache_type type, int64_t ttl_ms, uint64_t cost_us,
    enum message_id record, const void *value)
{
	struct router *router = request->router;
	struct cache_put put = {
	    .type = type,
	    .database = entry_database(request),
	    .key = entry_question_key(request),
	    .ttl_ms = ttl_ms,
	    .cost_us = cost_us,
	    .generation = request->generations[type],
	};

	buffer_reset(&router->value);
	message_pack(&message_rows[record], value, &router->value);
	put.value = bytes_of_buffer(&router->value);
	cache_put(router->cache, &put);
}

uint64_t entry_cost_us(const struct request *request, enum reply_time which)
{
	return request->time_us[which] > 0 ? (uint64_t)request->time_us[which] : STATEMENT_COST_US;
}
