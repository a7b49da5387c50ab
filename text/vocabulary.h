/*
 * The words of one schema: which stem stands for which table, column, enum label, sampled value
 * or comment, and how rare it is. Built from a snapshot, immutable, swapped in whole.
 * Used by the router's classification and, for schema linking, by inference.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "text/snapshot.h"

enum vocabulary_kind {
	VOCABULARY_TABLE, /* a word of a table's name */
	VOCABULARY_COLUMN, /* a word of a column's name */
	VOCABULARY_LABEL, /* a word of an enum label */
	VOCABULARY_VALUE, /* a word of a sampled value */
	VOCABULARY_COMMENT, /* a word of a comment on a table or column */
};

struct vocabulary_entry {
	enum vocabulary_kind kind;
	uint32_t table; /* index into the snapshot's tables */
	int32_t column; /* index into its columns; -1: the table itself */
	uint16_t label; /* which label or sample */
	uint8_t word; /* which word of the name, from 0 */
	uint8_t words; /* how many words the name has */
	float weight; /* 0 to 1: rarer words weigh more */
};

struct vocabulary;

/* The snapshot must outlive it. */
struct vocabulary *vocabulary_new(const struct snapshot *snapshot);

/*
 * The same in steps, for who must not stop for as long as a large schema takes. A step is of
 * about `work` words, or one table where that has more. Freed before it is done, nothing is left.
 */
struct vocabulary_build;
struct vocabulary_build *vocabulary_build_new(const struct snapshot *snapshot);
/* NULL while there is more to do; then the build is freed. */
struct vocabulary *vocabulary_build_step(struct vocabulary_build *build, size_t work);
void vocabulary_build_free(struct vocabulary_build *build);

void vocabulary_free(struct vocabulary *vocabulary);
const struct snapshot *vocabulary_snapshot(const struct vocabulary *vocabulary);

/* All entries of one stem (text/tokens.h), strongest first; NULL and 0 where there is none. */
const struct vocabulary_entry *vocabulary_find(
    const struct vocabulary *vocabulary, const char *stem, size_t *ret_count);

/* All stems, in no order; the list is the caller's to free, the stems are the vocabulary's. */
size_t vocabulary_stems(const struct vocabulary *vocabulary, const char ***ret_stems);
