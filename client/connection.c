#include "client/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/reply.h"

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000, /* a full backlog makes connect wait */
	SEND_STALL_MS = LIMIT_WRITE_STALL_MS,
	READ_BYTES = 64 * 1024,
};

static const char default_path[] = "/run/optimax/optimax.sock";

static const struct {
	int code;
	const char *name;
} local_names[] = {
    {-ENOENT, "no_daemon"},
    {-ECONNREFUSED, "no_daemon"},
    {-EACCES, "no_permission"},
    {-ECONNRESET, "lost"},
    {-ENOTCONN, "not_connected"},
    {-ETIMEDOUT, "no_answer"},
    {-EBADMSG, "bad_reply"},
    {-EMSGSIZE, "bad_reply"},
    {-EINTR, "interrupted"},
    {-ENOMEM, "no_memory"},
    {OPTIMAX_TOO_LARGE, "too_large"},
    {OPTIMAX_OVERLOADED, "overloaded"},
    {OPTIMAX_BAD_REQUEST, "bad_request"},
};

static const char *local_name(int code)
{
	for (size_t i = 0; i < sizeof(local_names) / sizeof(local_names[0]); i++) {
		if (local_names[i].code == code)
			return local_names[i].name;
	}
	return "system";
}

int connection_fail(struct optimax *client, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(client->message, sizeof(client->message), format, arguments);
	va_end(arguments);
	optimax_reply_free(client->failed);
	client->failed = NULL;
	client->error = (struct optimax_error){.code = code,
	    .name = local_name(code),
	    .message = client->message,
	    .detail = "",
	    .sqlstate = ""};
	return code;
}

int connection_fail_reply(struct optimax *client, struct optimax_reply *reply)
{
	optimax_reply_free(client->failed);
	client->failed = reply;
	client->error = reply->error;
	return reply->error.code;
}

const struct optimax_error *optimax_error(const struct optimax *client)
{
	static const struct optimax_error no_memory = {
	    -ENOMEM, "no_memory", "memory is out", "", "", false, 0};

	return client ? &client->error : &no_memory;
}

struct optimax *optimax_new(void)
{
	struct optimax *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->fd = -1;
	client->waiting_end = &client->waiting;
	client->error =
	    (struct optimax_error){.name = "", .message = "", .detail = "", .sqlstate = ""};
	return client;
}

static void connection_close(struct optimax *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->in_flight_count = 0;
	client->input_start = client->input_end = 0;
	client->scan = (struct frame_scan){0};
}

static void connection_drop_waiting(struct optimax *client)
{
	while (client->waiting) {
		struct optimax_reply *reply = client->waiting;
		client->waiting = reply->next;
		optimax_reply_free(reply);
	}
	client->waiting_end = &client->waiting;
	client->waiting_count = 0;
}

void optimax_free(struct optimax *client)
{
	if (!client)
		return;
	connection_close(client);
	connection_drop_waiting(client);
	optimax_reply_free(client->failed);
	free(client->input);
	free(client);
}

