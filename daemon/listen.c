#include "daemon/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/bytes.h"

struct wanted {
	const char *name; /* what systemd may call it */
	const char *path;
	mode_t mode;
	const char *group; /* NULL: the process's own */
};

struct message {
	char *text;
	size_t size;
};

#define FAIL(message, error, ...) \
	(snprintf((message)->text, (message)->size, __VA_ARGS__), -(error))

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* The configuration's check made sure that it fits. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

/* Whether somebody accepts connections there; a full queue counts. */
static bool is_served(const char *path)
{
	struct sockaddr_un address = address_of(path);
	CLEAN(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	return errno != ECONNREFUSED && errno != ENOENT;
}

static int make_room(const char *path, const struct message *message)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		return 0; /* bind says what else is wrong */
	if (!S_ISSOCK(status.st_mode))
		return FAIL(message, EEXIST,
		    "%s is there and is no socket; remove it, or configure another path", path);
	if (is_served(path))
		return FAIL(message, EADDRINUSE,
		    "%s is served by another process; stop it, or configure another path", path);
	if (unlink(path) != 0)
		return FAIL(message, errno, "cannot replace %s, on which nobody listens: %s", path,
		    strerror(errno));
	return 0;
}

static int set_group(const struct wanted *wanted, const struct message *message)
{
	const struct group *group;

	if (!wanted->group)
		return 0;
	group = getgrnam(wanted->group);
	if (!group)
		return FAIL(message, ENOENT,
		    "listen.socket_group: there is no group \"%s\"; create it, or name another",
		    wanted->group);
	if (chown(wanted->path, (uid_t)-1, group->gr_gid) != 0)
		return FAIL(message, errno,
		    "cannot give %s to the group \"%s\": %s; make this user a member of it",
		    wanted->path, wanted->group, strerror(errno));
	return 0;
}

/* Nobody may connect before group and mode are right: it starts with neither. */
static int bind_socket(int fd, const struct wanted *wanted, const struct message *message)
{
	struct sockaddr_un address = address_of(wanted->path);
	mode_t before = umask(0777);
	int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;

	umask(before);
	if (r < 0)
		return FAIL(message, -r,
		    "cannot make the socket %s: %s; its folder must be there and writable",
		    wanted->path, strerror(-r));
	r = set_group(wanted, message);
	if (r == 0 && chmod(wanted->path, wanted->mode) != 0)
		r = FAIL(
		    message, errno, "cannot set the mode of %s: %s", wanted->path, strerror(errno));
	if (r == 0 && listen(fd, SOMAXCONN) != 0)
		r = FAIL(message, errno, "cannot listen on %s: %s", wanted->path, strerror(errno));
	if (r < 0)
		unlink(wanted->path);
	return r;
}

static int make_listener(
    const struct wanted *wanted, const struct message *message, struct listener *ret_listener)
{
	int fd, r = make_room(wanted->path, message);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return FAIL(message, errno, "cannot make a socket: %s", strerror(errno));
	r = bind_socket(fd, wanted, message);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_listener = (struct listener){fd, must_strdup(wanted->path), true};
	return 0;
}

/* What systemd passed, and which of them are taken. */
struct passed {
	int count;
	char **names;
	bool taken[8];
};

static bool is_listening_socket(int fd, const char *path)
{
	return sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0;
}

/* By name, else by path, else the next in order: units of all three kinds are in use. */
static int find_passed(struct passed *passed, const struct wanted *wanted)
{
	int by_path = -1, next = -1;

	for (int i = passed->count - 1; i >= 0; i--) {
		int fd = SD_LISTEN_FDS_START + i;

		if (passed->taken[i] || !is_listening_socket(fd, NULL))
			continue;
		if (passed->names && passed->names[i] &&
		    strcmp(passed->names[i], wanted->name) == 0) {
			passed->taken[i] = true;
			return fd;
		}
		if (is_listening_socket(fd, wanted->path))
			by_path = i;
		next = i;
	}
	if (by_path >= 0)
		next = by_path;
	if (next < 0)
		return -1;
	passed->taken[next] = true;
	return SD_LISTEN_FDS_START + next;
}

static bool is_named_for(const struct passed *passed, int index, const char *name)
{
	return passed->names && passed->names[index] && strcmp(passed->names[index], name) == 0;
}

/* A socket that is named or bound for the other must not be taken for this one by order. */
static void reserve_for(struct passed *passed, const struct wanted *other, bool reserve)
{
	for (int i = 0; i < passed->count; i++)
		if (is_named_for(passed, i, other->name) ||
		    is_listening_socket(SD_LISTEN_FDS_START + i, other->path))
			passed->taken[i] = reserve;
}

static int take_or_make(struct passed *passed, const struct wanted *wanted,
    const struct message *message, struct listener *ret_listener)
{
	int fd = find_passed(passed, wanted);

	if (fd < 0)
		return make_listener(wanted, message, ret_listener);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return FAIL(message, errno, "cannot use the socket that systemd passed: %s",
		    strerror(errno));
	*ret_listener = (struct listener){fd, must_strdup(wanted->path), false};
	return 0;
}

static int make_runtime_dir(const char *path, const struct message *message)
{
	struct stat status;

	if (mkdir(path, 0755) == 0 || errno == EEXIST) {
		if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
			return 0;
		return FAIL(
		    message, ENOTDIR, "runtime_dir: %s is no folder; configure another", path);
	}
	return FAIL(message, errno,
	    "runtime_dir: cannot create %s: %s; create it for this user, or configure another",
	    path, strerror(errno));
}

static void free_names(struct passed *passed)
{
	for (int i = 0; passed->names && passed->names[i]; i++)
		free(passed->names[i]);
	free(passed->names);
}

int listeners_open(const struct config *config, struct listeners *ret_listeners, char *ret_message,
    size_t message_size)
{
	const struct message message = {ret_message, message_size};
	const struct wanted application = {
	    "optimax.socket", config->socket, (mode_t)config->socket_mode, config->socket_group};
	const struct wanted control = {
	    "optimax-control.socket", config->control_socket, (mode_t)config->control_mode, NULL};
	struct listeners listeners = LISTENERS_INIT;
	struct passed passed = {0};
	int r = make_runtime_dir(config->runtime_dir, &message);

	if (r < 0)
		return r;
	passed.count = sd_listen_fds_with_names(1, &passed.names);
	if (passed.count < 0 || passed.count > (int)sizeof(passed.taken))
		return FAIL(&message, EINVAL,
		    "systemd passed sockets that cannot be used; see optimaxd.socket for two that "
		    "can");
	reserve_for(&passed, &control, true);
	r = take_or_make(&passed, &application, &message, &listeners.application);
	reserve_for(&passed, &control, false);
	if (r == 0)
		r = take_or_make(&passed, &control, &message, &listeners.control);
	free_names(&passed);
	if (r < 0) {
		listeners_close(&listeners);
		return r;
	}
	*ret_listeners = listeners;
	return 0;
}

static void close_listener(struct listener *listener)
{
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->is_ours)
		unlink(listener->path);
	free(listener->path);
	*listener = (struct listener){.fd = -1};
}

void listeners_close(struct listeners *listeners)
{
	close_listener(&listeners->application);
	close_listener(&listeners->control);
}
