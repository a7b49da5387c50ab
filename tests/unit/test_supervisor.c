/* The supervisor from start to stop, with tests/unit/fake_child.c for all its programs: what
 * systemd is told, what children are told, deaths, reload. Told as what the log and the
 * notify socket say, in order, waiting for each line. */
#include "daemon/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/config_read.h"
#include "daemon/optimaxd.h"

enum { PATIENCE_S = 30, HEAR_MS = 15000 };

struct scene {
	char folder[64], config_file[96], socket[96], notify_path[96], instance[32];
	int notify; /* datagrams of sd_notify */
	int log; /* the read end of everybody's standard error */
	struct buffer heard; /* of the log, not yet waited for */
	pid_t supervisor;
};

static const char *const programs[] = {
    "optimax-router", "optimax-inference", "optimax-database", "optimax-watcher", "optimax-check"};

static void path_in(const struct scene *scene, const char *name, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/%s", scene->folder, name);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static void open_notify(struct scene *scene)
{
	struct sockaddr_un address = address_of(scene->notify_path);

	scene->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(scene->notify, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", scene->notify_path, 1);
}

static int set_up(void **state)
{
	struct scene *scene = must_zalloc(sizeof(*scene));
	const char *build = getenv("top_builddir");
	char target[PATH_MAX], link[128];

	snprintf(scene->folder, sizeof(scene->folder), "/tmp/optimax-supervisor-XXXXXX");
	if (!mkdtemp(scene->folder))
		return -1;
	snprintf(scene->instance, sizeof(scene->instance), "test-%d", (int)getpid());
	path_in(scene, "optimax.yaml", scene->config_file, sizeof(scene->config_file));
	path_in(scene, "optimax.sock", scene->socket, sizeof(scene->socket));
	path_in(scene, "notify", scene->notify_path, sizeof(scene->notify_path));
	snprintf(link, sizeof(link), "%.80s/tests/unit/fake_child", build ? build : ".");
	if (!realpath(link, target))
		return -1;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		path_in(scene, programs[i], link, sizeof(link));
		if (symlink(target, link) != 0)
			return -1;
	}
	setenv("OPTIMAX_LIBEXEC", scene->folder, 1);
	open_notify(scene);
	alarm(PATIENCE_S);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;
	char path[128];

	alarm(0);
	if (scene->supervisor > 0) {
		kill(scene->supervisor, SIGKILL);
		waitpid(scene->supervisor, NULL, 0);
	}
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		path_in(scene, programs[i], path, sizeof(path));
		unlink(path);
	}
	unlink(scene->config_file);
	unlink(scene->notify_path);
	unlink(scene->socket);
	path_in(scene, "control.sock", path, sizeof(path));
	unlink(path);
	rmdir(scene->folder);
	snprintf(path, sizeof(path), "/dev/shm/optimax-%s.lock", scene->instance);
	unlink(path);
	buffer_deinit(&scene->heard);
	close(scene->notify);
	close(scene->log);
	free(scene);
	return 0;
}

/* `more` are lines of YAML behind what every scene has. */
static void write_config(struct scene *scene, const char *instance, const char *more)
{
	FILE *file = fopen(scene->config_file, "we");

	assert_non_null(file);
	fprintf(file, "instance: %s\nruntime_dir: %s\n%s\n", instance, scene->folder, more);
	fclose(file);
}

static void start(struct scene *scene)
{
	int log[2];

	assert_int_equal(pipe(log), 0);
	scene->log = log[0];
	scene->supervisor = fork();
	if (scene->supervisor == 0) {
		struct config_faults faults;
		struct config *config;

		dup2(log[1], STDERR_FILENO);
		close(log[0]);
		close(log[1]);
		alarm(PATIENCE_S);
		config = config_read_file(scene->config_file, &faults);
		_exit(config ? supervisor_run(scene->config_file, config) : 99);
	}
	close(log[1]);
}

static void start_with(struct scene *scene, const char *text)
{
	write_config(scene, scene->instance, text);
	start(scene);
}

