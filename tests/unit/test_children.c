/* Children as processes: shell scripts stand in for our programs, so that each misbehaves in
 * its own way. What they find open, how they are restarted, stopped, and buried. */
#include "daemon/children.h"

#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "common/clock.h"

enum { PATIENCE_S = 20 };

struct scene {
	char folder[64], program[96], output[96];
	struct event_base *base;
	struct event *reaper;
	struct children children;
	struct config config; /* of a router alone */
	int spawns, deaths, gone, end_after_deaths;
	bool ready_at_once, killed_when_ready;
};

static void on_child_signal(evutil_socket_t number, short what, void *argument)
{
	struct scene *scene = argument;
	int status;
	pid_t pid;

	(void)number;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		assert_true(children_reaped(&scene->children, pid, status));
}

static void on_spawned(void *owner, struct child_record *child)
{
	struct scene *scene = owner;

	scene->spawns++;
	if (scene->ready_at_once)
		child_said_ready(child);
	if (scene->killed_when_ready)
		child_kill(child, "the test says so");
}

static void on_changed(void *owner, struct child_record *child)
{
	(void)owner;
	(void)child;
}

static void on_message(void *owner, struct child_record *child, struct rpc_message *message)
{
	(void)owner;
	(void)child;
	(void)message;
	fail_msg("no script sends a message");
}

static void on_died(void *owner, struct child_record *child, int status)
{
	struct scene *scene = owner;

	(void)child;
	(void)status;
	if (++scene->deaths == scene->end_after_deaths)
		event_base_loopbreak(scene->base);
}

static void on_gone(void *owner, struct child_record *child)
{
	struct scene *scene = owner;

	(void)child;
	scene->gone++;
	event_base_loopbreak(scene->base);
}

static const struct children_ops ops = {
    .spawned = on_spawned,
    .changed = on_changed,
    .message = on_message,
    .died = on_died,
    .gone = on_gone,
};

