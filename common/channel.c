/*
 * Reading: bytes go into one buffer of the process, and only what is left of a message that is
 * not whole is kept in the channel, so that an idle connection holds no memory for input.
 * Writing: chunks wait in a list; everything that one readable event caused is written by one
 * sendmsg when its last callback has returned.
 */
#include "common/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/message.h"
#include "common/msgpack_scan.h"
#include "common/pass_fd.h"
#include "common/rpc.h"

enum {
	READ_SIZE = 64 * 1024,
	CHUNK_JOIN_SIZE = 16 * 1024, /* messages up to here share a chunk */
	WRITE_PIECES = 16,
	RECEIVED_FDS_MAX = 32,
};

struct chunk {
	TAILQ_ENTRY(chunk) link;
	struct buffer bytes;
	size_t written;
	int fd; /* travels with the first byte; -1: none */
};

struct channel {
	struct event_base *base;
	struct event *readable, *writable;
	int fd;
	struct channel_options options;
	const struct channel_ops *ops;
	void *owner;

	struct buffer in;
	struct msgpack_scan scan;
	int64_t message_began_ms; /* 0: none is half read */

	TAILQ_HEAD(chunk_list, chunk) out;
	size_t out_size;

	int received_fds[RECEIVED_FDS_MAX];
	unsigned received_fd_count;

	size_t draining; /* bytes still to be read and dropped; then the channel ends */
	enum channel_end end;
	bool paused, closing, drains, broken, ended;
	bool input_ended; /* the peer sends no more, but waits for answers */
	bool look_again; /* `in` may hold whole messages: it was paused */
	unsigned busy; /* callbacks running: free later, write later */
	bool freed;
};

static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_writable(evutil_socket_t fd, short what, void *argument);

