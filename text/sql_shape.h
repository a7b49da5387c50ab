/*
 * Whether a text looks like SQL, by its tokens and their arrangement: also broken SQL and that of
 * other dialects, so that it is refused by the validator and never taken for chat. Prose that
 * begins with "select", "update" or "with" is none. It says nothing about whether SQL is allowed.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

enum sql_shape_strength {
	SQL_SHAPE_NONE,
	SQL_SHAPE_WEAK, /* could be prose too: select customers from Berlin */
	SQL_SHAPE_STRONG,
};

struct sql_shape {
	enum sql_shape_strength strength;
	double score;
	/* The first name behind FROM, INTO, UPDATE or TABLE, into the text; absent if there is
	 * none. Where the strength is weak, whether there is such a table decides. */
	struct bytes relation;
};

/* Linear; reads at most the first 512 tokens. */
void sql_shape(struct bytes text, struct sql_shape *ret_shape);
/* At least weak. */
bool sql_shape_is_sql(struct bytes text);
