/*
 * One end of a connection that speaks MessagePack-RPC: buffers, framing by msgpack_scan,
 * writing without blocking, descriptors passed along, and the limits on all of it.
 * Raw libevent events. Knows message shapes ([type, msgid, …]) but no method.
 * A channel is freed only by its owner; inside a callback channel_free is allowed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/error.h"

struct event_base;
struct channel;

enum rpc_type { RPC_REQUEST = 0, RPC_RESPONSE = 1, RPC_NOTIFICATION = 2 };

/* One received message; views point into the channel's buffer, valid during the callback. */
struct rpc_message {
	enum rpc_type type;
	uint32_t msgid;	     /* request, response */
	struct bytes method; /* request, notification */
	struct bytes params; /* request, notification: the encoded params array */
	struct bytes error;  /* response: encoded; data NULL where nil */
	struct bytes result; /* response: encoded */
	size_t size;	     /* of the whole message */
};

enum channel_trust {
	CHANNEL_CLIENT,	 /* a bad message is answered and closes this channel only */
	CHANNEL_SIBLING, /* a bad message is a bug of ours: the process ends */
};

enum channel_end {
	CHANNEL_CLOSED,	     /* the peer closed it, or it broke */
	CHANNEL_BAD_MESSAGE, /* it sent what is no message */
	CHANNEL_STALLED,     /* it does not read, or does not end its message, in time */
	CHANNEL_OVERFLOW,    /* it does not read and too much waits for it */
};

struct channel_ops {
	void (*message)(struct channel *channel, void *owner, struct rpc_message *message);
	/* The channel is of no more use; the owner frees it, now or later. Called at most once. */
	void (*ended)(struct channel *channel, void *owner, enum channel_end why);
};

struct channel_options {
	enum channel_trust trust;
	size_t message_limit; /* bytes of one incoming message */
	size_t output_limit;  /* bytes waiting; 0: none */
	bool timed;	      /* LIMIT_MESSAGE_TIME_MS, LIMIT_IDLE_MS, LIMIT_WRITE_STALL_MS hold */
	bool passes_fds;
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

/* The one map in a params array; an empty map for an empty array. 0 or ERROR_BAD_REQUEST. */
int rpc_params_map(struct bytes params, struct bytes *ret_map, struct error *ret_error);
/* The msgid in a cancel notification's params. */
bool rpc_cancel_msgid(struct bytes params, uint32_t *ret_msgid);
