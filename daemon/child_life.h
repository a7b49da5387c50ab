/*
 * The life of one child as a table of state and event: what happens next, and after how long.
 * Owns the state and the figures behind backoff; forks, kills and waits are children.h's.
 * No I/O, no clock of its own: times come in as arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum life_state {
	LIFE_GONE, /* not started yet, or no longer configured */
	LIFE_STARTING,
	LIFE_READY,
	LIFE_BACKOFF,
	LIFE_STOPPING,
	LIFE_RESTARTING, /* stopping, to be started again at once; shown as stopping */
	LIFE_STATE_COUNT
};

enum life_event {
	LIFE_START, /* it is configured */
	LIFE_SAID_READY,
	LIFE_DIED_EARLY, /* before it was ready, or it only fails */
	LIFE_DIED_QUICKLY, /* soon after it was ready; that may be chance */
	LIFE_DIED_SERVED,
	LIFE_TIMER, /* the time that the last step asked for has passed */
	LIFE_STOP, /* it is no longer configured, or all stops */
	LIFE_RESTART, /* what only a new process takes has changed */
	LIFE_EVENT_COUNT
};

enum life_action {
	LIFE_DO_NOTHING,
	LIFE_DO_SPAWN,
	LIFE_DO_WAIT, /* backoff: wait_ms, then LIFE_TIMER */
	LIFE_DO_ASK_STOP,
	LIFE_DO_KILL,
	LIFE_DO_FORGET /* it has gone for good */
};

enum { LIFE_TIMER_AS_IT_IS = -1 };

struct child_life {
	enum life_state state;
	unsigned failures; /* early and quick deaths in a row */
	int64_t ready_ms; /* when it said so; of use in states after that */
	int64_t restarts; /* spawns but the first */
	bool spawned; /* at least once */
};
#define CHILD_LIFE_INIT ((struct child_life){.state = LIFE_GONE})

struct life_limits {
	int64_t ready_ms; /* a child that is not ready by then is killed */
	int64_t stop_ms; /* and one that does not stop */
	int64_t backoff_ms, backoff_max_ms;
};
extern const struct life_limits life_limits_default;

/* Which of the three deaths it is. `killed` is true where somebody else killed it.
 */
enum life_event life_death_event(const struct child_life *life, bool killed, int64_t now_ms);

/* Changes the state; the only function that does. *ret_wait_ms: when LIFE_TIMER is due;
 * 0: never; LIFE_TIMER_AS_IT_IS. */
enum life_action life_step(struct child_life *life, enum life_event event,
    const struct life_limits *limits, int64_t now_ms, int64_t *ret_wait_ms);

/* As status shows it. */
const char *life_state_name(enum life_state state);
