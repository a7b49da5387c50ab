#include "common/rpc.h"

#include "common/msgpack_scan.h"

static struct bytes take_value(struct bytes *rest)
{
	struct bytes value = bytes_of(rest->data, msgpack_value_size(*rest));

	*rest = bytes_of(rest->data + value.size, rest->size - value.size);
	return value;
}

static bool read_int(struct bytes *rest, int64_t max, int64_t *ret_value)
{
	struct msgpack_element element;

	if (!msgpack_read_element(rest, &element, NULL) || element.kind != MSGPACK_INT ||
	    element.integer < 0 || element.integer > max)
		return false;
	*ret_value = element.integer;
	return true;
}

static bool read_method(struct bytes *rest, struct rpc_message *message)
{
	struct msgpack_element element;

	if (!msgpack_read_element(rest, &element, &message->method) || element.kind != MSGPACK_STR)
		return false;
	message->params = *rest;
	return msgpack_head(*rest, &element) == SCAN_WHOLE && element.kind == MSGPACK_ARRAY;
}

static bool is_nil(struct bytes value)
{
	struct msgpack_element element;

	return msgpack_head(value, &element) == SCAN_WHOLE && element.kind == MSGPACK_NIL;
}

static bool read_response(struct bytes *rest, struct rpc_message *message)
{
	message->error = take_value(rest);
	message->result = take_value(rest);
	if (is_nil(message->error))
		message->error = BYTES_NONE;
	return rest->size == 0;
}

static bool read_msgid(struct bytes *rest, struct rpc_message *message)
{
	int64_t msgid;

	if (message->type == RPC_RESPONSE && is_nil(*rest)) {
		take_value(rest);
		return true;
	}
	if (!read_int(rest, UINT32_MAX, &msgid))
		return false;
	message->has_msgid = true;
	message->msgid = (uint32_t)msgid;
	return true;
}

bool rpc_parse(struct bytes bytes, struct rpc_message *ret_message)
{
	struct msgpack_element element;
	struct bytes rest = bytes;
	int64_t type;

	*ret_message = (struct rpc_message){.size = bytes.size};
	if (!msgpack_read_element(&rest, &element, NULL) || element.kind != MSGPACK_ARRAY ||
	    !read_int(&rest, RPC_NOTIFICATION, &type))
		return false;
	ret_message->type = (enum rpc_type)type;
	if (element.count != (type == RPC_NOTIFICATION ? 3 : 4))
		return false;
	if (type == RPC_NOTIFICATION)
		return read_method(&rest, ret_message);
	if (!read_msgid(&rest, ret_message))
		return false;
	return type == RPC_REQUEST ? read_method(&rest, ret_message)
	                           : read_response(&rest, ret_message);
}

bool rpc_peek_msgid(struct bytes bytes, uint32_t *ret_msgid)
{
	struct msgpack_element element;
	int64_t type, msgid;

	if (!msgpack_read_element(&bytes, &element, NULL) || element.kind != MSGPACK_ARRAY ||
	    !read_int(&bytes, RPC_NOTIFICATION, &type) || type != RPC_REQUEST ||
	    !read_int(&bytes, UINT32_MAX, &msgid))
		return false;
	*ret_msgid = (uint32_t)msgid;
	return true;
}

int rpc_params_map(struct bytes params, struct bytes *ret_map, struct error *ret_error)
{
	static const char empty_map[] = {(char)0x80};
	struct msgpack_element element;
	struct bytes rest = params;

	if (msgpack_read_element(&rest, &element, NULL) && element.kind == MSGPACK_ARRAY) {
		if (element.count == 0) {
			*ret_map = bytes_of(empty_map, sizeof(empty_map));
			return 0;
		}
		if (element.count == 1 && msgpack_head(rest, &element) == SCAN_WHOLE &&
		    element.kind == MSGPACK_MAP) {
			*ret_map = rest;
			return 0;
		}
	}
	return error_set(
	    ret_error, ERROR_BAD_REQUEST, "params must be a list that holds one map, or nothing");
}

bool rpc_cancel_msgid(struct bytes params, uint32_t *ret_msgid)
{
	struct msgpack_element element;
	int64_t msgid;

	if (!msgpack_read_element(&params, &element, NULL) || element.kind != MSGPACK_ARRAY ||
	    element.count != 1 || !read_int(&params, UINT32_MAX, &msgid))
		return false;
	*ret_msgid = (uint32_t)msgid;
	return true;
}
