#include "daemon/children.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/message.h"
#include "daemon/spawn.h"

enum {
	HUNG_UP_MS = 1000,
	CONTROL_OUTPUT_BYTES = 16 << 20, /* a configuration of the largest file, several times */
};

static void step(struct child_record *child, enum life_event event);

static struct timeval timeval_of_ms(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* ---- its process ---- */

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct child_record *child = owner;

	(void)channel;
	child->children->ops->message(child->children->owner, child, message);
}

static void on_ended(struct channel *channel, void *owner, enum channel_end why)
{
	static const char *const reasons[] = {
	    [CHANNEL_CLOSED] = NULL, /* its exit follows */
	    [CHANNEL_BAD_MESSAGE] = "it sent what is no message",
	    [CHANNEL_STALLED] = "it does not read",
	    [CHANNEL_OVERFLOW] = "it does not read",
	};
	struct child_record *child = owner;
	struct timeval soon = timeval_of_ms(HUNG_UP_MS);

	channel_free(channel);
	child->control = NULL;
	if (reasons[why])
		child_kill(child, reasons[why]);
	else
		event_add(child->hung_up, &soon);
}

static const struct channel_ops control_ops = {.message = on_message, .ended = on_ended};

static void on_hung_up(evutil_socket_t fd, short what, void *argument)
{
	struct child_record *child = argument;

	(void)fd;
	(void)what;
	if (child->pid != 0)
		child_kill(child, "it closed its control channel and did not end");
}

static void fill_request(struct child_record *child, int control_fd, char index[static 12],
    struct spawn_request *ret_request)
{
	const struct children *children = child->children;
	size_t count = 0;

	spawn_request_init(ret_request, child->role);
	ret_request->argv[count++] = role_rows[child->role].program;
	if (child->database)
		ret_request->argv[count++] = child->database;
	if (child->role == ROLE_DATABASE || child->role == ROLE_INFERENCE) {
		snprintf(index, 12, "%u", child->index);
		ret_request->argv[count++] = index;
	}
	ret_request->fds[CHILD_FD_CONTROL] = control_fd;
	ret_request->fds[CHILD_FD_LOCK] = children->lock_fd;
	if (child->role == ROLE_ROUTER) {
		ret_request->fds[CHILD_FD_LISTEN] = children->listen_fd;
		ret_request->fds[CHILD_FD_LISTEN_CONTROL] = children->listen_control_fd;
	}
}

static int spawn_with_channel(struct child_record *child)
{
	const struct channel_options options = {
	    .trust = CHANNEL_SIBLING,
	    .message_limit = LIMIT_CONTROL_MESSAGE_BYTES,
	    .output_limit = CONTROL_OUTPUT_BYTES,
	    .passes_fds = true,
	    .peer = child->title,
	};
	struct spawn_request request;
	char index[12];
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	fill_request(child, ends[1], index, &request);
	r = spawn_program(&request, &child->pid);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	child->control = channel_new(child->children->base, ends[0], &options, &control_ops, child);
	return 0;
}

static void spawn(struct child_record *child)
{
	int r = spawn_with_channel(child);

	child->started_ms = clock_now_ms();
	if (r < 0) {
		log_error("%s: cannot be started: %s", child->title, strerror(-r));
		snprintf(
		    child->last_death, sizeof(child->last_death), "not started: %s", strerror(-r));
		step(child, LIFE_DIED_EARLY);
		return;
	}
	log_debug("%s (pid %d): started", child->title, (int)child->pid);
	child->children->ops->spawned(child->children->owner, child);
}

static void ask_to_stop(struct child_record *child)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct stop_params params = {0};

	if (!child->control)
		return;
	message_pack_notification(&message, MESSAGE_ID_STOP, &params);
	channel_send(child->control, bytes_of_buffer(&message));
}

/* ---- its life ---- */

static void set_timer(struct child_record *child, int64_t wait_ms)
{
	struct timeval wait = timeval_of_ms(wait_ms);

	if (wait_ms == LIFE_TIMER_AS_IT_IS)
		return;
	event_del(child->timer);
	if (wait_ms > 0)
		event_add(child->timer, &wait);
}

