/*
 * The databases that the router serves, in the order configured: limits, state, schema,
 * vocabulary, rules of classification, and the pool of workers. Lives from configuration to
 * configuration: what goes on under the same name keeps its schema and its workers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/error.h"

struct classifier;
struct examples;
struct pool;
struct router;
struct event;
struct snapshot;
struct vocabulary;
struct vocabulary_build;

struct database {
	TAILQ_ENTRY(database) link;
	char *name;
	bool configured; /* false: was removed by a reload; waits for its workers to end */
	int64_t limit_rows, limit_bytes;
	char policy[33]; /* hash of databases[].allow: what it refuses must not come from the cache
	                  */
	int cache_index; /* cache_database() */
	char state[16]; /* ready, connecting, down or refused */
	char reason[512]; /* why not ready; empty where it is */
	struct snapshot *snapshot; /* NULL: no schema has come yet */
	struct vocabulary *vocabulary; /* of the snapshot, or of the one before while it is built */
	struct snapshot *vocabulary_snapshot; /* what the vocabulary was built from */
	struct vocabulary_build *build; /* NULL: the vocabulary is that of the snapshot */
	struct event *build_event;
	struct router *router;
	struct classifier *classifier;
	struct pool *pool;
	struct examples *examples;
	struct pool *watcher; /* of one, which gets no jobs and tells the state */
};

struct database_set {
	TAILQ_HEAD(, database) list;
	struct router *router;
	struct classifier *classifier; /* for texts where no database is configured */
};

struct database_set *databases_new(struct router *router);
void databases_free(struct database_set *set);

/* Adopts router->config. */
void databases_configure(struct database_set *set);
/* name.data NULL: the first one. NULL with ERROR_UNKNOWN_DATABASE where there is none. */
struct database *databases_find(
    const struct database_set *set, struct bytes name, struct error *ret_error);
/* The next one that is configured; NULL starts and ends. */
struct database *databases_next(const struct database_set *set, const struct database *after);
/* Also those that were removed and still have workers. NULL: none. */
struct database *databases_known(const struct database_set *set, struct bytes name);

/* A schema has come. */
void database_take_snapshot(struct database *database, int fd);
void database_set_state(struct database *database, struct bytes state, struct bytes reason);
/* What it is for who asks: without a schema it is not ready, whatever its watcher said. */
const char *database_state(const struct database *database);
/* Where there is no schema yet: why, as an error for a client. */
int database_not_ready(const struct database *database, struct error *ret_error);
