#include "worker/retry.h"

#include <ctype.h>

enum { FIRST_WAIT_MS = 200, RETRY_AFTER_LIMIT_MS = 24 * 60 * 60 * 1000 };

int64_t retry_wait_ms(const struct retry_failure *failure, uint32_t random)
{
	bool passing = failure->refused || failure->status == 429 || failure->status == 503;
	int64_t wait_ms;

	if (!passing || failure->has_token || failure->attempts >= RETRY_ATTEMPTS)
		return -1;
	/* Half of it is chance, so that many callers do not come back together. */
	wait_ms = (int64_t)FIRST_WAIT_MS << (failure->attempts > 0 ? failure->attempts - 1 : 0);
	wait_ms = wait_ms / 2 + (int64_t)(random % (uint32_t)(wait_ms / 2 + 1));
	if (failure->retry_after_ms > wait_ms)
		wait_ms = failure->retry_after_ms;
	return wait_ms < failure->left_ms ? wait_ms : -1;
}

/* Unlike strtod it knows no exponents, infinities and locales. Fractions of a millisecond count as
 * a whole one. -1: it is no such number. */
static int64_t parse_seconds(const char *text, const char **ret_end)
{
	int64_t wait_ms = 0, unit_ms = 1000;

	if (!isdigit((unsigned char)*text))
		return -1;
	for (; isdigit((unsigned char)*text); text++)
		if (wait_ms < RETRY_AFTER_LIMIT_MS)
			wait_ms = wait_ms * 10 + (*text - '0') * unit_ms;
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text); text++) {
			unit_ms /= 10;
			wait_ms += unit_ms > 0 ? (*text - '0') * unit_ms : *text > '0';
		}
	*ret_end = text;
	return wait_ms;
}

/* -1: it is no HTTP date. One that has passed is 0. */
static int64_t parse_date(const char *text, time_t now, const char **ret_end)
{
	struct tm date = {0};
	time_t then;

	*ret_end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date);
	if (!*ret_end)
		return -1;
	then = timegm(&date);
	return then > now ? (int64_t)(then - now) * 1000 : 0;
}

int64_t retry_after_parse(const char *value, time_t now)
{
	const char *end = value;
	int64_t wait_ms;

	while (*value == ' ' || *value == '\t')
		value++;
	wait_ms = parse_seconds(value, &end);
	if (wait_ms < 0)
		wait_ms = parse_date(value, now, &end);
	if (wait_ms < 0)
		return -1;
	while (isspace((unsigned char)*end))
		end++;
	if (*end != '\0')
		return -1;
	return wait_ms < RETRY_AFTER_LIMIT_MS ? wait_ms : RETRY_AFTER_LIMIT_MS;
}