static int set_up(void **state)
{
	struct scene *scene = must_zalloc(sizeof(*scene));

	snprintf(scene->folder, sizeof(scene->folder), "/tmp/optimax-children-XXXXXX");
	if (!mkdtemp(scene->folder))
		return -1;
	snprintf(scene->program, sizeof(scene->program), "%s/optimax-router", scene->folder);
	snprintf(scene->output, sizeof(scene->output), "%s/output", scene->folder);
	setenv("OPTIMAX_LIBEXEC", scene->folder, 1);
	scene->base = event_base_new();
	children_init(&scene->children, scene->base, &ops, scene);
	scene->children.limits = (struct life_limits){
	    .ready_ms = 10000, .stop_ms = 10000, .backoff_ms = 5, .backoff_max_ms = 50};
	scene->reaper = evsignal_new(scene->base, SIGCHLD, on_child_signal, scene);
	event_add(scene->reaper, NULL);
	alarm(PATIENCE_S);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	alarm(0);
	for (struct child_record *child = scene->children.first; child; child = child->next) {
		if (child->pid == 0)
			continue;
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	children_deinit(&scene->children);
	event_free(scene->reaper);
	event_base_free(scene->base);
	unlink(scene->program);
	unlink(scene->output);
	rmdir(scene->folder);
	free(scene);
	return 0;
}

/* The router's program is this script. */
static void start_script(struct scene *scene, const char *script)
{
	FILE *file = fopen(scene->program, "we");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	chmod(scene->program, 0755);
	children_start_wanted(&scene->children, &scene->config);
}

static struct child_record *router(struct scene *scene)
{
	return children_router(&scene->children);
}

static void one_that_exits_at_once_is_started_again(void **state)
{
	struct scene *scene = *state;

	scene->end_after_deaths = 4;
	start_script(scene, "exit 7");
	event_base_dispatch(scene->base);
	assert_int_equal(scene->spawns, 4);
	assert_int_equal(router(scene)->life.state, LIFE_BACKOFF);
	assert_int_equal(router(scene)->life.restarts, 3);
	assert_non_null(strstr(router(scene)->last_death, "exited with status 7"));
}

static void a_program_that_is_not_there_backs_off(void **state)
{
	struct scene *scene = *state;

	scene->end_after_deaths = 2;
	children_start_wanted(&scene->children, &scene->config);
	event_base_dispatch(scene->base);
	assert_int_equal(router(scene)->life.state, LIFE_BACKOFF);
	assert_non_null(strstr(router(scene)->last_death, "exited with status 127"));
}

/* A child that we have to kill each time must not be restarted without end at full speed. */
static void one_that_we_kill_again_and_again_backs_off(void **state)
{
	struct scene *scene = *state;

	scene->end_after_deaths = 4;
	scene->ready_at_once = scene->killed_when_ready = true;
	start_script(scene, "exec sleep 1000");
	event_base_dispatch(scene->base);
	assert_int_equal(router(scene)->life.state, LIFE_BACKOFF);
}

static void one_that_others_kill_is_started_at_once(void **state)
{
	struct scene *scene = *state;

	scene->ready_at_once = true;
	start_script(scene, "exec sleep 1000");
	for (scene->end_after_deaths = 1; scene->end_after_deaths <= 10;
	     scene->end_after_deaths++) {
		kill(router(scene)->pid, SIGKILL);
		event_base_dispatch(scene->base);
		assert_int_equal(scene->spawns, scene->end_after_deaths + 1);
		assert_int_equal(router(scene)->life.state, LIFE_READY);
	}
}

static void one_that_talks_nonsense_is_killed(void **state)
{
	struct scene *scene = *state;

	scene->end_after_deaths = 1;
	start_script(scene, "printf '\\301' >&3; exec sleep 1000");
	event_base_dispatch(scene->base);
	assert_non_null(strstr(router(scene)->last_death, "killed by signal 9"));
}

static void one_that_hangs_up_and_stays_is_killed(void **state)
{
	struct scene *scene = *state;

	scene->end_after_deaths = 1;
	scene->ready_at_once = true;
	start_script(scene, "exec 3>&-; exec sleep 1000");
	event_base_dispatch(scene->base);
	assert_non_null(strstr(router(scene)->last_death, "killed by signal 9"));
}

static void one_that_is_never_ready_is_killed(void **state)
{
	struct scene *scene = *state;

	scene->children.limits.ready_ms = 20;
	scene->end_after_deaths = 1;
	start_script(scene, "exec sleep 1000");
	event_base_dispatch(scene->base);
	assert_int_equal(router(scene)->life.state, LIFE_BACKOFF);
}

static void one_that_does_not_stop_is_killed(void **state)
{
	struct scene *scene = *state;

	scene->children.limits.stop_ms = 20;
	scene->ready_at_once = true;
	start_script(scene, "trap '' TERM; exec sleep 1000");
	child_stop(router(scene));
	event_base_dispatch(scene->base);
	assert_int_equal(scene->deaths, 1);
	assert_int_equal(scene->gone, 1);
	assert_null(router(scene));
}

static void read_output(struct scene *scene, struct buffer *text)
{
	FILE *file = fopen(scene->output, "re");
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		buffer_append_string(text, line);
	fclose(file);
}

static void a_child_finds_nothing_that_it_should_not(void **state)
{
	struct scene *scene = *state;
	CLEAN(buffer) struct buffer text = BUFFER_INIT;
	char script[256];
	int stray = dup2(STDERR_FILENO, 30); /* not close-on-exec, on purpose */

	setenv("OPTIMAX_TEST_KEPT", "yes", 1);
	setenv("PGPASSWORD", "geheim", 1);
	scene->children.lock_fd = STDERR_FILENO;
	scene->end_after_deaths = 1;
	snprintf(script, sizeof(script),
	    "exec 9>%s; for fd in 0 1 2 3 4 5 6 30; do test -e /proc/$$/fd/$fd && echo fd$fd >&9; "
	    "done; /usr/bin/env >&9; exit 0",
	    scene->output);
	start_script(scene, script);
	event_base_dispatch(scene->base);
	close(stray);
	unsetenv("PGPASSWORD");
	unsetenv("OPTIMAX_TEST_KEPT");
	read_output(scene, &text);
	/* 5 and 6 are -1 here: the router without its sockets. */
	assert_int_equal(strncmp(buffer_string(&text), "fd0\nfd1\nfd2\nfd3\nfd4\n", 20), 0);
	assert_null(strstr(buffer_string(&text), "fd5"));
	assert_null(strstr(buffer_string(&text), "fd6"));
	assert_null(strstr(buffer_string(&text), "fd30"));
	assert_non_null(strstr(buffer_string(&text), "OPTIMAX_TEST_KEPT=yes"));
	assert_null(strstr(buffer_string(&text), "geheim"));
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    SCENE(one_that_exits_at_once_is_started_again),
	    SCENE(a_program_that_is_not_there_backs_off),
	    SCENE(one_that_we_kill_again_and_again_backs_off),
	    SCENE(one_that_others_kill_is_started_at_once),
	    SCENE(one_that_talks_nonsense_is_killed),
	    SCENE(one_that_hangs_up_and_stays_is_killed),
	    SCENE(one_that_is_never_ready_is_killed),
	    SCENE(one_that_does_not_stop_is_killed),
	    SCENE(a_child_finds_nothing_that_it_should_not),
	};

	/* Descriptors that a careless parent could leave to its children, 5 among them. */
	while (dup(STDERR_FILENO) < 5)
		;
	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
