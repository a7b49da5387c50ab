#include "daemon/databases.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/log.h"
#include "daemon/classify.h"
#include "daemon/examples.h"
#include "daemon/pool.h"
#include "daemon/router.h"
#include "shm/cache.h"
#include "text/snapshot.h"
#include "text/vocabulary.h"

/* Log-odds: enough to turn an ordinary text. */
#define KEYWORD_WEIGHT 3.0

/* A step is some tenths of a millisecond, and what is readable comes between two. */
enum { STEP_WORDS = 500, FIRST_STEPS = 8 };

struct database_set *databases_new(struct router *router)
{
	struct database_set *set = must_zalloc(sizeof(*set));

	TAILQ_INIT(&set->list);
	set->router = router;
	return set;
}

static void database_free(struct database *database)
{
	examples_free(database->examples);
	pool_free(database->pool);
	pool_free(database->watcher);
	classifier_free(database->classifier);
	vocabulary_build_free(database->build);
	vocabulary_free(database->vocabulary);
	if (database->vocabulary_snapshot != database->snapshot)
		snapshot_free(database->vocabulary_snapshot);
	snapshot_free(database->snapshot);
	event_free(database->build_event);
	free(database->name);
	free(database);
}

void databases_free(struct database_set *set)
{
	struct database *database;

	while ((database = TAILQ_FIRST(&set->list))) {
		TAILQ_REMOVE(&set->list, database, link);
		database_free(database);
	}
	classifier_free(set->classifier);
	free(set);
}

struct database *databases_known(const struct database_set *set, struct bytes name)
{
	struct database *database;

	TAILQ_FOREACH(database, &set->list, link)
	if (bytes_equal_string(name, database->name))
		return database;
	return NULL;
}

struct database *databases_next(const struct database_set *set, const struct database *after)
{
	struct database *database = after ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&set->list);

	while (database && !database->configured)
		database = TAILQ_NEXT(database, link);
	return database;
}

struct database *databases_find(
    const struct database_set *set, struct bytes name, struct error *ret_error)
{
	struct database *database =
	    name.data ? databases_known(set, name) : databases_next(set, NULL);

	if (database && database->configured)
		return database;
	if (name.data)
		error_set(ret_error, ERROR_UNKNOWN_DATABASE,
		    "there is no database \"%.*s\"; `optimaxctl status` lists those that are "
		    "configured",
		    (int)name.size, name.data);
	else
		error_set(ret_error, ERROR_UNKNOWN_DATABASE,
		    "no database is configured; add one under databases: in the configuration");
	return NULL;
}

/* ---- the vocabulary: built between requests, and swapped in whole ---- */

static void swap_vocabulary(struct database *database, struct vocabulary *vocabulary)
{
	vocabulary_free(database->vocabulary);
	if (database->vocabulary_snapshot != database->snapshot)
		snapshot_free(database->vocabulary_snapshot);
	database->vocabulary = vocabulary;
	database->vocabulary_snapshot = database->snapshot;
	database->build = NULL;
}

/* True where it is done. */
static bool build_some(struct database *database, size_t words)
{
	static const struct timeval at_once = {0};
	struct vocabulary *vocabulary = vocabulary_build_step(database->build, words);

	if (vocabulary)
		swap_vocabulary(database, vocabulary);
	else
		event_add(database->build_event, &at_once);
	return vocabulary != NULL;
}

static void on_build(evutil_socket_t fd, short what, void *argument)
{
	struct database *database = argument;

	(void)fd;
	(void)what;
	if (database->build && build_some(database, STEP_WORDS))
		router_state_changed(database->router);
}

static struct database *database_add(struct database_set *set, const char *name)
{
	struct database *database = must_zalloc(sizeof(*database));
	struct router *router = set->router;
	struct pool_options options = {
	    .worker_capacity = 1,
	    .base = router->child->base,
	    .metrics = router->metrics,
	    .notified = router_notified,
	    .owner = router,
	};

	database->name = must_strdup(name);
	database->router = router;
	database->build_event = event_new(router->child->base, -1, 0, on_build, database);
	if (!database->build_event)
		abort();
	database->cache_index = cache_database(router->cache, bytes_of_string(name));
	if (database->cache_index == CACHE_NO_DATABASE)
		log_warning("the cache has known %d databases since optimaxd was started; results "
		            "of \"%s\" are not cached until it is restarted",
		    CACHE_DATABASES_MAX, name);
	options.name = database->name;
	database->pool = pool_new(&options);
	database->examples = examples_new(database->name, database->pool);
	options.worker_capacity = 0;
	database->watcher = pool_new(&options);
	snprintf(database->state, sizeof(database->state), "connecting");
	TAILQ_INSERT_TAIL(&set->list, database, link);
	return database;
}

static enum route rule_route(const char *name)
{
	return strcmp(name, "sql") == 0 ? ROUTE_SQL : ROUTE_CHAT;
}

/* The user's keywords, patterns and corrections as one list of rules. */
static struct classifier_rule *rules_of(const struct child_config *config, size_t *ret_count)
{
	size_t count = config->keyword_count + config->pattern_count + config->correction_count;
	size_t n = 0;
	struct classifier_rule *rules = must_zalloc((count + 1) * sizeof(*rules));

