/*
 * The reply of the method schema, from a snapshot. What only we need (samples, what shadows
 * pg_catalog) stays out of it.
 */
#pragma once

#include "common/bytes.h"
#include "common/error.h"

struct snapshot;

/* Appends the result map; table absent: all, else "table" or "schema.table". 0, or
 * ERROR_BAD_REQUEST where there is no such table. */
int schema_reply_pack(const struct snapshot *snapshot, struct bytes table, struct buffer *message,
    struct error *ret_error);
