#include "common/child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/child_config.h"
#include "common/clock.h"
#include "common/log.h"

struct skeleton {
	struct child child;
	const struct child_ops *ops;
	struct child_config *adopted; /* what child.config points to */
	struct child_config *arriving; /* between config_begin and config_end */
	struct event *drain_timer;
	int exit_status;
	bool ready;
};

static void take_config(struct skeleton *skeleton, enum message_id id, struct bytes map)
{
	struct child_config *old = skeleton->adopted;
	struct error error;
	int result = child_config_take(&skeleton->arriving, id, map, &error);

	if (result < 0) {
		log_error(
		    "the supervisor sent a configuration that can't be read: %s", error.message);
		child_fail(&skeleton->child);
	}
	if (result == 0)
		return;
	skeleton->adopted = skeleton->arriving;
	skeleton->arriving = NULL;
	skeleton->child.config = skeleton->adopted;
	log_set_level((enum log_level)skeleton->adopted->log_level);
	skeleton->ops->configure(&skeleton->child);
	child_config_free(old);
}

static void take_attach(struct skeleton *skeleton, enum message_id id, struct bytes map)
{
	int fd = channel_take_fd(skeleton->child.control);

	(void)id;
	(void)map;
	if (fd < 0 || !skeleton->ops->attach) {
		log_error("the supervisor sent a work channel without its descriptor");
		child_fail(&skeleton->child);
	}
	skeleton->ops->attach(&skeleton->child, fd);
}

static void take_snapshot(struct skeleton *skeleton, enum message_id id, struct bytes map)
{
	struct snapshot_params params;
	struct error error;
	int fd = channel_take_fd(skeleton->child.control);

	if (fd < 0 || message_unpack(&message_rows[id], map, &params, &error) != 0) {
		log_error("the supervisor sent a schema that can't be read");
		child_fail(&skeleton->child);
	}
	if (skeleton->ops->snapshot)
		skeleton->ops->snapshot(&skeleton->child, params.database, params.version, fd);
	close(fd);
}

static void drain_ended(evutil_socket_t fd, short what, void *argument)
{
	struct skeleton *skeleton = argument;

	(void)fd;
	(void)what;
	log_warning("what was in flight did not end in time; leaving it");
	child_exit(&skeleton->child);
}

static void take_stop(struct skeleton *skeleton, enum message_id id, struct bytes map)
{
	struct timeval limit = {.tv_sec = LIMIT_DRAIN_STOP_MS / 1000};

	(void)id;
	(void)map;
	if (skeleton->child.stopping)
		return;
	skeleton->child.stopping = true;
	event_add(skeleton->drain_timer, &limit);
	skeleton->ops->stop(&skeleton->child);
}

static void take_watch(struct skeleton *skeleton, enum message_id id, struct bytes map)
{
	struct alive_params params = {0};

	(void)id;
	(void)map;
	child_notify(&skeleton->child, MESSAGE_ID_ALIVE, &params, -1);
}

static const struct {
	enum message_id id;
	void (*take)(struct skeleton *skeleton, enum message_id id, struct bytes map);
} control_methods[] = {
    {MESSAGE_ID_CONFIG_BEGIN, take_config},
    {MESSAGE_ID_CONFIG_KEYWORD, take_config},
    {MESSAGE_ID_CONFIG_PATTERN, take_config},
    {MESSAGE_ID_CONFIG_CORRECTION, take_config},
    {MESSAGE_ID_CONFIG_DATABASE, take_config},
    {MESSAGE_ID_CONFIG_PROVIDER, take_config},
    {MESSAGE_ID_CONFIG_PROMPT, take_config},
    {MESSAGE_ID_CONFIG_EXAMPLE, take_config},
    {MESSAGE_ID_CONFIG_END, take_config},
    {MESSAGE_ID_WORK_CHANNEL, take_attach},
    {MESSAGE_ID_SNAPSHOT, take_snapshot},
    {MESSAGE_ID_STOP, take_stop},
    {MESSAGE_ID_WATCH, take_watch},
};

static void on_control(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct skeleton *skeleton = owner;
	struct error error;
	struct bytes map;

	(void)channel;
	for (size_t i = 0; i < sizeof(control_methods) / sizeof(control_methods[0]); i++) {
		enum message_id id = control_methods[i].id;

		if (message->type != RPC_NOTIFICATION ||
		    !bytes_equal_string(message->method, message_rows[id].method))
			continue;
		if (rpc_params_map(message->params, &map, &error) != 0)
			break;
		control_methods[i].take(skeleton, id, map);
		return;
	}
	if (skeleton->ops->control)
		skeleton->ops->control(&skeleton->child, message);
}