static struct timeval seconds_of(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

/* Timeouts that thousands of channels share go into one queue instead of the heap. */
static const struct timeval *common_timeout(struct event_base *base, int64_t ms)
{
	struct timeval duration = seconds_of(ms);

	return event_base_init_common_timeout(base, &duration);
}

static void watch_input(struct channel *channel)
{
	int64_t ms =
	    channel->message_began_ms || channel->drains ? LIMIT_MESSAGE_TIME_MS : LIMIT_IDLE_MS;

	event_add(
	    channel->readable, channel->options.timed ? common_timeout(channel->base, ms) : NULL);
}

struct channel *channel_new(struct event_base *base, int fd, const struct channel_options *options,
    const struct channel_ops *ops, void *owner)
{
	struct channel *channel = must_zalloc(sizeof(*channel));

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	channel->base = base;
	channel->fd = fd;
	channel->options = *options;
	channel->ops = ops;
	channel->owner = owner;
	TAILQ_INIT(&channel->out);
	channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
	if (channel->readable && options->urgent)
		event_priority_set(channel->readable, 0);
	channel->writable = event_new(base, fd, EV_WRITE, on_writable, channel);
	if (!channel->readable || !channel->writable)
		abort();
	watch_input(channel);
	return channel;
}

static void chunk_free(struct channel *channel, struct chunk *chunk)
{
	TAILQ_REMOVE(&channel->out, chunk, link);
	if (chunk->fd >= 0)
		close(chunk->fd);
	buffer_deinit(&chunk->bytes);
	free(chunk);
}

static void destroy(struct channel *channel)
{
	while (!TAILQ_EMPTY(&channel->out))
		chunk_free(channel, TAILQ_FIRST(&channel->out));
	while (channel->received_fd_count > 0)
		close(channel->received_fds[--channel->received_fd_count]);
	buffer_deinit(&channel->in);
	event_free(channel->readable);
	event_free(channel->writable);
	close(channel->fd);
	free(channel);
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	channel->freed = true;
	channel->ended = true;
	if (channel->busy == 0)
		destroy(channel);
}

static void channel_end(struct channel *channel, enum channel_end why)
{
	if (channel->ended)
		return;
	channel->ended = true;
	event_del(channel->readable);
	event_del(channel->writable);
	channel->ops->ended(channel, channel->owner, why);
}

/* Ends the channel from the loop, for what was found where the owner must not be called. */
static void end_soon(struct channel *channel, enum channel_end why)
{
	if (channel->broken)
		return;
	channel->broken = true;
	channel->end = why;
	event_del(channel->readable);
	event_active(channel->writable, EV_WRITE, 0);
}

/* ---- writing ---- */

static struct chunk *chunk_append(struct channel *channel)
{
	struct chunk *chunk = must_zalloc(sizeof(*chunk));

	chunk->fd = -1;
	TAILQ_INSERT_TAIL(&channel->out, chunk, link);
	return chunk;
}

static void drop_written(struct channel *channel, size_t size)
{
	channel->out_size -= size;
	while (size > 0) {
		struct chunk *chunk = TAILQ_FIRST(&channel->out);
		size_t left = chunk->bytes.size - chunk->written;

		if (size < left) {
			chunk->written += size;
			return;
		}
		size -= left;
		chunk_free(channel, chunk);
	}
}

/* Fills pieces from the list; stops before a chunk whose descriptor needs a call of its own. */
static int gather(struct channel *channel, struct iovec *pieces, int *ret_fd)
{
	struct chunk *chunk;
	int count = 0;

	*ret_fd = -1;
	TAILQ_FOREACH(chunk, &channel->out, link)
	{
		if (count == WRITE_PIECES || (count > 0 && chunk->fd >= 0))
			break;
		if (chunk->fd >= 0)
			*ret_fd = chunk->fd;
		pieces[count++] = (struct iovec){
		    chunk->bytes.data + chunk->written, chunk->bytes.size - chunk->written};
	}
	return count;
}

/* One sendmsg. False when nothing more can be written now. */
static bool write_once(struct channel *channel)
{
	struct pass_fd_control control;
	struct iovec pieces[WRITE_PIECES];
	struct msghdr message = {.msg_iov = pieces};
	struct chunk *first = TAILQ_FIRST(&channel->out);
	ssize_t size;
	int fd;

	message.msg_iovlen = (size_t)gather(channel, pieces, &fd);
	if (fd >= 0)
		pass_fd_attach(&message, &control, fd);
	size = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (size < 0) {
		if (errno != EAGAIN && errno != EINTR)
			end_soon(channel, CHANNEL_CLOSED);
		return errno == EINTR;
	}
	if (fd >= 0) {
		close(first->fd);
		first->fd = -1;
	}
	drop_written(channel, (size_t)size);
	return !TAILQ_EMPTY(&channel->out);
}

static bool peer_waits(const struct channel *channel)
{
	return channel->ops->is_busy && channel->ops->is_busy(channel->owner);
}

static void flush(struct channel *channel)
{
	if (channel->ended || channel->broken || TAILQ_EMPTY(&channel->out))
		return;
	while (write_once(channel))
		;
	if (channel->broken)
		return;
	if (!TAILQ_EMPTY(&channel->out))
		event_add(channel->writable,
		    channel->options.timed ? common_timeout(channel->base, LIMIT_WRITE_STALL_MS)
		                           : NULL);
	else if (channel->drains)
		shutdown(channel->fd, SHUT_WR);
	else if (channel->closing || (channel->input_ended && !peer_waits(channel)))
		end_soon(channel, CHANNEL_CLOSED);
}

static void write_waiting(struct channel *channel)
{
	flush(channel);
	if (channel->ended || channel->broken || !TAILQ_EMPTY(&channel->out) ||
	    !channel->ops->drained)
		return;
	channel->ops->drained(channel, channel->owner);
	flush(channel);
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	struct channel *channel = argument;

	(void)fd;
	channel->busy++;
	if (channel->broken)
		channel_end(channel, channel->end);
	else if (what & EV_TIMEOUT)
		channel_end(channel, CHANNEL_STALLED);
	else
		write_waiting(channel);
	channel->busy--;
	if (channel->freed && channel->busy == 0)
		destroy(channel);
}

static void queued(struct channel *channel, size_t size)
{
	struct chunk *first = TAILQ_FIRST(&channel->out);

	channel->out_size += size;
	if (channel->options.output_limit > 0 &&
	    channel->out_size - (first->bytes.size - first->written) >
	        channel->options.output_limit)
		end_soon(channel, CHANNEL_OVERFLOW);
	else if (channel->busy == 0)
		flush(channel);
}

void channel_send(struct channel *channel, struct bytes message)
{
	struct chunk *last;

	if (channel->ended || channel->broken || channel->drains || message.size == 0)
		return;
	last = TAILQ_LAST(&channel->out, chunk_list);
	if (!last || last->bytes.size + message.size > CHUNK_JOIN_SIZE)
		last = chunk_append(channel);
	buffer_append_bytes(&last->bytes, message);
	queued(channel, message.size);
}

void channel_send_buffer(struct channel *channel, struct buffer *message)
{
	size_t size = message->size;

	if (size <= CHUNK_JOIN_SIZE) {
		channel_send(channel, bytes_of_buffer(message));
		buffer_deinit(message);
		return;
	}
	if (channel->ended || channel->broken || channel->drains) {
		buffer_deinit(message);
		return;
	}
	chunk_append(channel)->bytes = *message;
	*message = BUFFER_INIT;
	queued(channel, size);
}

void channel_send_with_fd(struct channel *channel, struct bytes message, int fd)
{
	struct chunk *chunk;

	if (channel->ended || channel->broken)
		return;
	chunk = chunk_append(channel);
	chunk->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	buffer_append_bytes(&chunk->bytes, message);
	queued(channel, message.size);
}

/* ---- reading ---- */

int channel_take_fd(struct channel *channel)
{
	int fd;

	if (channel->received_fd_count == 0)
		return -1;
	fd = channel->received_fds[0];
	channel->received_fd_count--;
	memmove(channel->received_fds, channel->received_fds + 1,
	    channel->received_fd_count * sizeof(fd));
	return fd;
}

static void keep_fd(void *owner, int fd)
{
	struct channel *channel = owner;

	if (channel->received_fd_count < RECEIVED_FDS_MAX)
		channel->received_fds[channel->received_fd_count++] = fd;
	else
		close(fd);
}

static ssize_t receive(struct channel *channel, char *data, size_t size)
{
	if (!channel->options.passes_fds)
		return recv(channel->fd, data, size, MSG_DONTWAIT);
	return pass_fd_receive(channel->fd, data, size, keep_fd, channel);
}

static const char *const scan_faults[] = {
    [SCAN_TOO_LARGE] = "the message is larger than is accepted",
    [SCAN_TOO_DEEP] = "the message is nested too deeply",
    [SCAN_BAD] = "this is no MessagePack-RPC message",
};

/* Answers what can't be read, then reads and drops a bounded amount: a peer that still sends
 * would otherwise get EPIPE and never see the answer. */
static void refuse(struct channel *channel, struct bytes bytes, enum msgpack_scan_result fault)
{
	CLEAN(buffer) struct buffer reply = BUFFER_INIT;
	struct error error;
	uint32_t msgid;
	bool has_msgid = rpc_peek_msgid(bytes, &msgid);

	if (channel->options.trust == CHANNEL_SIBLING) {
		channel_end(channel, CHANNEL_BAD_MESSAGE);
		return;
	}
	if (fault == SCAN_TOO_LARGE)
		error_set(&error, ERROR_TOO_LARGE, "%s: at most %zu bytes", scan_faults[fault],
		    channel->options.message_limit);
	else
		error_set(&error, ERROR_BAD_REQUEST, "%s", scan_faults[fault]);
	message_pack_error(&reply, has_msgid, has_msgid ? msgid : 0, &error);
	channel_send(channel, bytes_of_buffer(&reply));
	channel->drains = true;
	channel->draining = LIMIT_DRAIN_BYTES;
	channel->end = CHANNEL_BAD_MESSAGE;
	watch_input(channel);
}

/* Hands over every whole message in bytes; returns how many bytes are done. */
static size_t deliver(struct channel *channel, struct bytes bytes)
{
	size_t done = 0, size;

	while (done < bytes.size && !channel->ended && !channel->paused) {
		struct bytes rest = bytes_of(bytes.data + done, bytes.size - done);
		struct rpc_message message;
		enum msgpack_scan_result result;

		result = msgpack_scan(&channel->scan, rest, channel->options.message_limit, &size);
		if (result == SCAN_INCOMPLETE)
			return done;
		if (result == SCAN_WHOLE && !rpc_parse(bytes_of(rest.data, size), &message))
			result = SCAN_BAD;
		if (result != SCAN_WHOLE) {
			refuse(channel, rest, result);
			return bytes.size;
		}
		done += size;
		channel->message_began_ms = 0;
		channel->ops->message(channel, channel->owner, &message);
	}
	return done;
}

static void keep_rest(struct channel *channel, struct bytes rest)
{
	if (rest.size == 0) {
		buffer_deinit(&channel->in);
		return;
	}
	if (channel->message_began_ms == 0)
		channel->message_began_ms = clock_now_ms();
	if (channel->in.size == 0)
		buffer_append_bytes(&channel->in, rest);
	else
		buffer_consume(&channel->in, channel->in.size - rest.size);
}

/* What has been received goes through deliver; what is left stays in channel->in. */
static void take_input(struct channel *channel, struct bytes received)
{
	struct bytes all = received;
	bool was_waiting = channel->message_began_ms != 0;
	size_t done;

	if (channel->in.size > 0) {
		buffer_append_bytes(&channel->in, received);
		all = bytes_of_buffer(&channel->in);
	}
	done = deliver(channel, all);
	if (channel->ended)
		return;
	keep_rest(channel, bytes_of(all.data + done, all.size - done));
	if (channel->options.timed && was_waiting != (channel->message_began_ms != 0))
		watch_input(channel);
}

static bool message_is_overdue(const struct channel *channel)
{
	return channel->options.timed && channel->message_began_ms > 0 &&
	       clock_now_ms() - channel->message_began_ms > LIMIT_MESSAGE_TIME_MS;
}

/* Whether a peer that sends no more still reads: it closed its sending half alone. */
static bool still_reads(const struct channel *channel)
{
	struct pollfd hangup = {.fd = channel->fd};

	return channel->options.trust == CHANNEL_CLIENT && !channel->drains &&
	       poll(&hangup, 1, 0) == 0;
}

static void input_ended(struct channel *channel)
{
	if (!still_reads(channel) || (!peer_waits(channel) && TAILQ_EMPTY(&channel->out))) {
		channel_end(channel, channel->drains ? channel->end : CHANNEL_CLOSED);
		return;
	}
	channel->input_ended = true;
	event_del(channel->readable);
}

static void read_once(struct channel *channel)
{
	static char data[READ_SIZE];
	ssize_t size;

	if (channel->look_again) {
		channel->look_again = false;
		take_input(channel, BYTES_NONE);
		return;
	}
	size = receive(channel, data, sizeof(data));
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		input_ended(channel);
	} else if (channel->drains) {
		if ((size_t)size >= channel->draining)
			channel_end(channel, channel->end);
		else
			channel->draining -= (size_t)size;
	} else {
		take_input(channel, bytes_of(data, (size_t)size));
		if (!channel->ended && message_is_overdue(channel))
			channel_end(channel, CHANNEL_STALLED);
	}
}

