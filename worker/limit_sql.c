#include "worker/limit_sql.h"

#include <pg_query.h>
#include <stdlib.h>

/* From PostgreSQL's own grammar: a semicolon may be followed by comments. */
static struct bytes without_semicolon(const char *sql)
{
	PgQuerySplitResult split = pg_query_split_with_parser(sql);
	struct bytes statement = bytes_of_string(sql);

	if (!split.error && split.n_stmts == 1 && split.stmts[0]->stmt_location >= 0 &&
	    split.stmts[0]->stmt_len > 0 &&
	    (size_t)split.stmts[0]->stmt_location + (size_t)split.stmts[0]->stmt_len <=
	        statement.size)
		statement =
		    bytes_of(sql + split.stmts[0]->stmt_location, (size_t)split.stmts[0]->stmt_len);
	pg_query_free_split_result(split);
	return statement;
}

/* The newline ends a comment at the statement's end, which would swallow the parenthesis. */
void limit_sql(struct bytes sql, int64_t rows, struct buffer *ret_sql)
{
	CLEAN(free) char *text = bytes_to_string(sql);

	buffer_append_string(ret_sql, "SELECT * FROM (\n");
	buffer_append_bytes(ret_sql, without_semicolon(text));
	buffer_printf(ret_sql, "\n) AS optimax LIMIT %lld", (long long)rows);
}
