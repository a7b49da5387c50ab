/*
 * Keys of cache entries: everything that can change an answer stands in its key, each part with
 * its length before it, so that no two lists of parts make the same bytes.
 * Nobody else composes keys; database workers are told theirs.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"

struct database;

/* For statement, chat and route entries, which the entry's type keeps apart. */
struct question_key {
	const struct database *database; /* NULL: none */
	struct bytes providers; /* names whoever may answer */
	int64_t examples; /* names what prompts may have as examples */
	struct bytes route; /* the request's: auto, sql or chat */
	struct bytes question; /* in its normal form */
	struct bytes history; /* encoded, or absent */
};
void keys_question(const struct question_key *parts, struct buffer *ret_key);

/* SQL, exactly as written (white space can end a comment), and limits → rows. */
void keys_result(
    const struct database *database, struct bytes sql, int64_t limit, struct buffer *ret_key);
