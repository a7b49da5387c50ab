/*
 * What the control socket's methods (methods.h) have the supervisor do, and wait for.
 */
#pragma once

#include <stdint.h>

#include "common/message.h"

struct client;
struct rpc_message;

/* A request of a client goes on to the supervisor, whose result is the client's, or has it. */
void control_forward(struct client *client, uint32_t msgid, enum message_id id, const void *params);
/* A response on the control channel to the supervisor. */
void control_take_response(const struct rpc_message *response);
