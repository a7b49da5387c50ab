/*
 * The method stats: the figures, and what the router itself knows.
 */
#include "common/clock.h"
#include "common/pack.h"
#include "daemon/client.h"
#include "daemon/databases.h"
#include "daemon/figures.h"
#include "daemon/methods.h"
#include "daemon/pool.h"
#include "daemon/router.h"
#include "shm/cache.h"
#include "shm/metrics.h"

static size_t in_flight_of(const struct router *router, const struct child_mirror *child)
{
	const struct database *database;

	if (child->role == ROLE_ROUTER)
		return clients_in_flight(router->clients);
	if (child->role == ROLE_INFERENCE)
		return pool_in_flight(router->inference, child->index);
	if (child->role != ROLE_DATABASE)
		return 0;
	database = databases_known(router->databases, bytes_of_string(child->database));
	return database ? pool_in_flight(database->pool, child->index) : 0;
}

static void pack_worker(
    const struct router *router, const struct child_mirror *child, struct buffer *message)
{
	bool has_database = child->database[0] != '\0';

	pack_map(message, 5u + has_database);
	pack_pair_string(message, "role", role_rows[child->role].name);
	if (has_database)
		pack_pair_string(message, "database", child->database);
	pack_pair_int(message, "pid", child->pid);
	pack_pair_string(message, "state", child->state);
	pack_pair_int(message, "restarts", child->restarts);
	pack_pair_int(message, "in_flight", (int64_t)in_flight_of(router, child));
}

static void pack_stats(struct router *router, struct buffer *message)
{
	struct metrics_sum sum;
	struct cache_usage usage;

	metrics_read(router->metrics, &sum);
	cache_usage(router->cache, &usage);
	pack_map(message, FIGURES_PAIRS + 3);
	figures_pack(&sum, &usage, message);
	pack_pair_float(message, "min_confidence", router_min_confidence(router));
	pack_string(message, "workers");
	pack_array(message, router->child_count);
	for (size_t i = 0; i < router->child_count; i++)
		pack_worker(router, &router->children[i], message);
	pack_pair_int(message, "uptime_s", (clock_now_ms() - router->config->started_ms) / 1000);
}

int stats_call(struct call *call, const void *params)
{
	struct router *router = client_router(call->client);
	struct buffer message = BUFFER_INIT;

	(void)params;
	message_pack_response_head(&message, call->msgid);
	pack_stats(router, &message);
	client_answer(call->client, &message);
	return 0;
}
