/*
 * Writes a query as one SELECT: names quoted only where they must be, literals escaped, an
 * order that is the same each time.
 */
#pragma once

#include "common/bytes.h"
#include "worker/builtin/query.h"

void query_write(const struct query *query, struct buffer *ret_sql);
/* Appends 'text', as a literal of standard_conforming_strings. */
void query_append_literal(struct buffer *buffer, struct bytes text);
/* Appends the name of a table or column, quoted only where it must be. */
void query_append_name(struct buffer *sql, const char *name);
const char *query_compare_sql(enum compare compare);
