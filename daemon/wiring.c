/* What children are told: configuration, channels between them, states and schemas. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/log.h"
#include "common/message.h"
#include "daemon/send_config.h"
#include "daemon/supervisor_parts.h"

static void send_message(struct child_record *child, enum message_id id, const void *params, int fd)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	if (!child || !child->control)
		return;
	message_pack_notification(&message, id, params);
	if (fd >= 0)
		channel_send_with_fd(child->control, bytes_of_buffer(&message), fd);
	else
		channel_send(child->control, bytes_of_buffer(&message));
}

void wiring_send_config(struct supervisor *supervisor, struct child_record *child)
{
	const struct config_receiver receiver = {
	    .role = child->role,
	    .index = child->index,
	    .database = child->database,
	    .started_ms = supervisor->started_ms,
	    .supervisor_pid = getpid(),
	    .corrections = &supervisor->corrections,
	    .taught = &supervisor->taught,
	};
	CLEAN(buffer) struct buffer messages = BUFFER_INIT;
	uint64_t hash;

	if (!child->control)
		return;
	send_config_pack(supervisor->config, &receiver, &messages);
	/* A worker drops what it does for another configuration; the same one is none. */
	hash = XXH3_64bits(messages.data, messages.size);
	if (hash == child->config_hash)
		return;
	child->config_hash = hash;
	channel_send(child->control, bytes_of_buffer(&messages));
}

static void send_state(struct child_record *router, const struct child_record *child)
{
	struct child_state_params params;

	message_init(&message_rows[MESSAGE_ID_CHILD_STATE], &params);
	params.role = (int64_t)child->role;
	params.index = child->index;
	params.database = bytes_of_string(child->database);
	params.pid = child->pid;
	params.state = bytes_of_string(life_state_name(child->life.state));
	params.restarts = child->life.restarts;
	params.since_ms = child->started_ms;
	if (child->last_death[0])
		params.last_death = bytes_of_string(child->last_death);
	send_message(router, MESSAGE_ID_CHILD_STATE, &params, -1);
}

/* A channel of their own between the router and a worker; an older one ends with a process. */
static void connect_worker(struct child_record *router, struct child_record *worker)
{
	struct work_channel_params attach = {0};
	struct worker_params params;
	int ends[2];

	if (!router || !router->control || !worker->control ||
	    !role_rows[worker->role].work_channel)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		log_error("%s: no channel to the router: %s; it serves nobody until it is started "
		          "again",
		    worker->title, strerror(errno));
		return;
	}
	message_init(&message_rows[MESSAGE_ID_WORKER], &params);
	params.role = (int64_t)worker->role;
	params.index = worker->index;
	params.database = bytes_of_string(worker->database);
	send_message(worker, MESSAGE_ID_WORK_CHANNEL, &attach, ends[0]);
	send_message(router, MESSAGE_ID_WORKER, &params, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

static bool concerns(const struct snapshot_record *snapshot, const struct child_record *child)
{
	switch (child->role) {
	case ROLE_ROUTER:
	case ROLE_INFERENCE:
		return true;
	case ROLE_DATABASE:
		return strcmp(child->database, snapshot->database) == 0;
	default:
		return false;
	}
}

static void send_snapshot(struct child_record *child, const struct snapshot_record *snapshot)
{
	struct snapshot_params params;

	if (!concerns(snapshot, child))
		return;
	message_init(&message_rows[MESSAGE_ID_SNAPSHOT], &params);
	params.database = bytes_of_string(snapshot->database);
	params.version = bytes_of_string(snapshot->version);
	send_message(child, MESSAGE_ID_SNAPSHOT, &params, snapshot->fd);
}

void wiring_send_snapshot(struct supervisor *supervisor, const struct snapshot_record *snapshot)
{
	for (struct child_record *child = supervisor->children.first; child; child = child->next)
		send_snapshot(child, snapshot);
}

/* The router has to know of a child before it gets the channel to it. */
static void introduce_all(struct supervisor *supervisor, struct child_record *router)
{
	for (struct child_record *child = supervisor->children.first; child; child = child->next)
		send_state(router, child);
	for (struct child_record *child = supervisor->children.first; child; child = child->next)
		if (child->life.state == LIFE_STARTING || child->life.state == LIFE_READY)
			connect_worker(router, child);
}

void wiring_spawned(void *owner, struct child_record *child)
{
	struct supervisor *supervisor = owner;
	struct child_record *router = children_router(&supervisor->children);

	child->config_hash = 0;
	wiring_send_config(supervisor, child);
	if (child == router) {
		introduce_all(supervisor, router);
	} else if (router) {
		send_state(router, child);
		connect_worker(router, child);
	}
	for (size_t i = 0; i < supervisor->snapshots.count; i++)
		send_snapshot(child, &supervisor->snapshots.items[i]);
}

void wiring_changed(void *owner, struct child_record *child)
{
	struct supervisor *supervisor = owner;
	struct child_record *router = children_router(&supervisor->children);

	if (router)
		send_state(router, child);
}
