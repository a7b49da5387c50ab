/*
 * What a question's words find in a schema: names that have them, or words that begin with them
 * or are related to them, and guesses for words that no name has. For text/linking.c, which says
 * what all this is worth.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/linking_weights.h"
#include "text/tokens.h"
#include "text/vocabulary.h"

enum { LINKING_WORDS_MAX = 96 /* of a question */ };

struct linking_column {
	uint32_t table;
	int32_t column;
};

/* Where words are looked up. */
struct linking_names {
	const struct vocabulary *vocabulary;
	const struct linking_weights *weights;
	struct related *related;
	const char **stems; /* all of the vocabulary's, sorted */
	size_t stem_count;
	struct linking_column *dates; /* columns of such a type */
	size_t date_count;
};

/* Why a name is thought of. */
enum linking_ground {
	LINKING_NAMED, /* it has the word */
	LINKING_RELATED, /* it has a word that is related to it */
	LINKING_GUESSED, /* nothing has the word, so it may be a value that stands there */
};

/* One word of the question that one name has. */
struct linking_hit {
	uint32_t table;
	int32_t column;
	uint16_t label;
	uint8_t kind, question_word, word, words;
	uint8_t ground; /* enum linking_ground */
	float weight; /* 0 to 1: rarer words weigh more, guesses less */
};

struct linking_hits {
	struct linking_hit *items; /* sorted, those of one name together */
	size_t count, capacity;
	size_t question_words;
};

void linking_names_init(struct linking_names *names, const struct vocabulary *vocabulary,
    const struct linking_weights *weights);
void linking_names_deinit(struct linking_names *names);

void linking_hits_find(const struct linking_names *names, const struct tokens *question,
    struct linking_hits *ret_hits);
void linking_hits_deinit(struct linking_hits *hits);
/* Behind the last hit of the name that `first` is of: of a table, a column, one label, … */
size_t linking_hits_name_end(const struct linking_hits *hits, size_t first, size_t end);
