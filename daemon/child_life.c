#include "daemon/child_life.h"

#include "common/limits.h"

enum {
	READY_LIMIT_MS = 30 * 1000,
	STOP_GRACE_MS = 1000, /* a child gives up by itself at LIMIT_DRAIN_STOP_MS: let it */
	BACKOFF_MS = 2 * 1000,
	BACKOFF_MAX_MS = 60 * 1000,
	QUICK_DEATH_MS = 2 * 1000, /* ready for less than this: it may only fail */
	QUICK_DEATHS_FREE = 3, /* so many in a row are restarted at once all the same */
};

const struct life_limits life_limits_default = {
    .ready_ms = READY_LIMIT_MS,
    .stop_ms = LIMIT_DRAIN_STOP_MS + STOP_GRACE_MS,
    .backoff_ms = BACKOFF_MS,
    .backoff_max_ms = BACKOFF_MAX_MS,
};

struct life_row {
	enum life_state next;
	enum life_action action;
};

/* What can't happen, or is late news of what was decided already, changes nothing. */
#define STAY(state)                    \
	{                              \
		state, LIFE_DO_NOTHING \
	}

static const struct life_row life_table[LIFE_STATE_COUNT][LIFE_EVENT_COUNT] =
    {
        [LIFE_GONE] =
            {
                [LIFE_START] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_SAID_READY] = STAY(LIFE_GONE),
                [LIFE_DIED_EARLY] = STAY(LIFE_GONE),
                [LIFE_DIED_QUICKLY] = STAY(LIFE_GONE),
                [LIFE_DIED_SERVED] = STAY(LIFE_GONE),
                [LIFE_TIMER] = STAY(LIFE_GONE),
                [LIFE_STOP] = STAY(LIFE_GONE),
                [LIFE_RESTART] = STAY(LIFE_GONE),
            },
        [LIFE_STARTING] =
            {
                [LIFE_START] = STAY(LIFE_STARTING),
                [LIFE_SAID_READY] = STAY(LIFE_READY),
                [LIFE_DIED_EARLY] = {LIFE_BACKOFF, LIFE_DO_WAIT},
                [LIFE_DIED_QUICKLY] = {LIFE_BACKOFF, LIFE_DO_WAIT},
                [LIFE_DIED_SERVED] = {LIFE_BACKOFF, LIFE_DO_WAIT},
                [LIFE_TIMER] = {LIFE_STARTING, LIFE_DO_KILL},
                [LIFE_STOP] = {LIFE_STOPPING, LIFE_DO_ASK_STOP},
                [LIFE_RESTART] = {LIFE_RESTARTING, LIFE_DO_ASK_STOP},
            },
        [LIFE_READY] =
            {
                [LIFE_START] = STAY(LIFE_READY),
                [LIFE_SAID_READY] = STAY(LIFE_READY),
                [LIFE_DIED_EARLY] = {LIFE_BACKOFF, LIFE_DO_WAIT},
                [LIFE_DIED_QUICKLY] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_DIED_SERVED] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_TIMER] = STAY(LIFE_READY),
                [LIFE_STOP] = {LIFE_STOPPING, LIFE_DO_ASK_STOP},
                [LIFE_RESTART] = {LIFE_RESTARTING, LIFE_DO_ASK_STOP},
            },
        [LIFE_BACKOFF] =
            {
                [LIFE_START] = STAY(LIFE_BACKOFF),
                [LIFE_SAID_READY] = STAY(LIFE_BACKOFF),
                [LIFE_DIED_EARLY] = STAY(LIFE_BACKOFF),
                [LIFE_DIED_QUICKLY] = STAY(LIFE_BACKOFF),
                [LIFE_DIED_SERVED] = STAY(LIFE_BACKOFF),
                [LIFE_TIMER] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_STOP] = {LIFE_GONE, LIFE_DO_FORGET},
                [LIFE_RESTART] = {LIFE_STARTING, LIFE_DO_SPAWN},
            },
        [LIFE_STOPPING] =
            {
                [LIFE_START] = STAY(LIFE_RESTARTING),
                [LIFE_SAID_READY] = STAY(LIFE_STOPPING),
                [LIFE_DIED_EARLY] = {LIFE_GONE, LIFE_DO_FORGET},
                [LIFE_DIED_QUICKLY] = {LIFE_GONE, LIFE_DO_FORGET},
                [LIFE_DIED_SERVED] = {LIFE_GONE, LIFE_DO_FORGET},
                [LIFE_TIMER] = {LIFE_STOPPING, LIFE_DO_KILL},
                [LIFE_STOP] = STAY(LIFE_STOPPING),
                [LIFE_RESTART] = STAY(LIFE_STOPPING),
            },
        [LIFE_RESTARTING] =
            {
                [LIFE_START] = STAY(LIFE_RESTARTING),
                [LIFE_SAID_READY] = STAY(LIFE_RESTARTING),
                [LIFE_DIED_EARLY] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_DIED_QUICKLY] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_DIED_SERVED] = {LIFE_STARTING, LIFE_DO_SPAWN},
                [LIFE_TIMER] = {LIFE_RESTARTING, LIFE_DO_KILL},
                [LIFE_STOP] = STAY(LIFE_STOPPING),
                [LIFE_RESTART] = STAY(LIFE_RESTARTING),
            },
};

