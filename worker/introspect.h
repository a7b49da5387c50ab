/*
 * Reads a database's schema over a pg_connection: the catalog queries in one repeatable-read
 * transaction, then a bounded look at the values of short text columns. Owns the order of what
 * is sent; what the results mean is schema_build.h's, when to read is watcher.c's.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "worker/pg_connection.h"
#include "worker/schema_build.h"

struct introspection {
	struct pg_connection *connection;
	struct schema_builder builder;
	bool sampling; /* the catalog is read */
	struct schema_place place; /* sampling: the column that was asked for */
	int64_t sample_until_ms;
	size_t command; /* of the group: whose results come next */
	int syncs_left;
	bool done;
	char failure[256]; /* done, and empty: the builder has a snapshot */
};

/* The connection must be free. Zero-initialise before the first. */
void introspection_start(struct introspection *introspection, struct pg_connection *connection,
    const struct child_database *database);
void introspection_deinit(struct introspection *introspection);
/* From the connection's callback; look at `done` afterwards. */
void introspection_result(struct introspection *introspection, const PGresult *result);
