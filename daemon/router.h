/*
 * The router's own state, shared by the files that make it up: who serves what.
 *   client.h    connections, their requests, accepting and draining
 *   methods.h   the table of methods and who answers each
 *   ask.h       the way of one question or statement: cache, route, generate, execute, reply
 *   pool.h      worker pools: queues, jobs that several requests share, retries, cancellation
 *   permits.h   who may call which provider, and who waits for that
 *   databases.h the configured databases: schema, vocabulary, rules, pool
 *   reply.h     replies, spliced from encoded pairs
 * One thread, one loop; nothing here blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/role.h"
#include "daemon/threshold.h"

struct cache;
struct metrics;
struct client_set;
struct database_set;
struct permits;
struct pool;

/* What the supervisor told about one child. */
struct child_mirror {
	enum role role;
	unsigned index;
	char database[LIMIT_NAME_BYTES + 1];
	int64_t pid, restarts, since_ms;
	char state[16];
	char last_death[256];
};

struct provider_mirror {
	char name[LIMIT_NAME_BYTES + 1];
	char state[16];
	char last_error[512];
	int64_t latency_ms; /* FIELD_ABSENT: not known */
	double tokens_per_s; /* NaN: not known */
};

struct router {
	struct child *child;
	const struct child_config *config;
	struct cache *cache;
	struct metrics *metrics;
	struct client_set *clients;
	struct database_set *databases;
	struct pool *inference;
	struct permits *permits;
	char providers_version[17]; /* hex hash of what can change generated SQL; in keys */

	struct child_mirror *children;
	size_t child_count;
	struct provider_mirror *providers;
	size_t provider_count;
	struct threshold_evidence evidence; /* as the counters have it */
	double auto_confidence; /* routing.min_confidence: auto */
	char last_state[256]; /* as the supervisor knows it */

	/* Scratch of the request being looked up; valid until the next one. */
	struct buffer key, value, result_key, result, text;
};

/* A worker's notification (database_state, provider_state); `owner` is the router. */
void router_notified(void *owner, struct rpc_message *message);

/* routing.min_confidence, or what evidence says. */
double router_min_confidence(const struct router *router);
/* Counts what the heuristic said of a text; and later whether a model agreed. */
void router_count_judged(struct router *router, double confidence);
void router_count_model(struct router *router, double confidence, bool agreed);

/* "ready", "degraded" or "stopping"; degraded: something configured does not serve. */
const char *router_state(const struct router *router);
/* Tells the supervisor when that changed. */
void router_state_changed(struct router *router);
