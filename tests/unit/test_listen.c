/* Listening sockets and the instance's lock: made, replaced, refused, passed by systemd. */
#include "daemon/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "daemon/instance_lock.h"

struct scene {
	char folder[64], runtime_dir[80], socket[96], control[96], message[512];
	struct config config;
	struct listeners listeners;
};

static int set_up(void **state)
{
	struct scene *scene = must_zalloc(sizeof(*scene));

	snprintf(scene->folder, sizeof(scene->folder), "/tmp/optimax-listen-XXXXXX");
	if (!mkdtemp(scene->folder))
		return -1;
	snprintf(scene->runtime_dir, sizeof(scene->runtime_dir), "%s/run", scene->folder);
	snprintf(scene->socket, sizeof(scene->socket), "%s/run/a.sock", scene->folder);
	snprintf(scene->control, sizeof(scene->control), "%s/run/c.sock", scene->folder);
	scene->config = (struct config){
	    .runtime_dir = scene->runtime_dir,
	    .socket = scene->socket,
	    .control_socket = scene->control,
	    .socket_mode = 0640,
	    .control_mode = 0600,
	};
	scene->listeners = LISTENERS_INIT;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	listeners_close(&scene->listeners);
	unlink(scene->socket);
	unlink(scene->control);
	rmdir(scene->runtime_dir);
	rmdir(scene->folder);
	free(scene);
	return 0;
}