static int wait_for_end(struct scene *scene)
{
	int status;

	assert_int_equal(waitpid(scene->supervisor, &status, 0), scene->supervisor);
	scene->supervisor = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Waits until a log line has the text, whatever comes before it; that is forgotten. Returns the
 * number behind the text; 0: none. */
static int hear(struct scene *scene, const char *text)
{
	for (;;) {
		struct pollfd readable = {.fd = scene->log, .events = POLLIN};
		const char *at = strstr(buffer_string(&scene->heard), text);
		const char *end = at ? strchr(at + strlen(text) - 1, '\n') : NULL;
		ssize_t size;

		if (end) {
			int number = atoi(at + strlen(text));

			buffer_consume(&scene->heard, (size_t)(end - scene->heard.data) + 1);
			return number;
		}
		if (poll(&readable, 1, HEAR_MS) <= 0)
			fail_msg(
			    "nobody said \"%s\"; last: %s", text, buffer_string(&scene->heard));
		size = read(scene->log, buffer_reserve(&scene->heard, 4096), 4096);
		if (size <= 0)
			fail_msg(
			    "the log ended before \"%s\": %s", text, buffer_string(&scene->heard));
		scene->heard.size += (size_t)size;
	}
}

static void expect_notification(struct scene *scene, const char *start_of_text)
{
	char text[512];
	ssize_t size = recv(scene->notify, text, sizeof(text) - 1, 0);

	assert_true(size >= 0);
	text[size] = '\0';
	if (strncmp(text, start_of_text, strlen(start_of_text)) != 0)
		fail_msg("notified \"%s\", not \"%s\"", text, start_of_text);
}

static bool can_connect(const struct scene *scene)
{
	struct sockaddr_un address = address_of(scene->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return connected;
}

#define SHOP "databases: [{name: shop, dsn: host=x, workers: 1}]"

static void it_is_ready_then_stops_clean(void **state)
{
	struct scene *scene = *state;

	start_with(scene, SHOP);
	hear(scene, "check");
	expect_notification(scene, "READY=1\nSTATUS=");
	assert_true(can_connect(scene));
	hear(scene, "optimaxd: notice: ready");
	kill(scene->supervisor, SIGTERM);
	expect_notification(scene, "STOPPING=1");
	/* The router first: it drains while its workers still work. */
	hear(scene, "router: notice: stops");
	hear(scene, "database shop 0: notice: stops");
	assert_int_equal(wait_for_end(scene), OPTIMAXD_EXIT_OK);
	assert_int_equal(access(scene->socket, F_OK), -1);
}

static void a_router_that_dies_is_told_everything_again(void **state)
{
	struct scene *scene = *state;
	pid_t router;

	start_with(scene, SHOP);
	router = hear(scene, "router: notice: pid ");
	hear(scene, "router: notice: schema shop v1");
	kill(router, SIGKILL);
	assert_true(can_connect(scene)); /* the socket is the supervisor's */
	hear(scene, "router: notice: configured: 1 databases");
	hear(scene, "router: notice: hears: router  0 is starting, 1 restarts");
	hear(scene, "router: notice: has a worker");
	hear(scene, "router: notice: schema shop v1");
}

static void a_worker_that_dies_is_replaced(void **state)
{
	struct scene *scene = *state;
	pid_t worker;

	start_with(scene, SHOP);
	worker = hear(scene, "database shop 0: notice: pid ");
	hear(scene, "database shop 0: notice: schema shop v1");
	kill(worker, SIGKILL);
	hear(scene, "database shop 0: notice: configured");
	hear(scene, "database shop 0: notice: attached");
	hear(scene, "database shop 0: notice: schema shop v1");
}

/* Kills the database worker so and waits for one line. */
static void kill_worker_and_hear(struct scene *scene, int signal_number, const char *line)
{
	pid_t worker;

	start_with(scene, SHOP);
	worker = hear(scene, "database shop 0: notice: pid ");
	hear(scene, "database shop 0: notice: schema shop v1");
	kill(worker, signal_number);
	assert_true(hear(scene, line) == worker || !strstr(line, "pid"));
}

static void the_router_hears_of_it(void **state)
{
	kill_worker_and_hear(
	    *state, SIGKILL, "router: notice: hears: database shop 0 is ready, 1 restarts");
}

static void a_death_gets_an_obituary(void **state)
{
	kill_worker_and_hear(*state, SIGKILL, "optimaxd: error: database worker shop 0 (pid ");
}

static void a_killed_child_has_the_cache_checked(void **state)
{
	kill_worker_and_hear(*state, SIGKILL, "check --verify \n");
}

static void a_crashed_child_has_all_checksums_checked(void **state)
{
	kill_worker_and_hear(*state, SIGABRT, "check --verify --checksums");
}

static void reload_applies_what_has_changed(void **state)
{
	struct scene *scene = *state;

	start_with(scene, SHOP);
	expect_notification(scene, "READY=1");
	hear(scene, "database shop 0: notice: schema shop v1");
	write_config(scene, scene->instance,
	    "databases: [{name: shop, dsn: host=y, workers: 2}, {name: two, dsn: host=z}]\n"
	    "listen: {max_clients: 5}\ncache: {size: 32MiB}");
	kill(scene->supervisor, SIGHUP);
	expect_notification(scene, "RELOADING=1\nMONOTONIC_USEC=");
	expect_notification(scene, "READY=1");
	hear(scene, "listen.max_clients has changed");
	hear(scene, "cache.size (when optimaxd is restarted) has changed");
	hear(scene, "databases[shop].dsn has changed");
	hear(scene, "databases[two] has changed");
	hear(scene, "router: notice: configured: 2 databases, 5 clients");
	/* Another dsn takes another process. */
	hear(scene, "hears: database shop 0 is ready, 1 restarts");
	write_config(scene, scene->instance, "");
	kill(scene->supervisor, SIGHUP);
	hear(scene, "router: notice: configured: 0 databases, 10000 clients");
	hear(scene, "is gone");
}

static void a_bad_file_changes_nothing(void **state)
{
	struct scene *scene = *state;
	pid_t router;

	start_with(scene, SHOP);
	router = hear(scene, "router: notice: pid ");
	expect_notification(scene, "READY=1");
	write_config(scene, scene->instance, "listen: {max_clients: 5}\ncache: {size: big}");
	kill(scene->supervisor, SIGHUP);
	expect_notification(scene, "RELOADING=1");
	expect_notification(scene, "READY=1");
	hear(scene, "optimax.yaml:4: cache.size: \"big\" is no size");
	hear(scene, "the old one stays");
	kill(router, SIGKILL);
	hear(scene, "router: notice: configured: 1 databases, 10000 clients");
}

static void a_second_signal_does_not_wait(void **state)
{
	struct scene *scene = *state;
	pid_t router;

	start_with(scene, SHOP);
	router = hear(scene, "router: notice: pid ");
	expect_notification(scene, "READY=1");
	kill(router, SIGSTOP); /* it will never drain */
	kill(scene->supervisor, SIGTERM);
	expect_notification(scene, "STOPPING=1");
	kill(scene->supervisor, SIGINT);
	assert_int_equal(wait_for_end(scene), OPTIMAXD_EXIT_OK);
}

static void children_die_with_the_supervisor(void **state)
{
	struct scene *scene = *state;
	char byte;

	start_with(scene, SHOP);
	hear(scene, "optimaxd: notice: ready");
	kill(scene->supervisor, SIGKILL);
	assert_int_equal(wait_for_end(scene), -SIGKILL);
	/* The log ends when the last process that could write there has gone. */
	while (read(scene->log, &byte, 1) > 0)
		;
}

static void a_second_one_is_refused(void **state)
{
	struct scene *scene = *state;
	pid_t first;
	int log;

	start_with(scene, "");
	expect_notification(scene, "READY=1");
	first = scene->supervisor;
	log = scene->log;
	start(scene);
	assert_int_equal(wait_for_end(scene), OPTIMAXD_EXIT_HELD);
	hear(scene, "is held by another optimaxd (pid ");
	close(log);
	scene->supervisor = first;
}

static void a_segment_that_cannot_be_prepared_ends_the_start(void **state)
{
	struct scene *scene = *state;

	snprintf(scene->instance, sizeof(scene->instance), "refused");
	start_with(scene, "");
	hear(scene, "the shared-memory segment could not be prepared");
	assert_int_equal(wait_for_end(scene), OPTIMAXD_EXIT_FAILED);
	assert_false(can_connect(scene));
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    SCENE(it_is_ready_then_stops_clean),
	    SCENE(a_router_that_dies_is_told_everything_again),
	    SCENE(a_worker_that_dies_is_replaced),
	    SCENE(the_router_hears_of_it),
	    SCENE(a_death_gets_an_obituary),
	    SCENE(a_killed_child_has_the_cache_checked),
	    SCENE(a_crashed_child_has_all_checksums_checked),
	    SCENE(reload_applies_what_has_changed),
	    SCENE(a_bad_file_changes_nothing),
	    SCENE(a_second_signal_does_not_wait),
	    SCENE(children_die_with_the_supervisor),
	    SCENE(a_second_one_is_refused),
	    SCENE(a_segment_that_cannot_be_prepared_ends_the_start),
	};

	unsetenv("JOURNAL_STREAM");
	clock_init();
	log_init("optimaxd");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
