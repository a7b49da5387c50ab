/*
 * Shared by schema_build.c and schema_outside.c: cells of catalog results, and the functions that
 * take them, one per query. For these two files alone.
 */
#pragma once

#include <stdlib.h>

#include "common/bytes.h"
#include "worker/schema_build.h"

/* Rows first to end of a result that share their table, or table and column. */
struct run {
	int first, end;
};

static inline struct bytes cell(const PGresult *result, int row, int field)
{
	if (PQgetisnull(result, row, field))
		return BYTES_NONE;
	return bytes_of(PQgetvalue(result, row, field), (size_t)PQgetlength(result, row, field));
}

static inline Oid cell_oid(const PGresult *result, int row, int field)
{
	return (Oid)strtoul(PQgetvalue(result, row, field), NULL, 10);
}

static inline bool cell_bool(const PGresult *result, int row, int field)
{
	return *PQgetvalue(result, row, field) == 't';
}

/* NULL for NULL and for what is not UTF-8, as from a database in SQL_ASCII. */
static inline const char *cell_string(
    struct schema_builder *builder, const PGresult *result, int row, int field)
{
	struct bytes text = cell(result, row, field);

	if (!text.data || !bytes_are_utf8(text))
		return NULL;
	return snapshot_string(builder->snapshot, text.data, text.size);
}

static inline struct run run_at(const PGresult *result, int first, int fields)
{
	struct run run = {first, first + 1};

	for (; run.end < PQntuples(result); run.end++)
		for (int field = 0; field < fields; field++)
			if (!bytes_equal(cell(result, first, field), cell(result, run.end, field)))
				return run;
	return run;
}

/* NULL for a table past the limit. */
struct schema_table_id *schema_find_id(const struct schema_builder *builder, Oid oid);
struct snapshot_table *schema_table_of(
    const struct schema_builder *builder, const struct schema_table_id *id);

/* All give 0 or -EBADMSG. */
int schema_take_names(struct schema_builder *builder, const PGresult *result,
    const char ***ret_names, size_t *ret_count);
int schema_take_functions(struct schema_builder *builder, const PGresult *result);
int schema_take_operators(struct schema_builder *builder, const PGresult *result);
int schema_take_types(struct schema_builder *builder, const PGresult *result);
int schema_take_cast_types(struct schema_builder *builder, const PGresult *result);
int schema_take_catalog_calls(struct schema_builder *builder, const PGresult *result);
int schema_take_views(struct schema_builder *builder, const PGresult *result);
int schema_take_uses(struct schema_builder *builder, const PGresult *result);
