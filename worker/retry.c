#include "worker/retry.h"

#include <ctype.h>
#include <stdlib.h>

enum { FIRST_WAIT_MS = 200, RETRY_AFTER_LIMIT_S = 86400 };

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

int64_t retry_after_parse(const char *value)
{
	char *end;
	long seconds;

	while (*value == ' ' || *value == '\t')
		value++;
	if (!isdigit((unsigned char)*value))
		return -1;
	seconds = strtol(value, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	if (*end != '\0' || seconds > RETRY_AFTER_LIMIT_S)
		return -1;
	return seconds * 1000;
}
