/*
 * Whether the children's loops turn: each that is ready is asked now and then, and killed where it
 * has not answered for an interval, so that it is started anew. Whether the supervisor's own turns
 * is systemd's to see: WATCHDOG=1 goes out after the children were looked at.
 */
#pragma once

#include "daemon/children.h"

struct watchdog {
	struct children *children;
	struct event *timer;
	int64_t interval_ms;
};

/* The interval is that of WATCHDOG_USEC, or LIMIT_WATCHDOG_MS. */
void watchdog_start(struct watchdog *watchdog, struct children *children);
void watchdog_stop(struct watchdog *watchdog);
/* It has answered, or begun. */
void watchdog_alive(struct child_record *child);
