#include "worker/builtin/dates.h"

#include <stdio.h>
#include <stdlib.h>

enum { YEAR_FIRST = 1900, YEAR_LAST = 2099, PERIODS_MAX = 10000 };

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static void set_day(char *text, size_t size, int year, int month, int day)
{
	snprintf(text, size, "DATE '%04d-%02d-%02d'", year, month, day);
}

/* From the first of one month to the first of another; months may overflow the year. */
static void set_months(struct date_range *range, int year, int month, int months)
{
	int last = month - 1 + months;

	set_day(range->from, sizeof(range->from), year, month, 1);
	set_day(range->to, sizeof(range->to), year + last / 12, last % 12 + 1, 1);
}

static bool set_one_day(struct date_range *range, int year, int month, int day)
{
	if (year < YEAR_FIRST || year > YEAR_LAST || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month))
		return false;
	set_day(range->from, sizeof(range->from), year, month, day);
	if (day < days_in_month(year, month))
		set_day(range->to, sizeof(range->to), year, month, day + 1);
	else
		set_day(
		    range->to, sizeof(range->to), month == 12 ? year + 1 : year, month % 12 + 1, 1);
	return true;
}

/* A whole number of at most `digits` digits, or -1. */
static int whole(const struct word *word, size_t digits)
{
	size_t size = strlen(word->folded);

	if (word->kind != TOKEN_NUMBER || size == 0 || size > digits ||
	    strspn(word->folded, "0123456789") != size)
		return -1;
	return atoi(word->folded);
}

static int year_of(const struct word *word)
{
	int year = strlen(word->folded) == 4 ? whole(word, 4) : -1;

	return year >= YEAR_FIRST && year <= YEAR_LAST ? year : 0;
}

/* "5", "5th"; 0 where it is no day of a month. */
static int day_of(const struct word *word)
{
	char *end;
	long day;

	if (word->folded[0] < '0' || word->folded[0] > '9')
		return 0;
	day = strtol(word->folded, &end, 10);
	if (day > 31 || (*end && strcmp(end, "st") != 0 && strcmp(end, "nd") != 0 &&
	                    strcmp(end, "rd") != 0 && strcmp(end, "th") != 0))
		return 0;
	return (int)day;
}

bool dates_year(const struct word *word, struct date_range *ret_range)
{
	int year = year_of(word);

	if (!year)
		return false;
	set_months(ret_range, year, 1, 12);
	return true;
}

/* 2024-05-01 is one day, 2024-05 one month. */
static bool match_iso(const struct word *word, struct date_range *ret_range)
{
	int year, month, day, size = 0;

	if (word->kind != TOKEN_NUMBER)
		return false;
	if (sscanf(word->folded, "%4d-%2d-%2d%n", &year, &month, &day, &size) == 3 && size == 10 &&
	    word->folded[size] == '\0')
		return set_one_day(ret_range, year, month, day);
	size = 0;
	if (sscanf(word->folded, "%4d-%2d%n", &year, &month, &size) != 2 || size != 7 ||
	    word->folded[size] != '\0' || year < YEAR_FIRST || year > YEAR_LAST || month < 1 ||
	    month > 12)
		return false;
	set_months(ret_range, year, month, 1);
	return true;
}

/* "May 2024", "May 5 2024", "May 5th, 2024" */
static size_t match_month_first(
    const struct word *words, size_t count, size_t at, struct date_range *ret_range)
{
	int month = grammar_month(words[at].folded), year, day;
	size_t next = at + 1;

	if (!month || next >= count)
		return 0;
	year = year_of(&words[next]);
	if (year) {
		set_months(ret_range, year, month, 1);
		return 2;
	}
	day = day_of(&words[next++]);
	if (next < count && words[next].folded[0] == ',')
		next++;
	if (!day || next >= count)
		return 0;
	year = year_of(&words[next]);
	return year && set_one_day(ret_range, year, month, day) ? next + 1 - at : 0;
}

/* "5 May 2024", "the 5th of May 2024" without its "the" */
static size_t match_day_first(
    const struct word *words, size_t count, size_t at, struct date_range *ret_range)
{
	int day = day_of(&words[at]), month, year;
	size_t next = at + 1;

	if (day && next < count && strcmp(words[next].folded, "of") == 0)
		next++;
	if (!day || next + 1 >= count)
		return 0;
	month = grammar_month(words[next].folded);
	year = year_of(&words[next + 1]);
	return month && year && set_one_day(ret_range, year, month, day) ? next + 2 - at : 0;
}

