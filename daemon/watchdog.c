#include "daemon/watchdog.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "common/limits.h"
#include "common/message.h"

enum { TICKS = 4 }; /* in an interval: what stops answering is found within 1.25 of it */

static void ask(struct child_record *child)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct watch_params params = {0};

	message_pack_notification(&message, MESSAGE_ID_WATCH, &params);
	channel_send(child->control, bytes_of_buffer(&message));
}

static void look_at(const struct watchdog *watchdog, struct child_record *child)
{
	char why[64];

	if (child->life.state != LIFE_READY || !child->control)
		return;
	if (child->unanswered == TICKS) {
		snprintf(why, sizeof(why), "it has not answered for %lld ms",
		    (long long)watchdog->interval_ms);
		child_kill(child, why);
		return;
	}
	if (child->unanswered++ == 0)
		ask(child);
}

/* By ticks rather than by the clock: what the whole machine slept through is nobody's silence. */
static void on_tick(evutil_socket_t fd, short what, void *argument)
{
	struct watchdog *watchdog = argument;

	(void)fd;
	(void)what;
	for (struct child_record *child = watchdog->children->first; child; child = child->next)
		look_at(watchdog, child);
	sd_notify(0, "WATCHDOG=1");
}

void watchdog_start(struct watchdog *watchdog, struct children *children)
{
	uint64_t interval_us;
	int64_t tick_us;

	watchdog->children = children;
	watchdog->interval_ms = LIMIT_WATCHDOG_MS;
	if (sd_watchdog_enabled(0, &interval_us) > 0 && interval_us / 1000 >= TICKS)
		watchdog->interval_ms = (int64_t)(interval_us / 1000);
	tick_us = watchdog->interval_ms * 1000 / TICKS;
	watchdog->timer = event_new(children->base, -1, EV_PERSIST, on_tick, watchdog);
	if (!watchdog->timer)
		abort();
	event_add(watchdog->timer, &(struct timeval){tick_us / 1000000, tick_us % 1000000});
}

void watchdog_stop(struct watchdog *watchdog)
{
	event_free(watchdog->timer);
}

void watchdog_alive(struct child_record *child)
{
	child->unanswered = 0;
}