enum life_event life_death_event(const struct child_life *life, bool killed, int64_t now_ms)
{
	if (life->state != LIFE_READY)
		return LIFE_DIED_EARLY;
	if (killed || now_ms - life->ready_ms >= QUICK_DEATH_MS)
		return LIFE_DIED_SERVED;
	return life->failures >= QUICK_DEATHS_FREE ? LIFE_DIED_EARLY : LIFE_DIED_QUICKLY;
}

static int64_t backoff_ms(const struct life_limits *limits, unsigned waits)
{
	int64_t wait = limits->backoff_ms;

	while (waits-- > 0 && wait < limits->backoff_max_ms)
		wait *= 2;
	return wait < limits->backoff_max_ms ? wait : limits->backoff_max_ms;
}

static int64_t wait_after(const struct child_life *life, enum life_action action, bool was_ready,
    const struct life_limits *limits)
{
	unsigned free_ones = was_ready ? QUICK_DEATHS_FREE + 1 : 1;

	switch (action) {
	case LIFE_DO_SPAWN:
		return limits->ready_ms;
	case LIFE_DO_ASK_STOP:
		return limits->stop_ms;
	case LIFE_DO_WAIT:
		return backoff_ms(
		    limits, life->failures > free_ones ? life->failures - free_ones : 0);
	case LIFE_DO_KILL:
	case LIFE_DO_FORGET:
		return 0;
	case LIFE_DO_NOTHING:
		break;
	}
	return LIFE_TIMER_AS_IT_IS;
}

enum life_action life_step(struct child_life *life, enum life_event event,
    const struct life_limits *limits, int64_t now_ms, int64_t *ret_wait_ms)
{
	const struct life_row *row = &life_table[life->state][event];
	enum life_state before = life->state;

	if (event == LIFE_DIED_EARLY || event == LIFE_DIED_QUICKLY)
		life->failures++;
	else if (event == LIFE_DIED_SERVED)
		life->failures = 0;
	life->state = row->next;
	*ret_wait_ms = wait_after(life, row->action, before == LIFE_READY, limits);
	if (row->action == LIFE_DO_SPAWN) {
		life->restarts += life->spawned;
		life->spawned = true;
	} else if (life->state == LIFE_READY && before == LIFE_STARTING) {
		life->ready_ms = now_ms;
		*ret_wait_ms = 0;
	}
	return row->action;
}

const char *life_state_name(enum life_state state)
{
	static const char *const names[LIFE_STATE_COUNT] = {
	    [LIFE_GONE] = "gone",
	    [LIFE_STARTING] = "starting",
	    [LIFE_READY] = "ready",
	    [LIFE_BACKOFF] = "backoff",
	    [LIFE_STOPPING] = "stopping",
	    [LIFE_RESTARTING] = "stopping",
	};

	return names[state];
}
