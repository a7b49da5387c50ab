/*
 * Leaves the thoughts of a reasoning model out of its completion, as it comes: a block of
 * <think> ... </think> at its very start, which servers without a parser for the model put into the
 * text. Elsewhere such marks are text. Pure.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

enum thoughts_state {
	THOUGHTS_UNKNOWN, /* nothing has come but blanks and a part of the first mark */
	THOUGHTS_INSIDE,
	THOUGHTS_BEHIND, /* nothing but blanks after the last mark */
	THOUGHTS_OVER, /* the rest is said */
};

struct thoughts {
	enum thoughts_state state;
	size_t matched; /* bytes of the mark that is looked for */
	struct buffer held; /* what is said if there are no thoughts */
};

void thoughts_deinit(struct thoughts *thoughts);
/* Appends what of the next piece is said. */
void thoughts_take(struct thoughts *thoughts, struct bytes piece, struct buffer *ret_said);
/* The completion has ended. */
void thoughts_end(struct thoughts *thoughts, struct buffer *ret_said);
/* What is behind the last mark in a completion that is whole; all of it where there is none. Finds
 * thoughts whose first mark was the prompt's, which no piece can tell. */
struct bytes thoughts_skip(struct bytes completion);
