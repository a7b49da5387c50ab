/*
 * One end of a connection that speaks MessagePack-RPC: buffers, framing by msgpack_scan,
 * writing without blocking, descriptors passed along, and the limits on all of it.
 * Raw libevent events. Knows the shape of messages (rpc.h) but no method.
 * A channel is freed only by its owner; inside a callback channel_free is allowed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/rpc.h"

struct event_base;
struct channel;

enum channel_trust {
	CHANNEL_CLIENT, /* a bad message is answered, then the channel is closed */
	CHANNEL_SIBLING, /* a bad message is a bug of ours: it is reported at once */
};

enum channel_end {
	CHANNEL_CLOSED, /* the peer closed it, or it broke */
	CHANNEL_BAD_MESSAGE, /* it sent what is no message */
	CHANNEL_STALLED, /* it does not read, or does not end its message, in time */
	CHANNEL_OVERFLOW, /* it does not read and too much waits for it */
};

/* A message and its views are valid during the callback only. */
struct channel_ops {
	void (*message)(struct channel *channel, void *owner, struct rpc_message *message);
	/* The channel is of no more use; the owner frees it, now or later. Called at most once,
	 * never from inside channel_send. */
	void (*ended)(struct channel *channel, void *owner, enum channel_end why);
	/* Whether the peer waits for something, so that its silence is no idleness. May be NULL. */
	bool (*is_busy)(void *owner);
	/* All that waited to be written has been. May be NULL. */
	void (*drained)(struct channel *channel, void *owner);
};

struct channel_options {
	enum channel_trust trust;
	size_t message_limit; /* bytes of one incoming message */
	size_t output_limit; /* bytes waiting; 0: none */
	bool timed; /* LIMIT_MESSAGE_TIME_MS, LIMIT_IDLE_MS, LIMIT_WRITE_STALL_MS hold */
	bool passes_fds;
	bool urgent; /* read before other channels of a loop with priorities */
	const char *peer; /* for logs; a string that outlives the channel */
};

/* Takes the descriptor, makes it non-blocking and close-on-exec. */
struct channel *channel_new(struct event_base *base, int fd, const struct channel_options *options,
    const struct channel_ops *ops, void *owner);
/* Closes at once; NULL is fine. */
void channel_free(struct channel *channel);
/* Writes what waits, then reports CHANNEL_CLOSED; reads no more. */
void channel_close_after_output(struct channel *channel);

/* Queues whole messages; written when the callback that runs now is over, in one go. */
void channel_send(struct channel *channel, struct bytes message);
/* As channel_send, from a buffer whose memory is taken over (it is empty afterwards). */
void channel_send_buffer(struct channel *channel, struct buffer *message);
/* The descriptor travels with the message's first byte; it is duplicated, the caller keeps it. */
void channel_send_with_fd(struct channel *channel, struct bytes message, int fd);
/* The next descriptor that arrived, in order, now the caller's; -1: none. */
int channel_take_fd(struct channel *channel);

/* Stops and goes on reading, for back-pressure. */
void channel_pause(struct channel *channel);
void channel_resume(struct channel *channel);

size_t channel_output_size(const struct channel *channel);
/* The peer's credentials where the kernel tells; false otherwise. */
bool channel_peer_uid(const struct channel *channel, uint32_t *ret_uid);
