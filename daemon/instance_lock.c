#include "daemon/instance_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"

enum { ORPHAN_WAIT_MS = 5000, ORPHAN_POLL_MS = 20 };

static void lock_name(const char *instance, char *ret_name, size_t size)
{
	snprintf(ret_name, size, "/optimax-%s.lock", instance);
}

/* The pid in the file; 0 where there is none to be read. */
static pid_t read_holder(int fd)
{
	char text[32];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	if (size <= 0)
		return 0;
	text[size] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

static bool is_alive(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* The file that is locked may have been removed by the one that held it before. */
static bool is_current(int fd, const char *name)
{
	struct stat ours, theirs;
	CLEAN(fd) int again = shm_open(name, O_RDONLY | O_CLOEXEC, 0);

	return again >= 0 && fstat(fd, &ours) == 0 && fstat(again, &theirs) == 0 &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

static int explain_open(const char *name, int error, char *ret_message, size_t size)
{
	char path[128];
	struct stat status;
	const struct passwd *owner = NULL;

	snprintf(path, sizeof(path), "/dev/shm%s", name);
	if (stat(path, &status) == 0)
		owner = getpwuid(status.st_uid);
	if (owner && status.st_uid != geteuid())
		snprintf(ret_message, size,
		    "cannot open %s: it belongs to the user %s; run optimaxd as that user, remove "
		    "the file, or choose another instance",
		    path, owner->pw_name);
	else
		snprintf(ret_message, size, "cannot open %s: %s", path, strerror(error));
	return -error;
}

/* One attempt: 0, -EAGAIN where the file was replaced meanwhile, INSTANCE_LOCK_HELD. */
static int try_lock(const char *name, int *ret_fd, pid_t *ret_holder)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EAGAIN ? -EIO : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		*ret_holder = read_holder(fd);
		close(fd);
		return INSTANCE_LOCK_HELD;
	}
	if (!is_current(fd, name)) {
		close(fd);
		return -EAGAIN;
	}
	*ret_fd = fd;
	return 0;
}

/* The pid is a courtesy to who comes second; a full /dev/shm must not matter here. */
static void write_holder(int fd)
{
	char text[32];
	int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) != size)
		errno = 0;
}

int instance_lock_take(const char *instance, int *ret_fd, char *ret_message, size_t message_size)
{
	const struct timespec pause = {.tv_nsec = ORPHAN_POLL_MS * 1000000L};
	pid_t holder = 0;
	char name[64];
	int fd = -1, r;

	lock_name(instance, name, sizeof(name));
	for (int waited_ms = 0;; waited_ms += ORPHAN_POLL_MS) {
		r = try_lock(name, &fd, &holder);
		if (r == 0 || (r < 0 && r != -EAGAIN))
			break;
		if (r == INSTANCE_LOCK_HELD && (is_alive(holder) || waited_ms >= ORPHAN_WAIT_MS))
			break;
		nanosleep(&pause, NULL);
	}
	if (r < 0)
		return explain_open(name, -r, ret_message, message_size);
	if (r == INSTANCE_LOCK_HELD) {
		snprintf(ret_message, message_size,
		    "instance \"%s\" is held by another optimaxd (pid %d); stop it, or give this "
		    "one an instance, runtime_dir and state_dir of its own",
		    instance, (int)holder);
		return r;
	}
	write_holder(fd);
	*ret_fd = fd;
	return 0;
}

void instance_lock_release(const char *instance, int fd)
{
	char name[64];

	lock_name(instance, name, sizeof(name));
	shm_unlink(name);
	close(fd);
}
