/*
 * Questions that the administrator taught the SQL of: state_dir/taught. A record's key is the
 * question, as the router has made it, and its value the statement, which a database worker has
 * allowed; the router gets them with its configuration, among the examples.
 */
#pragma once

#include "daemon/state_records.h"

extern const struct state_kind taught_kind;

/* How many are kept of one database. */
size_t taught_count(const struct state_records *taught, const char *database);
