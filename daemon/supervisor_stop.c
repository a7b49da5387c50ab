/* Stopping: the router first, which drains; then the rest; then the sockets. */
#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "daemon/supervisor_parts.h"

static void stop_all(struct supervisor *supervisor)
{
	supervisor->phase = PHASE_STOPPING;
	for (struct child_record *child = supervisor->children.first; child; child = child->next)
		child_stop(child);
}

void supervisor_stop(struct supervisor *supervisor)
{
	struct child_record *router = children_router(&supervisor->children);

	if (supervisor->phase != PHASE_SERVING) {
		log_notice("told to stop again; not waiting for what is in flight");
		supervisor->phase = PHASE_STOPPING;
		children_kill(&supervisor->children);
		return;
	}
	log_notice("stopping");
	sd_notify(0, "STOPPING=1\nSTATUS=finishing what is in flight");
	supervisor->phase = PHASE_DRAINING;
	if (router)
		child_stop(router);
	else
		stop_all(supervisor);
}

void supervisor_child_gone(void *owner, struct child_record *child)
{
	struct supervisor *supervisor = owner;

	if (supervisor->phase == PHASE_DRAINING && child->role == ROLE_ROUTER)
		stop_all(supervisor);
	if (supervisor->phase != PHASE_SERVING && !supervisor->children.first)
		event_base_loopbreak(supervisor->base);
}
