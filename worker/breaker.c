#include "worker/breaker.h"

bool breaker_allows(const struct breaker *breaker, int64_t now_ms)
{
	/* Half open: the one that tries it is under way. */
	return breaker->state == BREAKER_CLOSED ||
	       (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms);
}

static void open_for_a_while(struct breaker *breaker, int64_t now_ms)
{
	int64_t wait_ms = breaker->wait_ms > 0 ? breaker->wait_ms * 2 : BREAKER_WAIT_MS;

	breaker->wait_ms = wait_ms < BREAKER_WAIT_LIMIT_MS ? wait_ms : BREAKER_WAIT_LIMIT_MS;
	breaker->until_ms = now_ms + breaker->wait_ms;
	breaker->state = BREAKER_OPEN;
}

static void take_failure(struct breaker *breaker, int64_t now_ms)
{
	breaker->failures++;
	/* Open already: this one began before. It does not put the next try off. */
	if (breaker->state == BREAKER_HALF_OPEN ||
	    (breaker->state == BREAKER_CLOSED && breaker->failures >= BREAKER_FAILURES))
		open_for_a_while(breaker, now_ms);
}

bool breaker_take(struct breaker *breaker, enum breaker_event event, int64_t now_ms)
{
	enum breaker_state before = breaker->state;

	switch (event) {
	case BREAKER_ASKED:
		if (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms)
			breaker->state = BREAKER_HALF_OPEN;
		break;
	case BREAKER_SUCCEEDED:
		*breaker = (struct breaker){0};
		break;
	case BREAKER_FAILED:
		take_failure(breaker, now_ms);
		break;
	case BREAKER_ABANDONED:
		/* Nothing was learned: the next request may try at once. */
		if (breaker->state == BREAKER_HALF_OPEN)
			breaker->state = BREAKER_OPEN;
		break;
	}
	return breaker->state != before;
}
