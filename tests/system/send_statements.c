/*
 * Sends the statements that stand on standard input, one JSON string a line, to PostgreSQL in one
 * session, each in a transaction of its own that may write: what the validator lets through must
 * do nothing even there. Answers each line with "ok" or its SQLSTATE.
 *   send_statements DSN
 */
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static PGconn *connect_to(const char *dsn)
{
	PGconn *connection = PQconnectdb(dsn);

	if (PQstatus(connection) == CONNECTION_OK) {
		PQclear(PQexec(connection, "SET statement_timeout = 300"));
		return connection;
	}
	fprintf(stderr, "%s", PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

static void send_one(PGconn *connection, const char *sql)
{
	PGresult *result;
	const char *state = NULL;

	PQsendQueryParams(connection, sql, 0, NULL, NULL, NULL, NULL, 0);
	PQsetSingleRowMode(connection); /* no large result is gathered */
	while ((result = PQgetResult(connection))) {
		if (PQresultErrorField(result, PG_DIAG_SQLSTATE))
			state = PQresultStatus(result) == PGRES_FATAL_ERROR ? "error" : NULL;
		if (state)
			printf("%s\n", PQresultErrorField(result, PG_DIAG_SQLSTATE));
		PQclear(result);
	}
	if (!state)
		printf("ok\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	PGconn *connection = argc == 2 ? connect_to(argv[1]) : NULL;
	char *line = NULL;
	size_t capacity = 0;

	while (connection && getline(&line, &capacity, stdin) > 0) {
		json_t *sql = json_loads(line, JSON_DECODE_ANY, NULL);

		send_one(connection, json_is_string(sql) ? json_string_value(sql) : "");
		json_decref(sql);
	}
	free(line);
	if (connection)
		PQfinish(connection);
	return connection == NULL;
}
