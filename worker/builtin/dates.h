/*
 * Reads dates in words: "2024-05-01", "May 2024", "in 2024", "last month", "the last 30 days".
 * A date is a half-open range of days as two SQL expressions; those that depend on the clock
 * are left to PostgreSQL (CURRENT_DATE).
 */
#pragma once

#include "worker/builtin/grammar.h"

struct date_range {
	char from[96]; /* the first day */
	char to[96]; /* the day after the last */
};

/* How many words at `at` are a date; 0: none. A bare year is one only to dates_year. */
size_t dates_match(const struct word *words, size_t count, size_t at, struct date_range *ret_range);
bool dates_year(const struct word *word, struct date_range *ret_range);
