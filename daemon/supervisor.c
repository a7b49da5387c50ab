#include "daemon/supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/message.h"
#include "daemon/corrections.h"
#include "daemon/instance_lock.h"
#include "daemon/optimaxd.h"
#include "daemon/supervisor_parts.h"
#include "daemon/taught.h"

enum { MESSAGE_SIZE = 512 };

/* ---- signals: they come through the loop ---- */

static void on_child_signal(struct supervisor *supervisor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (!children_reaped(&supervisor->children, pid, status) &&
		    !inspections_reaped(
		        &supervisor->inspections, &supervisor->children, pid, status))
			checker_reaped(&supervisor->checker, supervisor->config,
			    supervisor->lock_fd, pid, status);
	}
}

static void on_hangup_signal(struct supervisor *supervisor)
{
	CLEAN(buffer) struct buffer changed = BUFFER_INIT;
	struct error error;

	if (supervisor_reload(supervisor, &changed, &error) == 0)
		log_notice("configuration reloaded");
}

static const struct {
	int number;
	void (*handle)(struct supervisor *supervisor);
} signal_rows[SUPERVISOR_SIGNALS] = {
    {SIGCHLD, on_child_signal},
    {SIGHUP, on_hangup_signal},
    {SIGTERM, supervisor_stop},
    {SIGINT, supervisor_stop},
};

static void on_signal(evutil_socket_t number, short what, void *argument)
{
	(void)what;
	for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++)
		if (signal_rows[i].number == number)
			signal_rows[i].handle(argument);
}

static void catch_signals(struct supervisor *supervisor)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++) {
		supervisor->signals[i] =
		    evsignal_new(supervisor->base, signal_rows[i].number, on_signal, supervisor);
		event_add(supervisor->signals[i], NULL);
	}
}

static void on_died(void *owner, struct child_record *child, int status)
{
	struct supervisor *supervisor = owner;

	if (role_rows[child->role].uses_cache && supervisor->phase == PHASE_SERVING)
		checker_child_died(
		    &supervisor->checker, supervisor->config, supervisor->lock_fd, status);
}

static const struct children_ops children_ops = {
    .spawned = wiring_spawned,
    .changed = wiring_changed,
    .message = relay_message,
    .died = on_died,
    .gone = supervisor_child_gone,
};

/* ---- start ---- */

/* Tests shorten the wait; nothing else should. */
static void set_backoff(struct life_limits *limits)
{
	const char *text = getenv("OPTIMAX_BACKOFF_MS");
	long backoff_ms = text ? strtol(text, NULL, 10) : 0;

	if (backoff_ms > 0 && backoff_ms < limits->backoff_max_ms)
		limits->backoff_ms = backoff_ms;
}

static int take_lock(struct supervisor *supervisor)
{
	char message[MESSAGE_SIZE];
	int r = instance_lock_take(
	    supervisor->config->instance, &supervisor->lock_fd, message, sizeof(message));

	if (r == 0)
		return 0;
	log_error("%s", message);
	return r == INSTANCE_LOCK_HELD ? OPTIMAXD_EXIT_HELD : OPTIMAXD_EXIT_FAILED;
}

static int open_listeners(struct supervisor *supervisor)
{
	char message[MESSAGE_SIZE];

	if (listeners_open(supervisor->config, &supervisor->listeners, message, sizeof(message)) ==
	    0)
		return 0;
	log_error("%s", message);
	return OPTIMAXD_EXIT_FAILED;
}

static void serve(struct supervisor *supervisor)
{
	struct children *children = &supervisor->children;

	supervisor->base = event_base_new();
	if (!supervisor->base)
		abort();
	children_init(children, supervisor->base, &children_ops, supervisor);
	set_backoff(&children->limits);
	children->lock_fd = supervisor->lock_fd;
	children->listen_fd = supervisor->listeners.application.fd;
	children->listen_control_fd = supervisor->listeners.control.fd;
	catch_signals(supervisor);
	children_start_wanted(children, supervisor->config);
	watchdog_start(&supervisor->watchdog, children);
	event_base_dispatch(supervisor->base);
	watchdog_stop(&supervisor->watchdog);
	children_deinit(children);
	snapshots_deinit(&supervisor->snapshots);
	for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++)
		event_free(supervisor->signals[i]);
	event_base_free(supervisor->base);
}

/* The background check must not outlive the lock. */
static void end_checker(struct checker *checker)
{
	if (checker->pid == 0)
		return;
	kill(checker->pid, SIGKILL);
	waitpid(checker->pid, NULL, 0);
}

int supervisor_run(const char *config_file, struct config *config)
{
	struct supervisor supervisor = {
	    .config_file = config_file,
	    .config = config,
	    .listeners = LISTENERS_INIT,
	    .lock_fd = -1,
	    .started_ms = clock_now_ms(),
	};
	int status = take_lock(&supervisor);

	if (status == 0 && checker_prepare(config, supervisor.lock_fd) != 0)
		status = OPTIMAXD_EXIT_FAILED;
	if (status == 0)
		status = open_listeners(&supervisor);
	if (status == 0) {
		state_records_load(&supervisor.corrections, &corrections_kind, config->state_dir);
		state_records_load(&supervisor.taught, &taught_kind, config->state_dir);
		serve(&supervisor);
		end_checker(&supervisor.checker);
		inspections_end(&supervisor.inspections);
		log_notice("stopped");
	}
	listeners_close(&supervisor.listeners);
	if (supervisor.lock_fd >= 0)
		instance_lock_release(supervisor.config->instance, supervisor.lock_fd);
	state_records_deinit(&supervisor.corrections);
	state_records_deinit(&supervisor.taught);
	config_free(supervisor.config);
	return status;
}
