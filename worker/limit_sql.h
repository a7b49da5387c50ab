/*
 * A statement with a limit around it, so that PostgreSQL plans for few rows where few are wanted.
 * The statement's own text is not changed, only cut before its final semicolon.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"

/* The statement is one that the validator has allowed. */
void limit_sql(struct bytes sql, int64_t rows, struct buffer *ret_sql);
