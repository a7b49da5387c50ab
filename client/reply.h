/*
 * One message from the daemon, unpacked and checked, with all its memory.
 * Owns the shapes of MessagePack-RPC as a client receives them; bytes on the socket are
 * connection.c's.
 */
#pragma once

#include "client/optimax.h"

struct optimax_reply {
	msgpack_zone zone;
	char *bytes; /* strings and bins point in here */
	msgpack_object root;
	bool has_msgid;
	bool is_delta;
	bool failed;
	uint32_t msgid;
	const msgpack_object *value;
	const msgpack_object *columns, *rows; /* NULL: none */
	struct optimax_error error; /* meaningful where failed */
	struct optimax_reply *next; /* in a connection's list */
};

/* `bytes` is one value that frame_scan has passed. -EBADMSG where it is no message for a client,
 * -ENOMEM. */
int reply_new(const unsigned char *bytes, size_t size, struct optimax_reply **ret_reply);
