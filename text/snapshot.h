/*
 * One database's schema as the watcher saw it: the struct, its encoding, and the descriptor
 * that carries it. Immutable once decoded; every string lives in the snapshot's own arena.
 * The watcher builds one and encodes it; router, inference and database workers decode it.
 * Knows nothing of how a schema is read (worker/introspect.h) or what words mean
 * (text/vocabulary.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

/* pg_type.typcategory, folded to what matters for questions. */
enum column_kind {
	COLUMN_OTHER,
	COLUMN_INTEGER, /* int2, int4, int8 */
	COLUMN_NUMBER, /* numeric, float4, float8, money */
	COLUMN_TEXT,
	COLUMN_BOOLEAN,
	COLUMN_DATE,
	COLUMN_TIMESTAMP, /* with or without time zone */
	COLUMN_TIME,
	COLUMN_ENUM,
};

enum table_kind {
	TABLE_TABLE,
	TABLE_VIEW,
	TABLE_MATERIALIZED_VIEW,
	TABLE_FOREIGN,
	TABLE_PARTITIONED
};

struct snapshot_column {
	const char *name;
	const char *type; /* format_type(oid, typmod) */
	const char *comment; /* NULL: none */
	enum column_kind kind;
	bool nullable;
	bool unique; /* a one-column primary key or unique constraint */
	size_t label_count; /* enum labels, in their order */
	const char **labels;
	size_t sample_count; /* a few most common values, as PostgreSQL's text */
	const char **samples;
};

struct snapshot_foreign_key {
	size_t column_count;
	size_t *columns; /* indices into the table's columns */
	const char *ref_schema;
	const char *ref_table;
	const char **ref_columns; /* column_count names */
};

struct snapshot_table {
	const char *schema;
	const char *name;
	const char *comment; /* NULL: none */
	enum table_kind kind;
	bool readable; /* the role holds SELECT on it */
	int64_t row_estimate; /* -1: never analysed */
	size_t column_count;
	struct snapshot_column *columns;
	size_t primary_key_count;
	size_t *primary_key; /* indices into columns */
	size_t foreign_key_count;
	struct snapshot_foreign_key *foreign_keys;
};

struct snapshot {
	const char *database;
	char version[33]; /* hex of XXH3-128 over the encoded rest; names the schema version */
	size_t schema_count; /* the configured schemas, in search-path order */
	const char **schemas;
	size_t table_count; /* sorted by schema, name */
	struct snapshot_table *tables;
	/* Names outside pg_catalog that the search path reaches: they may shadow what we allow. */
	size_t function_count;
	const char **functions;
	size_t operator_count;
	const char **operators;
	size_t cast_type_count; /* types with a cast defined outside pg_catalog */
	const char **cast_types;
	void *arena; /* owner of all the above; snapshot_free */
};

/* Memory of one snapshot under construction; all builders below allocate from it. */
struct snapshot *snapshot_new(const char *database);
void *snapshot_alloc(struct snapshot *snapshot, size_t size); /* zeroed */
const char *snapshot_string(struct snapshot *snapshot, const char *data, size_t size);
void snapshot_free(struct snapshot *snapshot);

/* Sorts tables and lists, appends the MessagePack encoding and sets version from it. */
void snapshot_encode(struct snapshot *snapshot, struct buffer *ret_encoded);
/* 0, or -EBADMSG where the bytes are not a snapshot; ret_snapshot is for snapshot_free. */
int snapshot_decode(struct bytes encoded, struct snapshot **ret_snapshot);

/* A sealed memfd with the bytes (write-, grow- and shrink-sealed), or -errno. */
int snapshot_to_fd(struct bytes encoded, int *ret_fd);
/* Checks the seals, maps, decodes. Takes no ownership of fd. 0, -EBADMSG or -errno. */
int snapshot_from_fd(int fd, struct snapshot **ret_snapshot);

/* schema NULL: the first configured schema that has it. NULL where there is none. */
const struct snapshot_table *snapshot_find_table(
    const struct snapshot *snapshot, const char *schema, const char *name);
/* The index of the column, or -1. */
int snapshot_find_column(const struct snapshot_table *table, const char *name);