static void forget(struct child_record *child)
{
	child->forgotten = true;
	event_active(child->children->sweep, EV_TIMEOUT, 0);
}

static void step(struct child_record *child, enum life_event event)
{
	struct children *children = child->children;
	enum life_state before = child->life.state;
	int64_t wait_ms;
	enum life_action action =
	    life_step(&child->life, event, &children->limits, clock_now_ms(), &wait_ms);

	set_timer(child, wait_ms);
	switch (action) {
	case LIFE_DO_SPAWN:
		spawn(child);
		return; /* ops->spawned has told the new state */
	case LIFE_DO_ASK_STOP:
		ask_to_stop(child);
		break;
	case LIFE_DO_KILL:
		child_kill(child, before == LIFE_STARTING ? "it was not ready in time"
		                                          : "it did not stop in time");
		break;
	case LIFE_DO_FORGET:
		forget(child);
		break;
	case LIFE_DO_WAIT:
	case LIFE_DO_NOTHING:
		break;
	}
	if (child->life.state != before)
		children->ops->changed(children->owner, child);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	step(argument, LIFE_TIMER);
}

void child_stop(struct child_record *child)
{
	step(child, LIFE_STOP);
}

void child_restart(struct child_record *child)
{
	step(child, LIFE_RESTART);
}

void child_said_ready(struct child_record *child)
{
	step(child, LIFE_SAID_READY);
}

void child_kill(struct child_record *child, const char *why)
{
	if (child->pid == 0)
		return;
	log_warning("%s (pid %d): %s; killing it", child->title, (int)child->pid, why);
	child->killed_here = true;
	kill(child->pid, SIGKILL);
}

/* ---- its death ---- */

static void describe_death(struct child_record *child, int status)
{
	double uptime_s = (double)(clock_now_ms() - child->started_ms) / 1000;
	char how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d", WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "exited with status %d", WEXITSTATUS(status));
	snprintf(child->last_death, sizeof(child->last_death), "%s after %.*f s", how,
	    uptime_s < 10 ? 1 : 0, uptime_s);
}

static void log_obituary(const struct child_record *child, pid_t pid, bool was_asked)
{
	char next[64] = "restarting now";
	struct timeval due, now;

	if (child->life.state == LIFE_GONE) {
		snprintf(next, sizeof(next), "it is no longer needed");
	} else if (child->life.state == LIFE_BACKOFF &&
	           event_pending(child->timer, EV_TIMEOUT, &due)) {
		evutil_gettimeofday(&now, NULL);
		snprintf(next, sizeof(next), "restarting in %.1f s",
		    (double)(due.tv_sec - now.tv_sec) + (double)(due.tv_usec - now.tv_usec) / 1e6);
	}
	log_line(was_asked ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, "%s (pid %d): %s; %s",
	    child->title, (int)pid, child->last_death, next);
}

static void bury(struct child_record *child, int status)
{
	bool by_others = !child->killed_here && WIFSIGNALED(status) &&
	                 (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM);
	bool was_asked = child->life.state == LIFE_STOPPING || child->life.state == LIFE_RESTARTING;
	enum life_event event = life_death_event(&child->life, by_others, clock_now_ms());
	pid_t pid = child->pid;

	describe_death(child, status);
	channel_free(child->control);
	child->control = NULL;
	child->pid = 0;
	child->killed_here = false;
	event_del(child->hung_up);
	child->children->ops->died(child->children->owner, child, status);
	step(child, event);
	log_obituary(child, pid, was_asked);
}

bool children_reaped(struct children *children, pid_t pid, int status)
{
	for (struct child_record *child = children->first; child; child = child->next) {
		if (child->pid == pid) {
			bury(child, status);
			return true;
		}
	}
	return false;
}

/* ---- the list ---- */

static void set_title(struct child_record *child)
{
	const char *role = role_rows[child->role].name;

	if (child->role == ROLE_DATABASE)
		snprintf(child->title, sizeof(child->title), "%s worker %s %u", role,
		    child->database, child->index);
	else if (child->role == ROLE_INFERENCE)
		snprintf(child->title, sizeof(child->title), "%s worker %u", role, child->index);
	else
		snprintf(child->title, sizeof(child->title), "%s%s%s", role,
		    child->database ? " " : "", child->database ? child->database : "");
}

