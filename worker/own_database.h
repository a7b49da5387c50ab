/*
 * The one database that a database worker or a watcher belongs to, in the configuration that
 * the supervisor sent it. Pure; database.c and watcher.c decide what a change means.
 */
#pragma once

#include "common/bytes.h"
#include "common/child.h"

/* The one with a dsn: other databases' are not sent here. NULL where there is none. */
const struct child_database *own_database(const struct child_config *config);
/* Appends all on which a session depends: where it differs, a new connection is due. */
void own_database_session(const struct child_database *database, struct buffer *ret_facts);
