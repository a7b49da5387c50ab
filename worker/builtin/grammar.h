/*
 * Looks phrases up in grammar.def: the English that is not the schema's own.
 * Knows nothing of tables, columns or SQL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "worker/builtin/words.h"

enum cue {
	CUE_NONE,
	CUE_LEAD, /* asks for rows */
	CUE_WHICH, /* asks which rows, by their names */
	CUE_WHAT, /* asks for what follows */
	CUE_COUNT_OF, /* how many of what follows */
	CUE_AGGREGATE, /* value: enum aggregate */
	CUE_EXTREME, /* the highest or lowest of a column; value: minimum or maximum */
	CUE_MOST, /* of a number of rows; value: minimum or maximum */
	CUE_DISTINCT,
	CUE_SUPERLATIVE, /* names its column by a concept; value: minimum or maximum */
	CUE_TOP, /* value: minimum or maximum */
	CUE_COMPARE, /* value: enum compare */
	CUE_LIKE, /* value: enum like */
	CUE_BETWEEN,
	CUE_BY,
	CUE_PER,
	CUE_SORT,
	CUE_DIRECTION, /* value: minimum (ascending) or maximum */
	CUE_LIMIT,
	CUE_PERIOD, /* value: enum period */
	CUE_NOT,
	CUE_WITHOUT,
	CUE_WITH,
	CUE_THEIR,
	CUE_WHERE,
	CUE_IN,
	CUE_ON,
	CUE_FROM,
	CUE_OF,
	CUE_FOR,
	CUE_AT,
	CUE_TO,
	CUE_NAMED,
	CUE_SINCE,
	CUE_AFTER,
	CUE_BEFORE,
	CUE_UNTIL,
	CUE_AND,
	CUE_OR,
	CUE_THAT,
	CUE_IS,
	CUE_LIVE, /* is in a place */
	CUE_EVENT, /* what happened; its concept names the column with the date */
	CUE_AMOUNT, /* money by a general name */
	CUE_DATE, /* the rows' main date, to sort by */
	CUE_VERB, /* ends "did each customer …" */
	CUE_STOP,
	CUE_COMMA,
	CUE_CURRENCY
};

enum aggregate {
	AGGREGATE_NONE,
	AGGREGATE_COUNT,
	AGGREGATE_SUM,
	AGGREGATE_AVERAGE,
	AGGREGATE_MINIMUM,
	AGGREGATE_MAXIMUM
};
enum compare { COMPARE_EQUAL, COMPARE_MORE, COMPARE_AT_LEAST, COMPARE_LESS, COMPARE_AT_MOST };
enum like { LIKE_CONTAINS, LIKE_STARTS, LIKE_ENDS };
enum period { PERIOD_NONE, PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_QUARTER, PERIOD_YEAR };

enum concept {
	CONCEPT_NONE,
	CONCEPT_PRICE,
	CONCEPT_MONEY,
	CONCEPT_EVENT, /* when it happened: the table's main date */
	CONCEPT_RECENT, /* the same, dates of birth left aside */
	CONCEPT_AGE, /* the date of birth where there is one, else the main date */
	CONCEPT_BIRTH,
	CONCEPT_RATING,
	CONCEPT_WEIGHT,
	CONCEPT_LENGTH,
	CONCEPT_HEIGHT,
	CONCEPT_SALARY,
	CONCEPT_POPULATION,
	CONCEPT_CREATED,
	CONCEPT_ORDERED,
	CONCEPT_JOINED,
	CONCEPT_HIRED,
	CONCEPT_SHIPPED,
	CONCEPT_DELIVERED,
	CONCEPT_PAID
};

struct cue_row {
	const char *phrase;
	enum cue cue;
	int value;
	enum concept concept;
};

/* The row of the longest phrase that starts at words[at]; NULL where there is none. */
const struct cue_row *grammar_cue(
    const struct word *words, size_t count, size_t at, size_t *ret_words);
/* 1 to 12, or 0. */
int grammar_month(const char *folded);
/* The digits of a number word, or NULL. */
const char *grammar_number(const char *folded);
/* What a unit needs in a column's name or comment, or NULL where the word is no unit. */
const char *grammar_unit(const char *folded);
bool grammar_is_currency(const char *unit_word);
/* The n-th word of a concept, best first; NULL at the end. */
const char *grammar_concept_word(enum concept concept, size_t n);
bool grammar_is_suffix(const char *word);
/* The n-th word that names the column people know a row by; NULL at the end. */
const char *grammar_name_word(size_t n);
