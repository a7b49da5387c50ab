#include "worker/limit_sql.h"

/* The newline ends a comment at the statement's end, which would swallow the parenthesis. */
void limit_sql(struct bytes statement, int64_t rows, struct buffer *ret_sql)
{
	buffer_append_string(ret_sql, "SELECT * FROM (\n");
	buffer_append_bytes(ret_sql, statement);
	buffer_printf(ret_sql, "\n) AS optimax LIMIT %lld", (long long)rows);
}
