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

/* What a name may mean beside PostgreSQL's own: a function, an operator, a type, or the type of a
 * cast. Overloads are one. */
struct snapshot_object {
	const char *schema, *name;
	const char *extension; /* NULL: none brought it */
	bool shadows; /* pg_catalog has the name too */
	bool pure; /* immutable, whichever is called */
};

struct snapshot_objects {
	size_t count;
	struct snapshot_object *items; /* sorted by name */
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
	bool row_security; /* which rows are seen depends on who reads */
	const char *refusal; /* why no statement may read it; NULL: it may, where it is readable */
	bool foreign_parts; /* a partition or child of it is a foreign table */
	/* Functions from outside pg_catalog that reading it may call: in a view's body, in checks
	 * of its columns' domains, in casts that PostgreSQL puts in by itself. */
	struct snapshot_objects functions;
	/* Of a view or materialized view. */
	bool invoker; /* reads with the rights of who asks, not of its owner */
	const char *definition; /* as pg_get_viewdef writes it; NULL: none, or too long */
	struct snapshot_objects operators; /* used by it, from outside pg_catalog */
	struct snapshot_objects reads; /* relations, by schema and name */
};

struct snapshot {
	const char *database;
	/* Hex of XXH3-128: what names the schema, and so is in every key of the cache, is of all
	 * but row estimates and samples, which ANALYZE changes; the other is of all bytes. */
	char version[33], revision[33];
	size_t schema_count; /* the configured schemas, in search-path order */
	const char **schemas;
	size_t table_count; /* sorted by schema, name */
	struct snapshot_table *tables;
	/* Outside pg_catalog, in the configured schemas: they may shadow what we allow. */
	struct snapshot_objects functions, operators, types;
	struct snapshot_objects
	    cast_types; /* that a cast from outside leads to, wherever they are */
	/* Sorted names of pg_catalog's functions that take one argument: t.name may call them. */
	size_t catalog_call_count;
	const char **catalog_calls;
	void *arena; /* owner of all the above; snapshot_free */
};

/* Memory of one snapshot under construction; all builders below allocate from it. */
struct snapshot *snapshot_new(const char *database);
void *snapshot_alloc(struct snapshot *snapshot, size_t size); /* zeroed */
const char *snapshot_string(struct snapshot *snapshot, const char *data, size_t size);
void snapshot_free(struct snapshot *snapshot);

/* Sorts tables and lists, appends the MessagePack encoding, sets version and revision. */
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
/* Whether the column is part of the primary key or of a foreign one, as declared. */
bool snapshot_is_in_key(const struct snapshot_table *table, size_t column);
/* The first of its name; those of the same name in other schemas follow it. NULL: none. */
const struct snapshot_object *snapshot_find_object(
    const struct snapshot_objects *objects, const char *name);
/* The next of the same name, or NULL. */
const struct snapshot_object *snapshot_next_object(
    const struct snapshot_objects *objects, const struct snapshot_object *object);
/* Whether statements may read it: what is offered to those who write them. */
bool snapshot_is_open(const struct snapshot_table *table);
bool snapshot_is_catalog_call(const struct snapshot *snapshot, const char *name);
/* The index of the column, or -1. */
int snapshot_find_column(const struct snapshot_table *table, const char *name);
