/*
 * What a session must look like before anything of a client runs in it: the settings, as one
 * statement with parameters. Knows nothing of connections; pg_connection.h sends it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

enum { PG_SESSION_PARAMETERS = 4 };

struct pg_session {
	char *schemas; /* as a text[] literal, for queries about the configured schemas */
	char *search_path; /* quoted, in order; pg_catalog comes first by itself */
	char statement_timeout[24], lock_timeout[24], idle_timeout[24];
};

void pg_session_init(struct pg_session *session, const char *const *schemas, size_t schema_count,
    int64_t statement_timeout_ms);
void pg_session_deinit(struct pg_session *session);

/* Appends the texts as a text[] literal, for a parameter of a query. */
void pg_session_array(struct buffer *buffer, const char *const *texts, size_t count);
/* Appends a name as a quoted identifier. */
void pg_session_quote(struct buffer *buffer, const char *identifier);

const char *pg_session_statement(void);
void pg_session_parameters(
    const struct pg_session *session, const char *ret_values[PG_SESSION_PARAMETERS]);
