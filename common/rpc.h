/*
 * The shape of MessagePack-RPC messages: [0, msgid, method, params], [1, msgid, error, result],
 * [2, method, params]. Splits one whole message into views; knows no method.
 * Specification: github.com/msgpack-rpc/msgpack-rpc, spec.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/error.h"

enum rpc_type { RPC_REQUEST = 0, RPC_RESPONSE = 1, RPC_NOTIFICATION = 2 };

/* Views point into the bytes that were parsed. */
struct rpc_message {
	enum rpc_type type;
	bool has_msgid; /* false in a response that answers nothing readable */
	uint32_t msgid; /* request, response */
	struct bytes method; /* request, notification */
	struct bytes params; /* request, notification: the encoded params array */
	struct bytes error; /* response: encoded; data NULL where nil */
	struct bytes result; /* response: encoded */
	size_t size; /* of the whole message */
};

/* The bytes are one whole value. False where it is no message. */
bool rpc_parse(struct bytes bytes, struct rpc_message *ret_message);
/* The msgid of a request of which only the start is there or readable. */
bool rpc_peek_msgid(struct bytes bytes, uint32_t *ret_msgid);

/* The one map in a params array; an empty map for an empty array. 0 or ERROR_BAD_REQUEST. */
int rpc_params_map(struct bytes params, struct bytes *ret_map, struct error *ret_error);
/* The msgid in a cancel notification's params. */
bool rpc_cancel_msgid(struct bytes params, uint32_t *ret_msgid);
