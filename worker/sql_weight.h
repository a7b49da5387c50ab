/*
 * How large a statement's parse tree will be, from its tokens alone: before the grammar runs,
 * whose time grows with the tree and not with the text. `SELECT 1,1,1,...` makes six times the tree
 * of an ordinary report of the same length.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

enum {
	/* Brackets that are open at once. */
	SQL_BRACKETS_MAX = 500,
	/* Bytes of libpg_query's JSON, as estimated: 1 ms on a core left alone (bench/validate). */
	SQL_WEIGHT_MAX = 120 * 1024,
};

enum sql_excess { SQL_WITHIN, SQL_TOO_DEEP, SQL_TOO_HEAVY };

struct sql_weight {
	size_t
	    bytes; /* of the tree, as estimated; up to the token that goes over, where one does */
	size_t place; /* the byte offset of that token */
};

enum sql_excess sql_weigh(struct bytes sql, size_t weight_max, struct sql_weight *ret_weight);