/* Without its supervisor nobody would configure, restart or stop this process. */
static void on_control_ended(struct channel *channel, void *owner, enum channel_end why)
{
	struct skeleton *skeleton = owner;

	(void)channel;
	if (why == CHANNEL_BAD_MESSAGE)
		log_error("the supervisor sent what is no message");
	skeleton->exit_status = skeleton->child.stopping ? CHILD_EXIT_OK : CHILD_EXIT_ORPHANED;
	event_base_loopbreak(skeleton->child.base);
}

static const struct channel_ops control_ops = {.message = on_control, .ended = on_control_ended};

static void set_name(enum role role, int argc, char **argv)
{
	char name[64];

	if (argc > 2)
		snprintf(
		    name, sizeof(name), "%s %.40s %.8s", role_rows[role].name, argv[1], argv[2]);
	else if (argc > 1)
		snprintf(name, sizeof(name), "%s %.8s", role_rows[role].name, argv[1]);
	else
		snprintf(name, sizeof(name), "%s", role_rows[role].name);
	log_init(name);
}

static void prepare_process(void)
{
	/* No core, no ptrace by siblings' user: passwords and keys are in this memory. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	/* A terminal's Ctrl-C goes to the whole group; the supervisor says when to stop. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	clock_init();
}

int child_main(enum role role, const struct child_ops *ops, void *owner, int argc, char **argv)
{
	static const struct channel_options options = {
	    .trust = CHANNEL_SIBLING,
	    .message_limit = LIMIT_CONTROL_MESSAGE_BYTES,
	    .passes_fds = true,
	    .urgent = true,
	    .peer = "supervisor",
	};
	struct skeleton skeleton = {.ops = ops, .child = {.role = role, .owner = owner}};

	set_name(role, argc, argv);
	if (fcntl(CHILD_FD_CONTROL, F_GETFD) < 0) {
		fprintf(
		    stderr, "%s is started by optimaxd, not by hand\n", role_rows[role].program);
		return CHILD_EXIT_FAILED;
	}
	prepare_process();
	/* What the supervisor sent before somebody else sent is read before it: a request that
	 * comes behind the answer to a reload must meet the new configuration. */
	skeleton.child.base = event_base_new();
	if (!skeleton.child.base || event_base_priority_init(skeleton.child.base, 2) != 0)
		abort();
	skeleton.drain_timer = event_new(skeleton.child.base, -1, 0, drain_ended, &skeleton);
	skeleton.child.control =
	    channel_new(skeleton.child.base, CHILD_FD_CONTROL, &options, &control_ops, &skeleton);
	event_base_dispatch(skeleton.child.base);
	if (ops->deinit)
		ops->deinit(&skeleton.child);
	channel_free(skeleton.child.control);
	event_free(skeleton.drain_timer);
	event_base_free(skeleton.child.base);
	child_config_free(skeleton.adopted);
	child_config_free(skeleton.arriving);
	return skeleton.exit_status;
}

void child_ready(struct child *child)
{
	struct skeleton *skeleton = (struct skeleton *)child;
	struct ready_params params = {0};

	if (skeleton->ready)
		return;
	skeleton->ready = true;
	child_notify(child, MESSAGE_ID_READY, &params, -1);
}

void child_exit(struct child *child)
{
	event_base_loopbreak(child->base);
}

void child_fail(struct child *child)
{
	(void)child;
	_exit(CHILD_EXIT_FAILED);
}

struct channel *child_router_channel(struct child *child, int fd, const struct channel_ops *ops)
{
	static const struct channel_options options = {
	    .trust = CHANNEL_SIBLING,
	    .message_limit = LIMIT_SIBLING_MESSAGE_BYTES,
	    .peer = "router",
	};

	return channel_new(child->base, fd, &options, ops, child->owner);
}

void child_notify(struct child *child, enum message_id id, const void *params, int fd)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_notification(&message, id, params);
	if (fd >= 0)
		channel_send_with_fd(child->control, bytes_of_buffer(&message), fd);
	else
		channel_send(child->control, bytes_of_buffer(&message));
}