int64_t connection_deadline(int timeout_ms)
{
	struct timespec now;

	if (timeout_ms < 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + timeout_ms;
}

int connection_timeout(int64_t deadline_ms)
{
	int64_t left = deadline_ms - connection_deadline(0);

	if (deadline_ms < 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

int optimax_connect_fd(struct optimax *client, int fd)
{
	int flags;

	if (!client)
		return -ENOMEM;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return connection_fail(client, -errno, "descriptor %d: %s", fd, strerror(errno));
	connection_close(client);
	connection_drop_waiting(client);
	client->fd = fd;
	return 0;
}

static int connection_open(const char *path, int *ret_fd)
{
	struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT_MS / 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = errno == EAGAIN ? -ETIMEDOUT : -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int optimax_connect(struct optimax *client, const char *path)
{
	int fd = -1, r;

	if (!client)
		return -ENOMEM;
	if (!path)
		path = getenv("OPTIMAX_SOCKET");
	if (!path || !*path)
		path = default_path;
	r = connection_open(path, &fd);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return connection_fail(client, r, "no daemon listens on %s", path);
	if (r == -EACCES)
		return connection_fail(client, r, "no permission to connect to %s", path);
	if (r < 0)
		return connection_fail(client, r, "cannot connect to %s: %s", path, strerror(-r));
	r = optimax_connect_fd(client, fd);
	if (r < 0)
		close(fd);
	return r;
}

int optimax_fd(const struct optimax *client)
{
	return client ? client->fd : -1;
}

static int connection_lost(struct optimax *client, int code, const char *why)
{
	connection_close(client);
	return connection_fail(client, code, "%s", why);
}

/* ---- requests in flight ---- */

static bool connection_awaits(const struct optimax *client, uint32_t msgid)
{
	for (size_t i = 0; i < client->in_flight_count; i++) {
		if (client->in_flight[i] == msgid)
			return true;
	}
	return false;
}

void connection_forget(struct optimax *client, uint32_t msgid)
{
	for (size_t i = 0; i < client->in_flight_count; i++) {
		if (client->in_flight[i] == msgid) {
			client->in_flight[i] = client->in_flight[--client->in_flight_count];
			return;
		}
	}
}

/* ---- bytes in ---- */

/* Room for READ_BYTES more. Grows no further than one message of the largest size. */
static int connection_make_room(struct optimax *client)
{
	size_t held = client->input_end - client->input_start;
	size_t capacity = client->input_capacity;
	unsigned char *grown;

	if (client->input_start > 0 && (held == 0 || client->input_start >= held)) {
		memmove(client->input, client->input + client->input_start, held);
		client->input_start = 0;
		client->input_end = held;
	}
	if (capacity - client->input_end >= READ_BYTES)
		return 0;
	capacity = capacity ? 2 * capacity : (size_t)2 * READ_BYTES;
	grown = realloc(client->input, capacity);
	if (!grown)
		return -ENOMEM;
	client->input = grown;
	client->input_capacity = capacity;
	return 0;
}

/* 0, -EAGAIN where nothing is there, or the connection is lost. */
static int connection_read(struct optimax *client)
{
	ssize_t size;

	if (connection_make_room(client) < 0)
		return connection_fail(client, -ENOMEM, "memory is out");
	size = recv(client->fd, client->input + client->input_end, READ_BYTES, 0);
	if (size > 0) {
		client->input_end += (size_t)size;
		return 0;
	}
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	return connection_lost(
	    client, -ECONNRESET, "the daemon closed the connection before it answered");
}

/* Takes one message out of the bytes held: 0, -EAGAIN where none is whole, or the connection
 * is closed because what came is no answer. */
static int connection_take(struct optimax *client, struct optimax_reply **ret_reply)
{
	const unsigned char *bytes = client->input + client->input_start;
	size_t size = client->input_end - client->input_start;
	int r;

	if (size == 0)
		return -EAGAIN;
	r = frame_scan(&client->scan, bytes, size, LIMIT_SIBLING_MESSAGE_BYTES);
	if (r == FRAME_INCOMPLETE)
		return -EAGAIN;
	if (r == -EMSGSIZE)
		return connection_lost(
		    client, r, "the answer is larger than any that OptimaX gives");
	if (r == FRAME_WHOLE)
		r = reply_new(bytes, client->scan.offset, ret_reply);
	if (r == -ENOMEM)
		return connection_lost(client, r, "memory is out");
	if (r < 0)
		return connection_lost(
		    client, r, "what came is not OptimaX's protocol; is this the right socket?");
	client->input_start += client->scan.offset;
	client->scan = (struct frame_scan){0};
	return 0;
}

/* ---- receive ---- */

/* The next message of a request that is in flight; others are dropped (late, or forgotten). */
static int connection_next(struct optimax *client, struct optimax_reply **ret_reply)
{
	struct optimax_reply *reply;
	int r;

	while ((r = connection_take(client, &reply)) == 0) {
		if (!reply->has_msgid) {
			connection_close(client);
			return connection_fail_reply(client, reply);
		}
		if (connection_awaits(client, reply->msgid)) {
			if (!reply->is_delta)
				connection_forget(client, reply->msgid);
			*ret_reply = reply;
			return 0;
		}
		optimax_reply_free(reply);
	}
	return r;
}

int connection_receive(
    struct optimax *client, int64_t deadline_ms, struct optimax_reply **ret_reply)
{
	for (;;) {
		struct pollfd poller = {.fd = client->fd, .events = POLLIN};
		int r;

		if (client->fd < 0)
			return connection_fail(client, -ENOTCONN, "not connected");
		r = connection_next(client, ret_reply);
		if (r != -EAGAIN)
			return r;
		r = connection_read(client);
		if (r == 0)
			continue;
		if (r != -EAGAIN)
			return r;
		r = poll(&poller, 1, connection_timeout(deadline_ms));
		if (r == 0)
			return connection_fail(
			    client, -ETIMEDOUT, "the daemon did not answer in time");
		if (r < 0)
			return connection_fail(client, -errno, "poll: %s", strerror(errno));
	}
}

int optimax_receive(struct optimax *client, int timeout_ms, struct optimax_reply **ret_reply)
{
	struct optimax_reply *reply;

	if (!client)
		return -ENOMEM;
	reply = client->waiting;
	if (!reply)
		return connection_receive(client, connection_deadline(timeout_ms), ret_reply);
	client->waiting = reply->next;
	if (!client->waiting)
		client->waiting_end = &client->waiting;
	client->waiting_count--;
	*ret_reply = reply;
	return 0;
}

static struct optimax_reply *connection_unlink_answer(struct optimax *client, uint32_t msgid)
{
	for (struct optimax_reply **at = &client->waiting; *at; at = &(*at)->next) {
		struct optimax_reply *reply = *at;
		if (reply->is_delta || reply->msgid != msgid)
			continue;
		*at = reply->next;
		if (client->waiting_end == &reply->next)
			client->waiting_end = at;
		client->waiting_count--;
		return reply;
	}
	return NULL;
}

int connection_set_aside(struct optimax *client, struct optimax_reply *reply)
{
	if (client->waiting_count == LIMIT_CLIENT_REQUESTS) {
		optimax_reply_free(reply);
		return connection_lost(
		    client, -ENOBUFS, "1,024 answers wait to be received: receive them in between");
	}
	*client->waiting_end = reply;
	client->waiting_end = &reply->next;
	client->waiting_count++;
	return 0;
}

int optimax_wait(
    struct optimax *client, uint32_t msgid, int timeout_ms, struct optimax_reply **ret_reply)
{
	int64_t deadline_ms = connection_deadline(timeout_ms);
	struct optimax_reply *reply;
	int r;

	if (!client)
		return -ENOMEM;
	reply = connection_unlink_answer(client, msgid);
	if (reply) {
		*ret_reply = reply;
		return 0;
	}
	if (!connection_awaits(client, msgid) && client->fd >= 0)
		return connection_fail(client, -EINVAL, "request %u is not in flight", msgid);
	while ((r = connection_receive(client, deadline_ms, &reply)) == 0) {
		if (!reply->is_delta && reply->msgid == msgid) {
			*ret_reply = reply;
			return 0;
		}
		r = connection_set_aside(client, reply);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- send ---- */

/* Reads while it cannot write: a daemon whose answers nobody takes stops reading requests. */
static int connection_wait_writable(struct optimax *client)
{
	struct pollfd poller = {.fd = client->fd, .events = POLLIN | POLLOUT};
	int r;

	if (client->input_end - client->input_start > LIMIT_SIBLING_MESSAGE_BYTES)
		poller.events = POLLOUT;
	r = poll(&poller, 1, SEND_STALL_MS);
	if (r == 0)
		return connection_lost(client, -ETIMEDOUT, "the daemon does not take requests");
	if (r < 0 && errno != EINTR)
		return connection_lost(client, -errno, "poll failed");
	if (r > 0 && (poller.revents & POLLIN)) {
		r = connection_read(client);
		if (r != -EAGAIN)
			return r;
	}
	return 0;
}

static int connection_write(struct optimax *client, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
		if (sent >= 0) {
			bytes += sent;
			size -= (size_t)sent;
			continue;
		}
		/* A daemon that refuses a message answers, then closes: what it said may be there.
		 */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return connection_lost(client, -errno, strerror(errno));
		int r = connection_wait_writable(client);
		if (r < 0)
			return r;
	}
	return 0;
}

int optimax_send(
    struct optimax *client, const char *method, const msgpack_sbuffer *params, uint32_t *ret_msgid)
{
	msgpack_sbuffer message;
	msgpack_packer packer;
	size_t length = strlen(method);
	uint32_t msgid;
	int r;

	if (!client)
		return -ENOMEM;
	if (client->fd < 0)
		return connection_fail(client, -ENOTCONN, "not connected");
	if (length + (params ? params->size : 0) > LIMIT_CLIENT_MESSAGE_BYTES - 16)
		return connection_fail(client, OPTIMAX_TOO_LARGE,
		    "the request is larger than %d KiB", LIMIT_CLIENT_MESSAGE_BYTES / 1024);
	if (client->in_flight_count == LIMIT_CLIENT_REQUESTS)
		return connection_fail(client, OPTIMAX_OVERLOADED,
		    "%d requests are in flight on this connection; receive answers first",
		    LIMIT_CLIENT_REQUESTS);
	do {
		msgid = client->next_msgid++;
	} while (connection_awaits(client, msgid));

	msgpack_sbuffer_init(&message);
	msgpack_packer_init(&packer, &message, msgpack_sbuffer_write);
	r = msgpack_pack_array(&packer, 4) | msgpack_pack_int(&packer, 0) |
	    msgpack_pack_uint32(&packer, msgid) |
	    msgpack_pack_str_with_body(&packer, method, length) |
	    msgpack_pack_array(&packer, params ? 1 : 0);
	if (params)
		r |= msgpack_sbuffer_write(&message, params->data, params->size);
	r = r ? connection_fail(client, -ENOMEM, "memory is out")
	      : connection_write(client, message.data, message.size);
	msgpack_sbuffer_destroy(&message);
	if (r != 0)
		return r;
	client->in_flight[client->in_flight_count++] = msgid;
	*ret_msgid = msgid;
	return 0;
}

int optimax_cancel(struct optimax *client, uint32_t msgid)
{
	char message[32];
	size_t size = 0;

	if (!client)
		return -ENOMEM;
	if (client->fd < 0)
		return connection_fail(client, -ENOTCONN, "not connected");
	/* [2, "cancel", [msgid]] with a uint32 */
	memcpy(message,
	    "\x93\x02\xa6"
	    "cancel"
	    "\x91\xce",
	    11);
	size = 11;
	for (int shift = 24; shift >= 0; shift -= 8)
		message[size++] = (char)(msgid >> shift);
	return connection_write(client, message, size);
}
