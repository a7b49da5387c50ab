/*
 * The pieces of a text read as SQL: words, names, strings, numbers, symbols, without comments.
 * What the words mean to the shape of a statement is sql_shape_words.def. For sql_shape.c alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"

/* What is read: the beginning decides, and the work must be bounded. */
enum { SQL_PIECES_MAX = 512 };

enum sql_role {
	START = 1 << 0,
	KEYWORD = 1 << 1,
	CLAUSE = 1 << 2,
	OBJECT = 1 << 3,
	ENGLISH = 1 << 4,
	PROSE = 1 << 5,
	ARTICLE = 1 << 6,
};

struct sql_word {
	const char *word;
	unsigned roles;
};

enum sql_kind { KIND_END, KIND_WORD, KIND_NAME, KIND_STRING, KIND_NUMBER, KIND_SYMBOL };

struct sql_piece {
	enum sql_kind kind;
	struct bytes raw;
	const struct sql_word *known; /* of a word; NULL: none of ours */
	bool space_before;
	bool upper; /* no small letter in it */
};

struct sql_pieces {
	struct sql_piece items[SQL_PIECES_MAX + 1]; /* the last one is KIND_END */
	size_t count;
};

/* Linear in the text; stops at SQL_PIECES_MAX. */
void sql_pieces_read(struct bytes text, struct sql_pieces *ret_pieces);
