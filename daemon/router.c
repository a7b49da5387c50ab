#include "daemon/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/log.h"
#include "daemon/classify_check.h"
#include "daemon/client.h"
#include "daemon/control.h"
#include "daemon/databases.h"
#include "daemon/permits.h"
#include "daemon/pool.h"
#include "shm/cache.h"
#include "shm/metrics.h"
#include "shm/segment.h"

enum { INFERENCE_JOBS_PER_WORKER = 8192 }; /* each provider has a limit and a queue of its own */

/* ---- what others say ---- */

static void copy(char *target, size_t size, struct bytes text)
{
	snprintf(target, size, "%.*s", (int)text.size, text.data ? text.data : "");
}

/* The first thing that is configured and does not serve; NULL: all does. */
static const char *first_trouble(const struct router *router)
{
	static char text[256];
	const struct database *database;

	for (database = databases_next(router->databases, NULL); database;
	     database = databases_next(router->databases, database)) {
		if (strcmp(database_state(database), "ready") == 0)
			continue;
		snprintf(text, sizeof(text), "database %s is %s%s%.160s", database->name,
		    database_state(database), database->reason[0] ? ": " : "", database->reason);
		return text;
	}
	for (size_t i = 0; i < router->child_count; i++) {
		const struct child_mirror *child = &router->children[i];

		if (strcmp(child->state, "backoff") != 0)
			continue;
		snprintf(text, sizeof(text), "%s worker %s %u keeps failing",
		    role_rows[child->role].name, child->database, child->index);
		return text;
	}
	for (size_t i = 0; i < router->provider_count; i++) {
		const struct provider_mirror *provider = &router->providers[i];

		if (strcmp(provider->state, "ready") == 0)
			continue;
		/* Not which: they come one after the other, and each text goes to systemd. */
		if (strcmp(provider->state, "connecting") == 0)
			return "no inference worker has told of all providers yet";
		snprintf(text, sizeof(text), "provider %s is %s: %.160s", provider->name,
		    provider->state, provider->last_error);
		return text;
	}
	return NULL;
}

const char *router_state(const struct router *router)
{
	if (router->child->stopping)
		return "stopping";
	return first_trouble(router) ? "degraded" : "ready";
}

void router_state_changed(struct router *router)
{
	const char *trouble = first_trouble(router);
	struct service_state_params params = {.degraded = trouble != NULL};
	char text[256];

	snprintf(
	    text, sizeof(text), "%s%s", trouble ? "degraded: " : "serving", trouble ? trouble : "");
	if (strcmp(text, router->last_state) == 0)
		return;
	snprintf(router->last_state, sizeof(router->last_state), "%s", text);
	params.text = bytes_of_string(text);
	child_notify(router->child, MESSAGE_ID_SERVICE_STATE, &params, -1);
}

static void take_database_state(struct router *router, const void *params)
{
	const struct database_state_params *said = params;
	struct database *database = databases_known(router->databases, said->database);

	if (database)
		database_set_state(database, said->state, said->reason);
}

static void take_provider_state(struct router *router, const void *params)
{
	const struct provider_state_params *said = params;

	for (size_t i = 0; i < router->provider_count; i++) {
		struct provider_mirror *provider = &router->providers[i];

		if (!bytes_equal_string(said->name, provider->name))
			continue;
		copy(provider->state, sizeof(provider->state), said->state);
		copy(provider->last_error, sizeof(provider->last_error), said->last_error);
		provider->latency_ms = said->latency_ms;
		provider->tokens_per_s = said->tokens_per_s;
	}
}

static struct child_mirror *find_child(
    struct router *router, enum role role, unsigned index, struct bytes database)
{
	for (size_t i = 0; i < router->child_count; i++) {
		struct child_mirror *child = &router->children[i];

		if (child->role == role && child->index == index &&
		    bytes_equal_string(database, child->database))
			return child;
	}
	return NULL;
}

static struct child_mirror *add_child(struct router *router)
{
	router->children =
	    must_realloc(router->children, (router->child_count + 1) * sizeof(*router->children));
	return &router->children[router->child_count++];
}

static void take_child_state(struct router *router, const void *params)
{
	const struct child_state_params *said = params;
	enum role role = (enum role)said->role;
	struct child_mirror *child =
	    find_child(router, role, (unsigned)said->index, said->database);

	if (bytes_equal_string(said->state, "gone")) {
		if (child)
			*child = router->children[--router->child_count];
		return;
	}
	if (!child)
		child = add_child(router);
	*child = (struct child_mirror){.role = role,
	    .index = (unsigned)said->index,
	    .pid = said->pid,
	    .restarts = said->restarts,
	    .since_ms = said->since_ms};
	copy(child->database, sizeof(child->database), said->database);
	copy(child->state, sizeof(child->state), said->state);
	copy(child->last_death, sizeof(child->last_death), said->last_death);
}

