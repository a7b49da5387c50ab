/*
 * What the control socket's methods (methods.h) wait for: the supervisor's answer to a reload.
 */
#pragma once

struct rpc_message;

/* A response on the control channel to the supervisor. */
void control_take_response(const struct rpc_message *response);
