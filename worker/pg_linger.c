#include "worker/pg_linger.h"

enum { LIMIT_MS = 60 * 1000 };

void pg_linger_add(struct pg_linger *linger, int pid, int64_t now_ms)
{
	if (linger->first == 0)
		linger->first = pid;
	else
		linger->next = pid;
	linger->since_ms = now_ms;
}

int pg_linger_awaited(struct pg_linger *linger, int64_t now_ms)
{
	if (linger->next != 0 && now_ms - linger->since_ms > LIMIT_MS)
		pg_linger_ended(linger);
	return linger->next != 0 ? linger->first : 0;
}

void pg_linger_ended(struct pg_linger *linger)
{
	linger->first = linger->next;
	linger->next = 0;
}
