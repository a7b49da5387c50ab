#include "worker/introspect.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "worker/pg_session.h"

enum {
	SAMPLE_BUDGET_MS = 10 * 1000, /* for all columns together */
	CATALOG_FIRST_COMMAND = 1, /* behind BEGIN */
	SAMPLE_COMMAND = 2, /* behind BEGIN and SET LOCAL */
	GROUPS = 2, /* the queries, ROLLBACK */
};

static void end_group(struct introspection *introspection)
{
	struct pg_connection *connection = introspection->connection;

	introspection->command = 0;
	introspection->syncs_left = GROUPS;
	pg_connection_sync(connection);
	pg_connection_send(connection, "ROLLBACK", 0, NULL);
	pg_connection_sync(connection);
	pg_connection_flush(connection);
}

void introspection_start(struct introspection *introspection, struct pg_connection *connection,
    const struct child_database *database)
{
	CLEAN(buffer) struct buffer private_columns = BUFFER_INIT;
	const char *values[2] = {pg_connection_schemas(connection)};

	*introspection =
	    (struct introspection){.connection = connection, .place = {.table = SIZE_MAX}};
	schema_builder_init(&introspection->builder, database->name);
	schema_builder_keep_private(
	    &introspection->builder, database->private_columns, database->private_count);
	pg_connection_send(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL);
	pg_session_array(&private_columns, (const char *const *)database->private_columns,
	    database->private_count);
	values[1] = buffer_string(&private_columns);
	for (enum schema_query query = 0; query < SCHEMA_QUERY_COUNT; query++)
		pg_connection_send(
		    connection, schema_query_sql(query), schema_query_parameters(query), values);
	end_group(introspection);
}

void introspection_deinit(struct introspection *introspection)
{
	if (introspection->connection)
		schema_builder_deinit(&introspection->builder);
	*introspection = (struct introspection){0};
}

static void fail(struct introspection *introspection, const char *why)
{
	if (introspection->failure[0] == '\0')
		snprintf(introspection->failure, sizeof(introspection->failure),
		    "the schema cannot be read: %s", why);
}

/* Distinct values among the first rows; one more than is kept tells that there are many. */
static void send_sample(struct introspection *introspection)
{
	CLEAN(buffer) struct buffer sql = BUFFER_INIT;
	struct schema_place place = introspection->place;
	const struct snapshot_table *table = &introspection->builder.snapshot->tables[place.table];

	buffer_append_string(&sql, "SELECT DISTINCT left(v::text, 65) COLLATE \"C\" FROM (SELECT ");
	pg_session_quote(&sql, table->columns[place.column].name);
	buffer_append_string(&sql, " FROM ");
	pg_session_quote(&sql, table->schema);
	buffer_append_string(&sql, ".");
	pg_session_quote(&sql, table->name);
	buffer_printf(&sql, " LIMIT 10000) AS first(v) WHERE v IS NOT NULL ORDER BY 1 LIMIT %d",
	    SCHEMA_SAMPLES_MAX + 1);
	pg_connection_send(introspection->connection, "BEGIN READ ONLY", 0, NULL);
	pg_connection_send(
	    introspection->connection, "SET LOCAL statement_timeout = 2000", 0, NULL);
	pg_connection_send(introspection->connection, buffer_string(&sql), 0, NULL);
	end_group(introspection);
}

/* A group is answered whole. */
static void next(struct introspection *introspection)
{
	if (!introspection->sampling)
		introspection->sample_until_ms = clock_now_ms() + SAMPLE_BUDGET_MS;
	introspection->sampling = true;
	if (introspection->failure[0] == '\0' && clock_now_ms() < introspection->sample_until_ms &&
	    schema_builder_unsampled(&introspection->builder, &introspection->place))
		send_sample(introspection);
	else
		introspection->done = true;
}

static void take_catalog(struct introspection *introspection, const PGresult *result)
{
	size_t query = introspection->command - CATALOG_FIRST_COMMAND;

	if (introspection->command < CATALOG_FIRST_COMMAND || query >= SCHEMA_QUERY_COUNT ||
	    introspection->failure[0] != '\0')
		return;
	if (schema_builder_take(&introspection->builder, (enum schema_query)query, result) < 0)
		fail(introspection, "a name in it is not UTF-8");
}

static void take_rows(struct introspection *introspection, const PGresult *result)
{
	if (!introspection->sampling)
		take_catalog(introspection, result);
	else if (introspection->command == SAMPLE_COMMAND)
		schema_builder_take_samples(&introspection->builder, introspection->place, result);
}

void introspection_result(struct introspection *introspection, const PGresult *result)
{
	switch (result ? PQresultStatus(result) : PGRES_COMMAND_OK) {
	case PGRES_COMMAND_OK:
		introspection->command += result == NULL;
		break;
	case PGRES_TUPLES_OK:
		take_rows(introspection, result);
		break;
	case PGRES_PIPELINE_SYNC:
		if (--introspection->syncs_left == 0)
			next(introspection);
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		/* A sample that took too long or is not to be had is done without. */
		if (!introspection->sampling)
			fail(
			    introspection, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
			                       ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
			                       : "the connection was lost");
	}
}