/* The router's end of a channel to a new worker. */
static void take_worker(struct router *router, const void *params)
{
	const struct worker_params *said = params;
	int fd = channel_take_fd(router->child->control);
	struct database *database;

	if (fd < 0) {
		log_error("the supervisor sent a worker without its descriptor");
		child_fail(router->child);
	}
	if (said->role == ROLE_INFERENCE) {
		pool_attach(router->inference, (unsigned)said->index, fd);
		return;
	}
	database = databases_known(router->databases, said->database);
	if (!database) {
		log_error("a worker of the unknown database %.*s came", (int)said->database.size,
		    said->database.data);
		close(fd);
	} else if (said->role == ROLE_WATCHER) {
		pool_attach(database->watcher, 0, fd);
	} else {
		pool_attach(database->pool, (unsigned)said->index, fd);
	}
}

/* Notifications that the router takes: from workers, and from the supervisor. */
static const struct {
	enum message_id id;
	void (*take)(struct router *router, const void *params);
} notifications[] = {
    {MESSAGE_ID_DATABASE_STATE, take_database_state},
    {MESSAGE_ID_PROVIDER_STATE, take_provider_state},
    {MESSAGE_ID_CHILD_STATE, take_child_state},
    {MESSAGE_ID_WORKER, take_worker},
};

void router_notified(void *owner, struct rpc_message *message)
{
	struct router *router = owner;
	union {
		struct database_state_params database;
		struct provider_state_params provider;
		struct child_state_params child;
		struct worker_params worker;
	} params;
	struct error error;
	struct bytes map;

	for (size_t i = 0; i < sizeof(notifications) / sizeof(notifications[0]); i++) {
		const struct message_row *row = &message_rows[notifications[i].id];

		if (!bytes_equal_string(message->method, row->method))
			continue;
		if (rpc_params_map(message->params, &map, &error) != 0 ||
		    message_unpack(row, map, &params, &error) != 0) {
			log_error("%s came with wrong parameters: %s", row->method, error.message);
			return;
		}
		notifications[i].take(router, &params);
		router_state_changed(router);
		return;
	}
	log_warning("\"%.*s\" is no notification for the router", (int)message->method.size,
	    message->method.data);
}

/* ---- the skeleton's callbacks ---- */

/* Other providers, or another version of the built-in one, may write other SQL. */
static void name_providers(struct router *router)
{
	const struct child_config *config = router->config;
	CLEAN(buffer) struct buffer all = BUFFER_INIT;

	buffer_printf(&all, "%s\n%s", PACKAGE_VERSION, config->prompts_version);
	for (size_t i = 0; i < config->provider_count; i++) {
		const struct child_provider *provider = &config->providers[i];

		buffer_printf(&all, "\n%s\t%s\t%lld\t%lld\t%s\t%s\t%s\t%s\t%s", provider->name,
		    provider->type, (long long)provider->max_tokens,
		    (long long)provider->max_prompt, provider->model ? provider->model : "",
		    provider->model_route ? provider->model_route : "",
		    provider->model_sql ? provider->model_sql : "",
		    provider->model_chat ? provider->model_chat : "",
		    provider->model_hard ? provider->model_hard : "");
	}
	/* Nor may a route that other rules gave go on in the cache. */
	for (size_t i = 0; i < config->keyword_count; i++)
		buffer_printf(&all, "\nk\t%s\t%s\t%s",
		    config->keywords[i].database ? config->keywords[i].database : "",
		    config->keywords[i].route, config->keywords[i].word);
	for (size_t i = 0; i < config->pattern_count; i++)
		buffer_printf(&all, "\np\t%s\t%s\t%g\t%s",
		    config->patterns[i].database ? config->patterns[i].database : "",
		    config->patterns[i].route, config->patterns[i].weight,
		    config->patterns[i].regex);
	snprintf(router->providers_version, sizeof(router->providers_version), "%016llx",
	    (unsigned long long)XXH3_64bits(all.data, all.size));
}

/* Which providers are configured; what they say of themselves comes from the workers. */
static void list_providers(struct router *router)
{
	const struct child_config *config = router->config;
	struct provider_mirror *old = router->providers;
	size_t old_count = router->provider_count;

	router->providers = must_zalloc((config->provider_count + 1) * sizeof(*router->providers));
	router->provider_count = config->provider_count;
	for (size_t i = 0; i < config->provider_count; i++) {
		struct provider_mirror *provider = &router->providers[i];

		copy(provider->name, sizeof(provider->name),
		    bytes_of_string(config->providers[i].name));
		copy(provider->state, sizeof(provider->state), bytes_of_string("connecting"));
		provider->latency_ms = FIELD_ABSENT;
		provider->tokens_per_s = (double)NAN;
		for (size_t k = 0; k < old_count; k++)
			if (strcmp(old[k].name, provider->name) == 0)
				*provider = old[k];
	}
	free(old);
}

static size_t inference_queue(const struct child_config *config)
{
	int64_t queue = 1;

	for (size_t i = 0; i < config->provider_count; i++)
		if (config->providers[i].queue > queue)
			queue = config->providers[i].queue;
	return (size_t)queue;
}

