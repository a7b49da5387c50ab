#include "worker/pg_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A statement that waits for a lock holds up its worker: give up sooner than on a slow one. */
enum { LOCK_TIMEOUT_MS = 5000, IDLE_SLACK_MS = 5000 };

/* Joining pg_settings leaves out what this server does not know: the last needs PostgreSQL 14;
 * it ends a backend whose client has gone although its statement still runs. TimeZone and the
 * order of DateStyle stay the server's. */
static const char session_statement[] =
    "SELECT pg_catalog.set_config(s.name, v.value, false)"
    " FROM (VALUES ('search_path', $1::text), ('statement_timeout', $2), ('lock_timeout', $3),"
    " ('idle_in_transaction_session_timeout', $4), ('client_encoding', 'UTF8'),"
    " ('DateStyle', 'ISO'), ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'),"
    " ('extra_float_digits', '3'), ('default_transaction_read_only', 'on'), ('jit', 'off'),"
    " ('standard_conforming_strings', 'on'), ('xmloption', 'content'),"
    " ('client_connection_check_interval', '1000'))"
    " AS v(name, value) JOIN pg_catalog.pg_settings s ON s.name = v.name";

/* Appends text between double quotes; `escape` goes before each character of `special`. */
static void append_quoted(struct buffer *buffer, const char *text, const char *special, char escape)
{
	buffer_append_string(buffer, "\"");
	for (; *text; text++) {
		if (strchr(special, *text))
			buffer_append(buffer, &escape, 1);
		buffer_append(buffer, text, 1);
	}
	buffer_append_string(buffer, "\"");
}

void pg_session_array(struct buffer *buffer, const char *const *texts, size_t count)
{
	buffer_append_string(buffer, "{");
	for (size_t i = 0; i < count; i++) {
		buffer_append_string(buffer, i > 0 ? ", " : "");
		append_quoted(buffer, texts[i], "\"\\", '\\');
	}
	buffer_append_string(buffer, "}");
}

void pg_session_init(struct pg_session *session, const char *const *schemas, size_t schema_count,
    int64_t statement_timeout_ms)
{
	CLEAN(buffer) struct buffer array = BUFFER_INIT, path = BUFFER_INIT;
	int64_t lock_ms =
	    statement_timeout_ms < LOCK_TIMEOUT_MS ? statement_timeout_ms : LOCK_TIMEOUT_MS;

	pg_session_array(&array, schemas, schema_count);
	for (size_t i = 0; i < schema_count; i++) {
		buffer_append_string(&path, i > 0 ? ", " : "");
		append_quoted(&path, schemas[i], "\"", '"');
	}
	/* Last: where it is not named it comes first. */
	buffer_append_string(&path, schema_count > 0 ? ", pg_temp" : "pg_temp");
	session->schemas = must_strdup(buffer_string(&array));
	session->search_path = must_strdup(buffer_string(&path));
	snprintf(session->statement_timeout, sizeof(session->statement_timeout), "%" PRId64,
	    statement_timeout_ms);
	snprintf(session->lock_timeout, sizeof(session->lock_timeout), "%" PRId64, lock_ms);
	snprintf(session->idle_timeout, sizeof(session->idle_timeout), "%" PRId64,
	    statement_timeout_ms + IDLE_SLACK_MS);
}

void pg_session_deinit(struct pg_session *session)
{
	free(session->schemas);
	free(session->search_path);
	*session = (struct pg_session){0};
}

void pg_session_quote(struct buffer *buffer, const char *identifier)
{
	append_quoted(buffer, identifier, "\"", '"');
}

const char *pg_session_statement(void)
{
	return session_statement;
}

void pg_session_parameters(
    const struct pg_session *session, const char *ret_values[PG_SESSION_PARAMETERS])
{
	ret_values[0] = session->search_path;
	ret_values[1] = session->statement_timeout;
	ret_values[2] = session->lock_timeout;
	ret_values[3] = session->idle_timeout;
}
