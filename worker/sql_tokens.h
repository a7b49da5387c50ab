/*
 * Where a statement's tokens end, as PostgreSQL's scanner sees it: for places in errors and for
 * what is counted before the grammar runs. What the tokens mean is the grammar's.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

/* The byte behind white space and comments, from `at` on. */
size_t sql_skip_blank(struct bytes sql, size_t at);
/* The byte behind the token that starts at `at`, which is a byte of the text. */
size_t sql_skip_token(struct bytes sql, size_t at);
