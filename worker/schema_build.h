/*
 * Builds a snapshot from the results of the catalog queries, one result after the other in the
 * order of enum schema_query. Pure: sends nothing (introspect.h does). Rows are the server's and
 * are checked; a value that cannot stand in a snapshot is left out, a name that cannot is an error.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "text/snapshot.h"

enum schema_query {
	SCHEMA_FINGERPRINT, /* must be first */
	SCHEMA_SCHEMAS,
	SCHEMA_TABLES, /* before what refers to tables */
	SCHEMA_COLUMNS,
	SCHEMA_LABELS,
	SCHEMA_CONSTRAINTS,
	SCHEMA_UNIQUE,
	SCHEMA_SAMPLES,
	SCHEMA_FUNCTIONS,
	SCHEMA_OPERATORS,
	SCHEMA_TYPES,
	SCHEMA_CAST_TYPES,
	SCHEMA_CATALOG_CALLS,
	SCHEMA_VIEWS,
	SCHEMA_USES, /* by views, and by the types of columns */
	SCHEMA_QUERY_COUNT
};

/* Macros, as they stand in the text of queries too. */
#define SCHEMA_TABLES_MAX     10000
#define SCHEMA_VIEW_BYTES_MAX 32768 /* of a definition; longer ones are not looked into */
#define SCHEMA_SAMPLES_MAX    50 /* of one column; with more distinct values it has none */
enum { SCHEMA_SAMPLE_BYTES_MAX = 64 };

/* A column by its place in the snapshot. */
struct schema_place {
	size_t table, column;
};

struct schema_table_id {
	Oid oid;
	size_t table;
	int *attnums; /* of its columns, ascending */
	bool *many; /* of its columns: too many values to sample them */
};

struct schema_builder {
	struct snapshot *snapshot;
	size_t id_count;
	struct schema_table_id *ids; /* sorted by oid */
	size_t *id_of_table; /* indices into ids */
	XXH3_state_t *structure; /* hash of all but estimates and samples */
	char fingerprint[33];
	size_t private_count;
	char **private_columns; /* [schema.]table.column: no values of theirs are taken */
};

/* The SQL of a query; $1 is the configured schemas as text[], $2 the private columns as text[]. */
const char *schema_query_sql(enum schema_query query);
int schema_query_parameters(enum schema_query query); /* how many it has */

void schema_builder_init(struct schema_builder *builder, const char *database);
/* Before the first result. Names without a schema mean every schema's. */
void schema_builder_keep_private(
    struct schema_builder *builder, char *const *columns, size_t count);
/* When all results are there: a private column that no table has, or NULL; *at starts with 0. A
 * name that is misspelled keeps nothing private. */
const char *schema_builder_unknown_private(const struct schema_builder *builder, size_t *at);
/* Frees what is left; take the snapshot out before. */
void schema_builder_deinit(struct schema_builder *builder);

/* 0, or -EBADMSG where the server's answer cannot stand in a snapshot. */
int schema_builder_take(
    struct schema_builder *builder, enum schema_query query, const PGresult *result);
uint64_t schema_builder_structure(const struct schema_builder *builder);

/* The next column after *place (start with table SIZE_MAX) worth a bounded look at its values:
 * readable text of a table, without samples, not known to have many. False: no more. */
bool schema_builder_unsampled(const struct schema_builder *builder, struct schema_place *place);
/* One-column rows of distinct values; taken only where they are few. */
void schema_builder_take_samples(
    struct schema_builder *builder, struct schema_place place, const PGresult *result);

/* Where an estimate has hardly moved, the earlier one stays: such a change alone is not worth
 * handing out a schema for. */
void schema_keep_estimates(struct snapshot *snapshot, const struct snapshot *before);
