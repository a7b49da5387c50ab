/*
 * The inside of struct optimax: the socket, the bytes that came, and which requests are in flight.
 * Shared by connection.c (socket and framing) and call.c (one question, one answer).
 */
#pragma once

#include "client/frame.h"
#include "client/optimax.h"
#include "common/limits.h"

struct optimax {
	int fd; /* -1: not connected */
	uint32_t next_msgid;
	uint32_t in_flight[LIMIT_CLIENT_REQUESTS];
	size_t in_flight_count;
	unsigned char *input; /* input_start to input_end came and were not taken */
	size_t input_start, input_end, input_capacity;
	struct frame_scan scan; /* of the message at input_start */
	struct optimax_reply *waiting, **waiting_end; /* set aside by optimax_wait */
	size_t waiting_count;
	struct optimax_reply *failed; /* owns the strings of `error`, where not NULL */
	struct optimax_error error;
	char message[512];
};

/* Remembers why the call fails; returns `code`. A lost connection is closed. */
int connection_fail(struct optimax *client, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes the reply's error the client's, and takes the reply over. Returns its code. */
int connection_fail_reply(struct optimax *client, struct optimax_reply *reply);
/* What is still to come for this request is dropped. */
void connection_forget(struct optimax *client, uint32_t msgid);

/* The next message of any request in flight, from the socket; 0 or what optimax_receive returns. */
int connection_receive(
    struct optimax *client, int64_t deadline_ms, struct optimax_reply **ret_reply);
/* Keeps a message for a later optimax_receive; takes it over. */
int connection_set_aside(struct optimax *client, struct optimax_reply *reply);

/* Absolute monotonic milliseconds; < 0 is never. */
int64_t connection_deadline(int timeout_ms);
int connection_timeout(int64_t deadline_ms);
