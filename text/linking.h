/*
 * Schema linking: which tables and columns of a schema a question is about, best first.
 * Pure: by names split and stemmed, abbreviations, comments, enum labels and sampled values (the
 * vocabulary), and by keys between tables (text/linking_graph.h). How much of the ranking stands
 * in a prompt is worker/prompt.h's. Immutable once made; the vocabulary must outlive it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "text/linking_weights.h"
#include "text/vocabulary.h"

struct linking;

struct linked_table {
	uint32_t table; /* index into the snapshot's tables */
	float score; /* 0: nothing speaks for it; what follows is in the snapshot's order */
};

/* A column that words of the question speak for. */
struct linked_column {
	uint32_t table, column;
	float score;
};

struct linking_ranks {
	size_t count;
	struct linked_table *tables; /* best first, all of them */
	size_t column_count;
	struct linked_column *columns; /* by table, then column */
};

struct linking *linking_new(const struct vocabulary *vocabulary);
/* For measuring: with these weights, which must outlive it. */
struct linking *linking_new_weighted(
    const struct vocabulary *vocabulary, const struct linking_weights *weights);
void linking_free(struct linking *linking);

/* Bounded by the schema's size, whatever the question. Free with linking_ranks_deinit. */
void linking_rank(
    const struct linking *linking, struct bytes question, struct linking_ranks *ret_ranks);
void linking_ranks_deinit(struct linking_ranks *ranks);
/* How much the question's words speak for the column; 0: nothing. */
float linking_column_score(const struct linking_ranks *ranks, size_t table, size_t column);
/* The same, and more for what looks like a key, which may be needed to join its table. */
float linking_column_worth(
    const struct linking *linking, const struct linking_ranks *ranks, size_t table, size_t column);