static void attach_segments(struct router *router)
{
	const char *instance = router->config->instance;
	int result = segment_attach_cache(instance, &router->cache);

	if (result == 0)
		result = segment_attach_metrics(instance, true, &router->metrics);
	if (result == 0)
		result = metrics_claim(router->metrics, ROLE_ROUTER, "", 0);
	if (result != 0) {
		log_error("cannot attach the shared memory of instance %s: %s", instance,
		    segment_attach_fault(result));
		child_fail(router->child);
	}
	cache_count_in(router->cache, router->metrics);
}

/* ---- how sure the heuristic must be ---- */

/* A new router goes on with what the one before it had counted. */
static void read_evidence(struct router *router)
{
	struct threshold_evidence *evidence = &router->evidence;
	struct metrics_sum sum;

	metrics_read(router->metrics, &sum);
	for (int i = 0; i < THRESHOLD_BINS; i++) {
		evidence->seen[i] = sum.counters[METRIC_ROUTE_SEEN_50 + i];
		evidence->asked[i] = sum.counters[METRIC_ROUTE_ASKED_50 + i];
		evidence->agreed[i] = sum.counters[METRIC_ROUTE_AGREED_50 + i];
		if (evidence->agreed[i] > evidence->asked[i])
			evidence->agreed[i] = evidence->asked[i];
	}
	router->auto_confidence = threshold_choose(evidence);
}

double router_min_confidence(const struct router *router)
{
	double configured = router->config->min_confidence;

	return configured < 0 ? router->auto_confidence : configured;
}

void router_count_judged(struct router *router, double confidence)
{
	unsigned bin = threshold_bin(confidence);

	router->evidence.seen[bin]++;
	metrics_add(router->metrics, METRIC_ROUTE_SEEN_50 + bin, 1);
}

void router_count_model(struct router *router, double confidence, bool agreed)
{
	unsigned bin = threshold_bin(confidence);

	router->evidence.asked[bin]++;
	metrics_add(router->metrics, METRIC_ROUTE_ASKED_50 + bin, 1);
	router->evidence.agreed[bin] += agreed;
	metrics_add(router->metrics, METRIC_ROUTE_AGREED_50 + bin, agreed);
	router->auto_confidence = threshold_choose(&router->evidence);
}

static void start(struct router *router)
{
	struct pool_options options = {
	    .name = "inference",
	    .worker_capacity = INFERENCE_JOBS_PER_WORKER,
	    .base = router->child->base,
	    .notified = router_notified,
	    .owner = router,
	};

	attach_segments(router);
	read_evidence(router);
	router->permits = permits_new();
	options.permits = router->permits;
	options.metrics = router->metrics;
	router->inference = pool_new(&options);
	router->databases = databases_new(router);
	router->clients = clients_new(router);
}

static void on_configure(struct child *child)
{
	struct router *router = child->owner;
	bool first = router->config == NULL;

	router->child = child;
	router->config = child->config;
	if (first)
		start(router);
	name_providers(router);
	list_providers(router);
	pool_set_queue_limit(router->inference, inference_queue(router->config));
	permits_configure(router->permits, router->config);
	databases_configure(router->databases);
	clients_set_limit(router->clients, router->config->max_clients);
	if (first)
		clients_listen(router->clients);
	child_ready(child);
	router_state_changed(router);
}

static void on_snapshot(struct child *child, struct bytes name, struct bytes version, int fd)
{
	struct router *router = child->owner;
	struct database *database = databases_known(router->databases, name);

	(void)version;
	if (!database)
		return;
	database_take_snapshot(database, fd);
	router_state_changed(router);
}

static void on_control(struct child *child, struct rpc_message *message)
{
	struct router *router = child->owner;

	if (message->type == RPC_RESPONSE)
		control_take_response(message);
	else if (message->type == RPC_NOTIFICATION)
		router_notified(router, message);
}

static void on_stop(struct child *child)
{
	struct router *router = child->owner;

	if (router->clients)
		clients_drain(router->clients);
	else
		child_exit(child);
}

static void on_deinit(struct child *child)
{
	struct router *router = child->owner;

	if (!router->clients)
		return;
	clients_free(router->clients);
	pool_free(router->inference);
	permits_free(router->permits);
	databases_free(router->databases);
	free(router->children);
	free(router->providers);
	buffer_deinit(&router->key);
	buffer_deinit(&router->value);
	buffer_deinit(&router->result_key);
	buffer_deinit(&router->result);
	buffer_deinit(&router->text);
}

int main(int argc, char **argv)
{
	static const struct child_ops ops = {
	    .configure = on_configure,
	    .snapshot = on_snapshot,
	    .control = on_control,
	    .stop = on_stop,
	    .deinit = on_deinit,
	};
	struct router router = {0};

	if (argc == 2 && strcmp(argv[1], "--check-patterns") == 0)
		return classify_check_patterns(CHILD_FD_CONTROL);
	return child_main(ROLE_ROUTER, &ops, &router, argc, argv);
}