static struct child_record *add_child(
    struct children *children, enum role role, const char *database, unsigned index)
{
	struct child_record *child = must_zalloc(sizeof(*child)), **end = &children->first;

	child->children = children;
	child->role = role;
	child->index = index;
	child->database = database ? must_strdup(database) : NULL;
	child->life = CHILD_LIFE_INIT;
	child->timer = event_new(children->base, -1, 0, on_timer, child);
	child->hung_up = event_new(children->base, -1, 0, on_hung_up, child);
	set_title(child);
	while (*end)
		end = &(*end)->next;
	*end = child;
	return child;
}

static void free_child(struct child_record *child)
{
	channel_free(child->control);
	event_free(child->timer);
	event_free(child->hung_up);
	free(child->database);
	free(child);
}

static void on_sweep(evutil_socket_t fd, short what, void *argument)
{
	struct children *children = argument;
	struct child_record **at = &children->first;

	(void)fd;
	(void)what;
	while (*at) {
		struct child_record *child = *at;

		if (!child->forgotten) {
			at = &child->next;
			continue;
		}
		*at = child->next;
		children->ops->gone(children->owner, child);
		free_child(child);
		/* gone may have added or stopped others: look from the start. */
		at = &children->first;
	}
}

void children_init(struct children *ret_children, struct event_base *base,
    const struct children_ops *ops, void *owner)
{
	*ret_children = (struct children){
	    .base = base,
	    .ops = ops,
	    .owner = owner,
	    .limits = life_limits_default,
	    .lock_fd = -1,
	    .listen_fd = -1,
	    .listen_control_fd = -1,
	};
	ret_children->sweep = event_new(base, -1, 0, on_sweep, ret_children);
}

void children_deinit(struct children *children)
{
	while (children->first) {
		struct child_record *child = children->first;

		children->first = child->next;
		free_child(child);
	}
	event_free(children->sweep);
}

struct child_record *children_find(
    struct children *children, enum role role, const char *database, unsigned index)
{
	for (struct child_record *child = children->first; child; child = child->next) {
		if (child->role == role && child->index == index && !child->forgotten &&
		    (!database || strcmp(child->database, database) == 0))
			return child;
	}
	return NULL;
}

struct child_record *children_router(struct children *children)
{
	return children_find(children, ROLE_ROUTER, NULL, 0);
}

static void start_pool(
    struct children *children, enum role role, const char *database, int64_t size)
{
	for (unsigned index = 0; index < size; index++) {
		struct child_record *child = children_find(children, role, database, index);

		if (!child)
			child = add_child(children, role, database, index);
		step(child, LIFE_START);
	}
}

void children_start_wanted(struct children *children, const struct config *config)
{
	start_pool(children, ROLE_ROUTER, NULL, 1);
	start_pool(children, ROLE_INFERENCE, NULL, config->inference_workers);
	for (size_t i = 0; i < config->databases.count; i++) {
		const struct config_database *database = config->databases.items[i];

		start_pool(children, ROLE_WATCHER, database->name, 1);
		start_pool(children, ROLE_DATABASE, database->name, database->workers);
	}
}

static bool is_wanted(const struct child_record *child, const struct config *config)
{
	const struct config_database *database =
	    child->database ? config_find_database(config, child->database) : NULL;

	switch (child->role) {
	case ROLE_ROUTER:
		return true;
	case ROLE_INFERENCE:
		return child->index < config->inference_workers;
	case ROLE_WATCHER:
		return database;
	case ROLE_DATABASE:
		return database && child->index < database->workers;
	default:
		return false;
	}
}

void children_stop_unwanted(struct children *children, const struct config *config)
{
	for (struct child_record *child = children->first; child; child = child->next)
		if (!is_wanted(child, config))
			child_stop(child);
}

void children_kill(struct children *children)
{
	for (struct child_record *child = children->first; child; child = child->next) {
		child_stop(child);
		if (child->pid != 0)
			kill(child->pid, SIGKILL);
	}
}
