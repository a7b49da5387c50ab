/*
 * Connections of clients and the requests in flight on them: accepting up to the limit,
 * answering each request once, cancelling, draining. What a request does is methods.h's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/channel.h"
#include "common/error.h"
#include "common/message.h"

struct client;
struct client_set;
struct router;

/* A request that could not be answered at once; embedded in what answers it later. */
struct pending {
	LIST_ENTRY(pending) link;
	struct client *client;
	uint32_t msgid;
	/* Its client has gone or has cancelled it: let go of everything and free it. */
	void (*abandon)(struct pending *pending);
	/* The client has taken all that was sent to it. NULL: of no concern. */
	void (*drained)(struct pending *pending);
};

struct client_set *clients_new(struct router *router);
void clients_free(struct client_set *set);

/* Starts to accept on CHILD_FD_LISTEN and CHILD_FD_LISTEN_CONTROL. */
void clients_listen(struct client_set *set);
void clients_set_limit(struct client_set *set, int64_t max_clients);
/* Accepts no more, refuses new requests, and calls child_exit when none is in flight. */
void clients_drain(struct client_set *set);

size_t clients_connected(const struct client_set *set);
size_t clients_in_flight(const struct client_set *set);

struct router *client_router(const struct client *client);
bool client_is_control(const struct client *client);
/* Its own as long as the router lives. */
int64_t client_number(const struct client *client);

/* The request will be answered later. */
void client_pend(struct client *client, uint32_t msgid, struct pending *pending);
/* The request is no longer pending; pending->client stays for the answer that follows. */
void client_unpend(struct pending *pending);

/* Sends one answer, or a part of one; the buffer's memory is taken. */
void client_answer(struct client *client, struct buffer *message);
/* Whether the client has not taken all yet: `drained` will say when. */
bool client_is_behind(const struct client *client);
void client_answer_error(struct client *client, uint32_t msgid, const struct error *error);
