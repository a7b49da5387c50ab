/*
 * Figures from shared memory. The segments' layout is no business of a client: optimax-check,
 * which lies beside the daemon and was built with it, reads them and writes a map.
 */
#include "client/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/reply.h"

enum { SEGMENT_MAP_MAX = 1 << 20 };

static const char program[] = "optimax-check";

/* As the daemon finds its programs: beside our own, or where OPTIMAX_LIBEXEC says. */
static bool segment_program(char path[static PATH_MAX])
{
	const char *libexec = getenv("OPTIMAX_LIBEXEC");
	char self[PATH_MAX];
	ssize_t size;
	int needed;

	if (libexec && *libexec) {
		needed = snprintf(path, PATH_MAX, "%s/%s", libexec, program);
		return needed < PATH_MAX;
	}
	size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (size < 0)
		return false;
	self[size] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	needed = snprintf(path, PATH_MAX, "%s%s/%s", self, LIBEXEC_FROM_SBIN, program);
	return needed < PATH_MAX;
}

static bool segment_exists(const char *instance)
{
	char path[NAME_MAX + 64];

	snprintf(path, sizeof(path), "/dev/shm/optimax-%.*s-metrics", NAME_MAX, instance);
	return access(path, F_OK) == 0;
}

/* "main", or the name of either segment: of shm_open, as ls shows it, or with its folder. */
static void segment_instance(const char *name, char instance[static NAME_MAX])
{
	static const char prefix[] = "optimax-", suffix[] = "-metrics";
	const char *file = strrchr(name, '/');
	size_t size;

	file = file ? file + 1 : name;
	if (strncmp(file, prefix, sizeof(prefix) - 1) != 0 ||
	    (file == name && segment_exists(name))) {
		snprintf(instance, NAME_MAX, "%s", name);
		return;
	}
	snprintf(instance, NAME_MAX, "%s", file + sizeof(prefix) - 1);
	size = strlen(instance);
	if (size >= sizeof(suffix) && strcmp(instance + size - sizeof(suffix) + 1, suffix) == 0)
		instance[size - sizeof(suffix) + 1] = '\0';
}

/* The child: its standard output is the pipe, its complaints are ours. */
static void segment_run(const char *path, const char *instance, int fd)
{
	if (dup2(fd, STDOUT_FILENO) >= 0)
		execl(path, program, "--stats", "--instance", instance, (char *)NULL);
	fprintf(stderr, "optimaxctl: cannot run %s: %s\n", path, strerror(errno));
	_exit(CTL_FAILED);
}

static size_t segment_collect(int fd, char *map)
{
	size_t at = 0;

	while (at < SEGMENT_MAP_MAX) {
		ssize_t size = read(fd, map + at, SEGMENT_MAP_MAX - at);

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			break;
		at += (size_t)size;
	}
	return at;
}

int ctl_segment_read(struct ctl *ctl, struct optimax_reply **ret_reply)
{
	/* The map becomes a response, so that it is read and shown as the daemon's is. */
	static const char head[] = {'\x94', '\x01', '\x00', '\xc0'};
	char path[PATH_MAX], instance[NAME_MAX];
	int fds[2], status = 0;
	size_t size;
	char *bytes;
	pid_t pid;

	if (!segment_program(path) || pipe(fds) < 0)
		return ctl_fail(ctl, CTL_FAILED, "internal", "%s: %s", program, strerror(errno));
	segment_instance(ctl->segment, instance);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		segment_run(path, instance, fds[1]);
	close(fds[1]);
	bytes = malloc(sizeof(head) + SEGMENT_MAP_MAX);
	if (bytes)
		memcpy(bytes, head, sizeof(head));
	size = bytes ? segment_collect(fds[0], bytes + sizeof(head)) : 0;
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0 || size == 0 ||
	    reply_new((unsigned char *)bytes, sizeof(head) + size, ret_reply) != 0) {
		free(bytes);
		return ctl_fail(ctl, CTL_NO_DAEMON, "no_segment",
		    "no figures of instance '%s': is it running on this machine, and may you read "
		    "/dev/shm/optimax-%s-metrics?",
		    instance, instance);
	}
	free(bytes);
	return CTL_OK;
}
