#include "daemon/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/bytes.h"

/* What a child may see of our environment. A name with = at its end must match whole. */
static const char *const kept_variables[] = {"OPTIMAX_TEST_", "JOURNAL_STREAM=", "LANG=", "LC_ALL=",
    "TZ=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS="};

enum { ENVIRONMENT_MAX = 32, EXIT_CANNOT_RUN = 127 };

void spawn_request_init(struct spawn_request *ret_request, enum role role)
{
	*ret_request = (struct spawn_request){.role = role};
	for (int fd = 0; fd < CHILD_FD_COUNT; fd++)
		ret_request->fds[fd] = -1;
}

static bool is_kept(const char *variable)
{
	for (size_t i = 0; i < sizeof(kept_variables) / sizeof(kept_variables[0]); i++)
		if (strncmp(variable, kept_variables[i], strlen(kept_variables[i])) == 0)
			return true;
	return false;
}

static void clean_environment(char *ret_environment[static ENVIRONMENT_MAX])
{
	size_t count = 0;

	for (char **variable = environ; *variable && count < ENVIRONMENT_MAX - 1; variable++)
		if (is_kept(*variable))
			ret_environment[count++] = *variable;
	ret_environment[count] = NULL;
}

/* Beside our own executable, so that an installed tree runs wherever it lies. */
static int program_path(const char *program, char ret_path[static PATH_MAX])
{
	const char *libexec = getenv("OPTIMAX_LIBEXEC");
	char self[PATH_MAX];
	ssize_t size;
	int needed;

	if (libexec && *libexec) {
		needed = snprintf(ret_path, PATH_MAX, "%s/%s", libexec, program);
		return needed < PATH_MAX ? 0 : -ENAMETOOLONG;
	}
	size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (size < 0)
		return -errno;
	self[size] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	needed = snprintf(ret_path, PATH_MAX, "%s%s/%s", self, LIBEXEC_FROM_SBIN, program);
	return needed < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Puts each descriptor at its number. They go above all numbers first: one's source may be
 * another's place. */
static bool place_descriptors(const int fds[static CHILD_FD_COUNT])
{
	int high[CHILD_FD_COUNT];
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return false;
	for (int fd = CHILD_FD_CONTROL; fd < CHILD_FD_COUNT; fd++) {
		high[fd] = fds[fd] < 0 ? -1 : fcntl(fds[fd], F_DUPFD_CLOEXEC, CHILD_FD_COUNT);
		if (fds[fd] >= 0 && high[fd] < 0)
			return false;
	}
	for (int fd = CHILD_FD_CONTROL; fd < CHILD_FD_COUNT; fd++) {
		if (high[fd] < 0)
			close(fd);
		else if (dup2(high[fd], fd) < 0)
			return false;
	}
	return close_range(CHILD_FD_COUNT, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

/* Our handlers must not run in the child, nor our ignored signals stay ignored there. */
static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* One descriptor for each client: as many as the administrator allows at most. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void say_and_exit(const char *path, const char *what)
{
	char line[PATH_MAX + 128];
	int size = snprintf(
	    line, sizeof(line), "optimaxd: cannot run %s: %s: %s\n", path, what, strerror(errno));

	/* A child has no other way to tell; the supervisor logs its death. */
	if (write(STDERR_FILENO, line, (size_t)size) < 0)
		_exit(EXIT_CANNOT_RUN);
	_exit(EXIT_CANNOT_RUN);
}

static void run_child(
    const struct spawn_request *request, const char *path, char **environment, pid_t parent)
{
	/* const is C's history here: exec changes no argument. */
	char **argv = (char **)(uintptr_t)request->argv;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CHILD_EXIT_ORPHANED); /* it died before the line above */
	setpgid(0, 0);
	if (!place_descriptors(request->fds))
		say_and_exit(path, "descriptors");
	if (request->role == ROLE_ROUTER)
		raise_descriptor_limit();
	reset_signals();
	execve(path, argv, environment);
	say_and_exit(path, "exec");
}

int spawn_program(const struct spawn_request *request, pid_t *ret_pid)
{
	char *environment[ENVIRONMENT_MAX];
	char path[PATH_MAX];
	sigset_t all, before;
	pid_t parent = getpid(), pid;
	int r = program_path(role_rows[request->role].program, path);

	if (r < 0)
		return r;
	clean_environment(environment);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run_child(request, path, environment, parent);
	r = pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		*ret_pid = pid;
	return r;
}