static void input_timed_out(struct channel *channel)
{
	if (channel->message_began_ms > 0 || channel->drains || !peer_waits(channel))
		channel_end(channel, channel->drains ? channel->end : CHANNEL_STALLED);
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct channel *channel = argument;

	(void)fd;
	channel->busy++;
	if (what & EV_TIMEOUT)
		input_timed_out(channel);
	else
		read_once(channel);
	flush(channel);
	channel->busy--;
	if (channel->freed && channel->busy == 0)
		destroy(channel);
}

/* ---- the rest ---- */

void channel_close_after_output(struct channel *channel)
{
	if (channel->ended || channel->broken)
		return;
	channel->closing = true;
	event_del(channel->readable);
	if (TAILQ_EMPTY(&channel->out))
		end_soon(channel, CHANNEL_CLOSED);
}

void channel_pause(struct channel *channel)
{
	channel->paused = true;
	event_del(channel->readable);
}

void channel_resume(struct channel *channel)
{
	if (!channel->paused || channel->ended || channel->closing || channel->input_ended)
		return;
	channel->paused = false;
	watch_input(channel);
	if (channel->in.size > 0) {
		channel->look_again = true;
		event_active(channel->readable, EV_READ, 0);
	}
}

size_t channel_output_size(const struct channel *channel)
{
	return channel->out_size;
}

bool channel_peer_uid(const struct channel *channel, uint32_t *ret_uid)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return false;
	*ret_uid = credentials.uid;
	return true;
}
