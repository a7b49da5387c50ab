/*
 * The self-check of the role at connect: one query that finds the first thing by which the role
 * could do more than read, and says how to take it away. RELIABILITY: the last layer against
 * hostile SQL is a role that can do nothing else.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

/* $1: the configured schemas as text[]. */
const char *pg_role_query(void);
/* Whether the query's result refuses the role; ret_reason then names what and the remedy. */
bool pg_role_refused(const PGresult *result, char *ret_reason, size_t reason_size);