static int open_scene(struct scene *scene)
{
	return listeners_open(
	    &scene->config, &scene->listeners, scene->message, sizeof(scene->message));
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A socket that is bound there; and listens. */
static int bind_there(const char *path, bool listens)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void sockets_are_made_and_removed(void **state)
{
	struct scene *scene = *state;
	int fd;

	assert_int_equal(open_scene(scene), 0);
	assert_int_equal(mode_of(scene->socket), 0640);
	assert_int_equal(mode_of(scene->control), 0600);
	fd = connect_to(scene->socket);
	assert_true(fd >= 0);
	close(fd);
	assert_true(fcntl(scene->listeners.application.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(scene->listeners.application.fd, F_GETFL) & O_NONBLOCK);
	listeners_close(&scene->listeners);
	assert_int_equal(access(scene->socket, F_OK), -1);
	assert_int_equal(access(scene->control, F_OK), -1);
}

static void a_file_that_nobody_serves_is_replaced(void **state)
{
	struct scene *scene = *state;
	int fd;

	mkdir(scene->runtime_dir, 0755);
	close(bind_there(scene->socket, true));
	assert_int_equal(connect_to(scene->socket), -1);
	assert_int_equal(open_scene(scene), 0);
	fd = connect_to(scene->socket);
	assert_true(fd >= 0);
	close(fd);
}

static void a_socket_that_is_served_is_refused(void **state)
{
	struct scene *scene = *state;
	int other, fd;

	mkdir(scene->runtime_dir, 0755);
	other = bind_there(scene->control, true);
	assert_int_equal(open_scene(scene), -EADDRINUSE);
	assert_non_null(strstr(scene->message, "is served by another process"));
	/* The first one, made before, is gone again; the other's is as it was. */
	assert_int_equal(access(scene->socket, F_OK), -1);
	fd = connect_to(scene->control);
	assert_true(fd >= 0);
	close(fd);
	close(other);
}

static void what_is_no_socket_is_not_touched(void **state)
{
	struct scene *scene = *state;
	int fd;

	mkdir(scene->runtime_dir, 0755);
	fd = open(scene->socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(open_scene(scene), -EEXIST);
	assert_non_null(strstr(scene->message, "is no socket"));
	assert_int_equal(access(scene->socket, F_OK), 0);
}

static void folders_that_cannot_be(void **state)
{
	struct scene *scene = *state;
	char nowhere[] = "/proc/nowhere/run", file[] = "/etc/passwd";

	scene->config.runtime_dir = nowhere;
	assert_true(open_scene(scene) < 0);
	assert_non_null(strstr(scene->message, "runtime_dir: cannot create"));
	scene->config.runtime_dir = file;
	assert_int_equal(open_scene(scene), -ENOTDIR);
}

static void a_group_that_is_not_there(void **state)
{
	struct scene *scene = *state;
	char group[] = "no-such-group";

	scene->config.socket_group = group;
	assert_int_equal(open_scene(scene), -ENOENT);
	assert_non_null(strstr(scene->message, "no-such-group"));
	assert_int_equal(access(scene->socket, F_OK), -1);
}

struct passed_case {
	const char *name;
	const char *first, *second; /* what is bound at descriptors 3 and 4: a, c or other */
	const char *names; /* LISTEN_FDNAMES; NULL: none */
	int application, control; /* the descriptor that must serve each; -1: a new one */
};

static const struct passed_case passed_cases[] = {
    {"by name, crossed", "other1", "other2", "optimax-control.socket:optimax.socket", 4, 3},
    {"by path, crossed", "c", "a", "optimaxd.socket:optimaxd.socket", 4, 3},
    {"by path before order", "other1", "a", "x:y", 4, 3},
    {"by order", "other1", "other2", "x:y", 3, 4},
    {"without names", "a", "c", NULL, 3, 4},
    {"the application's alone", "a", NULL, "optimax.socket", 3, -1},
    {"the control's alone, by name", "other1", NULL, "optimax-control.socket", -1, 3},
    {"the control's alone, by path", "c", NULL, "x", -1, 3},
};

static void bind_at(struct scene *scene, const char *what, int at)
{
	char path[128];
	int fd;

	if (!what)
		return;
	snprintf(path, sizeof(path), "%s/%s", scene->runtime_dir, what);
	if (strlen(what) == 1)
		snprintf(path, sizeof(path), "%s", *what == 'a' ? scene->socket : scene->control);
	fd = bind_there(path, true);
	if (fd == at) {
		fcntl(fd, F_SETFD, 0);
		return;
	}
	dup2(fd, at);
	close(fd);
}

/* In a process of its own, with descriptors 3 and 4 as systemd passes them. */
static void run_passed_case(struct scene *scene, const struct passed_case *row)
{
	char text[32];

	for (int fd = 3; fd < 20; fd++)
		close(fd);
	bind_at(scene, row->first, 3);
	bind_at(scene, row->second, 4);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", row->second ? "2" : "1", 1);
	if (row->names)
		setenv("LISTEN_FDNAMES", row->names, 1);
	if (open_scene(scene) != 0)
		_exit(1);
	if (row->application >= 0 && (scene->listeners.application.fd != row->application ||
	                                 scene->listeners.application.is_ours))
		_exit(2);
	if (row->control >= 0 &&
	    (scene->listeners.control.fd != row->control || scene->listeners.control.is_ours))
		_exit(3);
	if (row->application < 0 && !scene->listeners.application.is_ours)
		_exit(4);
	if (row->control < 0 && !scene->listeners.control.is_ours)
		_exit(5);
	_exit(0);
}

static void sockets_of_systemd_are_taken(void **state)
{
	static const char *const left[] = {"a.sock", "c.sock", "other1", "other2"};
	struct scene *scene = *state;

	mkdir(scene->runtime_dir, 0755);
	for (size_t i = 0; i < sizeof(passed_cases) / sizeof(passed_cases[0]); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			run_passed_case(scene, &passed_cases[i]);
		waitpid(pid, &status, 0);
		for (size_t k = 0; k < sizeof(left) / sizeof(left[0]); k++) {
			char path[128];

			snprintf(path, sizeof(path), "%s/%s", scene->runtime_dir, left[k]);
			unlink(path);
		}
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s: status %d", passed_cases[i].name, WEXITSTATUS(status));
	}
}

static void an_instance_is_held_once(void **state)
{
	char instance[32], message[512], pid[32];
	int first, second;

	(void)state;
	snprintf(instance, sizeof(instance), "test-lock-%d", (int)getpid());
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	assert_int_equal(instance_lock_take(instance, &first, message, sizeof(message)), 0);
	assert_int_equal(
	    instance_lock_take(instance, &second, message, sizeof(message)), INSTANCE_LOCK_HELD);
	assert_non_null(strstr(message, pid));
	instance_lock_release(instance, first);
	assert_int_equal(instance_lock_take(instance, &second, message, sizeof(message)), 0);
	instance_lock_release(instance, second);
}

/* Whether the process waits in the kernel: it has tried the lock and will try again. */
static bool sleeps(pid_t pid)
{
	char path[64], text[256] = "";
	const char *behind_name;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	behind_name = strrchr(text, ')');
	return behind_name && strncmp(behind_name, ") S", 3) == 0;
}

/* The holder is dead, but its child still has the descriptor: wait for that one. */
static void orphans_are_waited_for(void **state)
{
	char instance[32], message[512];
	int gate[2], status, fd = -1;
	pid_t holder, parent = getpid();

	(void)state;
	snprintf(instance, sizeof(instance), "test-orphan-%d", (int)getpid());
	assert_int_equal(pipe(gate), 0);
	holder = fork();
	if (holder == 0) {
		char byte;

		if (instance_lock_take(instance, &fd, message, sizeof(message)) != 0)
			_exit(1);
		close(gate[1]);
		if (fork() == 0) /* the orphan: until the gate opens */
			_exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
		_exit(0);
	}
	waitpid(holder, &status, 0);
	assert_int_equal(status, 0);
	if (fork() == 0) { /* opens the gate while the parent waits below */
		close(gate[0]);
		while (!sleeps(parent))
			sched_yield();
		_exit(0);
	}
	close(gate[0]);
	close(gate[1]);
	assert_int_equal(instance_lock_take(instance, &fd, message, sizeof(message)), 0);
	instance_lock_release(instance, fd);
	wait(&status);
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    SCENE(sockets_are_made_and_removed),
	    SCENE(a_file_that_nobody_serves_is_replaced),
	    SCENE(a_socket_that_is_served_is_refused),
	    SCENE(what_is_no_socket_is_not_touched),
	    SCENE(folders_that_cannot_be),
	    SCENE(a_group_that_is_not_there),
	    SCENE(sockets_of_systemd_are_taken),
	    cmocka_unit_test(an_instance_is_held_once),
	    cmocka_unit_test(orphans_are_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
