#include "worker/backoff.h"

int64_t backoff_next(struct backoff *backoff)
{
	int64_t wait_ms = backoff->next_ms > 0 ? backoff->next_ms : backoff->first_ms;

	backoff->next_ms = wait_ms < backoff->limit_ms / 2 ? wait_ms * 2 : backoff->limit_ms;
	return wait_ms;
}

void backoff_reset(struct backoff *backoff)
{
	backoff->next_ms = 0;
}