/* "Q1 2024" */
static size_t match_quarter(
    const struct word *words, size_t count, size_t at, struct date_range *ret_range)
{
	const char *folded = words[at].folded;
	int year = at + 1 < count ? year_of(&words[at + 1]) : 0;

	if (folded[0] != 'q' || folded[1] < '1' || folded[1] > '4' || folded[2] || !year)
		return 0;
	set_months(ret_range, year, (folded[1] - '1') * 3 + 1, 3);
	return 2;
}

static const char *period_name(const struct word *word)
{
	static const char *const names[] = {"day", "week", "month", "quarter", "year"};
	size_t size = strlen(word->folded);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(names[i], word->folded, strlen(names[i])) == 0 &&
		    (size == strlen(names[i]) || strcmp(word->folded + strlen(names[i]), "s") == 0))
			return names[i];
	return NULL;
}

/* The start of this period, or of the one before (-) or after (+) it. */
static void set_trunc(char *text, size_t size, const char *period, char sign)
{
	bool is_quarter = strcmp(period, "quarter") == 0; /* no unit of intervals */

	if (sign == ' ')
		snprintf(text, size, "date_trunc('%s', CURRENT_DATE)::date", period);
	else
		snprintf(text, size, "(date_trunc('%s', CURRENT_DATE) %c INTERVAL '%d %s')::date",
		    period, sign, is_quarter ? 3 : 1, is_quarter ? "month" : period);
}

/* "last 30 days" end with today; "last month" is the whole one before this. */
static size_t match_relative(
    const struct word *words, size_t count, size_t at, struct date_range *ret_range)
{
	const char *first = words[at].folded, *period;
	bool is_this = strcmp(first, "this") == 0;
	bool is_last = strcmp(first, "last") == 0 || strcmp(first, "past") == 0 ||
	               strcmp(first, "previous") == 0;
	int number = -1;
	bool is_quarter;
	size_t next = at + 1;

	if (!(is_this || is_last) || next >= count)
		return 0;
	if (is_last && strcmp(first, "previous") != 0)
		number = whole(&words[next], 4);
	if (number > 0 && ++next >= count)
		return 0;
	period = period_name(&words[next]);
	if (!period || number > PERIODS_MAX || number == 0 ||
	    (strcmp(first, "past") == 0 && number < 0))
		return 0;
	is_quarter = strcmp(period, "quarter") == 0;
	if (number > 0) {
		snprintf(ret_range->from, sizeof(ret_range->from),
		    "(CURRENT_DATE - INTERVAL '%d %ss')::date", is_quarter ? 3 * number : number,
		    is_quarter ? "month" : period);
		snprintf(ret_range->to, sizeof(ret_range->to), "CURRENT_DATE + 1");
		return next + 1 - at;
	}
	set_trunc(ret_range->from, sizeof(ret_range->from), period, is_this ? ' ' : '-');
	set_trunc(ret_range->to, sizeof(ret_range->to), period, is_this ? '+' : ' ');
	return 2;
}

static size_t match_day_word(const struct word *word, struct date_range *ret_range)
{
	bool today = strcmp(word->folded, "today") == 0;

	if (!today && strcmp(word->folded, "yesterday") != 0)
		return 0;
	snprintf(
	    ret_range->from, sizeof(ret_range->from), today ? "CURRENT_DATE" : "CURRENT_DATE - 1");
	snprintf(ret_range->to, sizeof(ret_range->to), today ? "CURRENT_DATE + 1" : "CURRENT_DATE");
	return 1;
}

size_t dates_match(const struct word *words, size_t count, size_t at, struct date_range *ret_range)
{
	size_t matched;

	if (words[at].kind == TOKEN_QUOTED)
		return 0;
	if (match_iso(&words[at], ret_range))
		return 1;
	matched = match_month_first(words, count, at, ret_range);
	if (!matched)
		matched = match_day_first(words, count, at, ret_range);
	if (!matched)
		matched = match_quarter(words, count, at, ret_range);
	if (!matched)
		matched = match_relative(words, count, at, ret_range);
	return matched ? matched : match_day_word(&words[at], ret_range);
}