	for (size_t i = 0; i < config->keyword_count; i++) {
		const struct child_keyword *keyword = &config->keywords[i];

		rules[n++] = (struct classifier_rule){.database = keyword->database,
		    .route = rule_route(keyword->route),
		    .text = keyword->word,
		    .weight = KEYWORD_WEIGHT};
	}
	for (size_t i = 0; i < config->pattern_count; i++) {
		const struct child_pattern *pattern = &config->patterns[i];

		rules[n++] = (struct classifier_rule){.database = pattern->database,
		    .route = rule_route(pattern->route),
		    .text = pattern->regex,
		    .weight = pattern->weight,
		    .is_pattern = true};
	}
	for (size_t i = 0; i < config->correction_count; i++) {
		const struct child_correction *correction = &config->corrections[i];

		rules[n++] = (struct classifier_rule){.database = correction->database,
		    .route = rule_route(correction->route),
		    .text = correction->text,
		    .is_correction = true};
	}
	*ret_count = count;
	return rules;
}

/* A pattern that does not compile leaves the old rules in force, or none at the start. */
static void compile_rules(
    const struct child_config *config, const char *database, struct classifier **classifier)
{
	CLEAN(free) struct classifier_rule *rules = NULL;
	struct classifier *compiled;
	char fault[512];
	size_t count;

	rules = rules_of(config, &count);
	compiled = classifier_new(rules, count, database, fault, sizeof(fault));
	if (!compiled) {
		log_error("routing.patterns can't be used, the router goes on without: %s", fault);
		if (*classifier)
			return;
		compiled = classifier_new(NULL, 0, database, fault, sizeof(fault));
	}
	classifier_free(*classifier);
	*classifier = compiled;
}

static void hash_texts(XXH3_state_t *state, char *const *texts, size_t count)
{
	XXH3_128bits_update(state, &count, sizeof(count));
	for (size_t i = 0; i < count; i++)
		XXH3_128bits_update(state, texts[i], strlen(texts[i]) + 1);
}

static void set_policy(struct database *database, const struct child_database *from)
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	if (!state)
		abort();
	XXH3_128bits_reset(state);
	hash_texts(state, from->allow_functions, from->allow_function_count);
	hash_texts(state, from->allow_tables, from->allow_table_count);
	hash_texts(state, from->allow_views, from->allow_view_count);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	snprintf(database->policy, sizeof(database->policy), "%016" PRIx64 "%016" PRIx64,
	    hash.high64, hash.low64);
}

/* Moves it to the end, so that the list ends up in the order configured. */
static void database_configure(
    struct database_set *set, struct database *database, const struct child_database *from)
{
	char policy[sizeof(database->policy)];

	TAILQ_REMOVE(&set->list, database, link);
	TAILQ_INSERT_TAIL(&set->list, database, link);
	database->configured = true;
	database->limit_rows = from->limit_rows;
	database->limit_bytes = from->limit_bytes;
	memcpy(policy, database->policy, sizeof(policy));
	set_policy(database, from);
	if (strcmp(policy, database->policy) != 0)
		examples_policy_changed(database->examples);
	pool_set_queue_limit(database->pool, (size_t)from->queue);
	pool_set_size(database->pool, (unsigned)from->workers);
	compile_rules(set->router->config, database->name, &database->classifier);
	examples_configure(database->examples, set->router->config);
}

void databases_configure(struct database_set *set)
{
	const struct child_config *config = set->router->config;
	struct database *database;

	TAILQ_FOREACH(database, &set->list, link)
	database->configured = false;
	for (size_t i = 0; i < config->database_count; i++) {
		const struct child_database *from = &config->databases[i];

		database = databases_known(set, bytes_of_string(from->name));
		if (!database)
			database = database_add(set, from->name);
		database_configure(set, database, from);
	}
	compile_rules(config, NULL, &set->classifier);
}

void database_take_snapshot(struct database *database, int fd)
{
	struct snapshot *snapshot;

	if (snapshot_from_fd(fd, &snapshot) != 0) {
		log_error("database %s: a schema came that can't be read; the old one stays",
		    database->name);
		return;
	}
	vocabulary_build_free(database->build);
	if (database->snapshot != database->vocabulary_snapshot)
		snapshot_free(database->snapshot);
	database->snapshot = snapshot;
	examples_schema_changed(database->examples, snapshot->version);
	database->build = vocabulary_build_new(snapshot);
	/* A small schema is there at once. */
	for (int i = 0; i < FIRST_STEPS && database->build; i++)
		build_some(database, STEP_WORDS);
}

static void copy(char *target, size_t size, struct bytes text)
{
	snprintf(target, size, "%.*s", (int)text.size, text.data ? text.data : "");
}

void database_set_state(struct database *database, struct bytes state, struct bytes reason)
{
	copy(database->state, sizeof(database->state), state);
	copy(database->reason, sizeof(database->reason), reason);
}

const char *database_state(const struct database *database)
{
	bool waits = strcmp(database->state, "ready") == 0 && !database->vocabulary;

	return waits ? "connecting" : database->state;
}

int database_not_ready(const struct database *database, struct error *ret_error)
{
	error_set(ret_error, ERROR_DATABASE_UNAVAILABLE, "database \"%s\": %s", database->name,
	    database->reason[0] ? database->reason : "its schema has not been read yet");
	ret_error->retryable = strcmp(database->state, "refused") != 0;
	return (int)ret_error->code;
}
