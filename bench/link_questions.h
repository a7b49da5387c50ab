/*
 * Questions with the tables and columns that their SQL needs, for link_eval and link_fit: read
 * once, each with the linking of its schema, so that they can be ranked again and again.
 */
#pragma once

#include "bench/eval_json.h"
#include "text/linking.h"

struct needed_column {
	uint32_t table, column;
};

struct link_question {
	json_t *row; /* {id, db, text}, perhaps with tables and columns */
	const struct eval_schema *schema; /* NULL: there is none of that name */
	const struct linking *linking; /* of the schema */
	size_t table_count; /* needed; 0: not said, so that there is nothing to judge by */
	uint32_t *tables;
	size_t column_count;
	struct needed_column *columns;
};

struct link_questions {
	struct eval_schemas schemas;
	struct linking **linkings; /* of each schema */
	size_t count;
	struct link_question *items;
	size_t faults; /* rows that can't be ranked as they should */
};

/* weights NULL: those of text/linking_weights.def. All rows are kept, in their order; what is
 * wrong with them is told on stderr. */
void link_questions_load(const char *schemas, const char *questions,
    const struct linking_weights *weights, struct link_questions *ret_questions);
void link_questions_deinit(struct link_questions *questions);
/* Leaves out those without a schema, and those that do not say which tables they need. */
void link_questions_keep_judged(struct link_questions *questions);
/* The last place at which a needed table stands, from 1; SIZE_MAX: the schema lacks one. */
size_t link_question_last_place(
    const struct link_question *question, const struct linking_ranks *ranks);

/* The weights by number and name. */
enum {
#define LINKING_WEIGHT(name, value) LINKING_WEIGHT_##name,
#include "text/linking_weights.def"
#undef LINKING_WEIGHT
	LINKING_WEIGHT_COUNT
};
float *link_weight_at(struct linking_weights *weights, size_t index);
const char *link_weight_name(size_t index);
/* "name=value"; returns which. What there is not ends the program. */
size_t link_weight_set(struct linking_weights *weights, const char *setting);
