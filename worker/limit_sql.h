/*
 * A statement with a limit around it, so that PostgreSQL plans for few rows where few are wanted.
 * The statement's own text is not changed; the verdict has cut it before its final semicolon.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"

/* The statement is a verdict's. */
void limit_sql(struct bytes statement, int64_t rows, struct buffer *ret_sql);
