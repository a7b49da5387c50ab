#include "client/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int code;
} reply_codes[] = {
#define ERROR(id, code, retryable, meaning) {code, OPTIMAX_##id},
#include "common/errors.def"
#undef ERROR
};

_Static_assert(sizeof(reply_codes) / sizeof(reply_codes[0]) == OPTIMAX_INTERNAL,
    "optimax.h lists every code of errors.def");

static int reply_code(const char *name)
{
	for (size_t i = 0; i < sizeof(reply_codes) / sizeof(reply_codes[0]); i++) {
		if (strcmp(reply_codes[i].name, name) == 0)
			return reply_codes[i].code;
	}
	return OPTIMAX_OTHER_CODE;
}

/*
 * Ends every string with a NUL, in place. The byte behind a string is the next value's head (or
 * the one byte that reply_new adds), and unpacking has read all heads already. An empty string
 * needs no byte, and msgpack-c gives it no dependable address. Depth is bounded by frame_scan.
 */
static void reply_terminate(msgpack_object *object)
{
	static const char empty[1] = "";

	if (object->type == MSGPACK_OBJECT_STR) {
		if (object->via.str.size == 0)
			object->via.str.ptr = empty;
		else
			((char *)(uintptr_t)object->via.str.ptr)[object->via.str.size] = '\0';
	} else if (object->type == MSGPACK_OBJECT_ARRAY) {
		for (uint32_t i = 0; i < object->via.array.size; i++)
			reply_terminate(&object->via.array.ptr[i]);
	} else if (object->type == MSGPACK_OBJECT_MAP) {
		for (uint32_t i = 0; i < object->via.map.size; i++) {
			reply_terminate(&object->via.map.ptr[i].key);
			reply_terminate(&object->via.map.ptr[i].val);
		}
	}
}

static const char *reply_string(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = optimax_get(map, key);

	return value && value->type == MSGPACK_OBJECT_STR ? value->via.str.ptr : "";
}

static int reply_read_error(struct optimax_reply *reply, const msgpack_object *map)
{
	const msgpack_object *retryable = optimax_get(map, "retryable");
	const msgpack_object *after = optimax_get(map, "retry_after_ms");
	struct optimax_error *error = &reply->error;

	if (map->type != MSGPACK_OBJECT_MAP)
		return -EBADMSG;
	error->name = reply_string(map, "code");
	if (!*error->name)
		return -EBADMSG;
	error->code = reply_code(error->name);
	error->message = reply_string(map, "message");
	error->detail = reply_string(map, "detail");
	error->sqlstate = reply_string(map, "sqlstate");
	error->retryable =
	    retryable && retryable->type == MSGPACK_OBJECT_BOOLEAN && retryable->via.boolean;
	if (after && after->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
	    after->via.u64 <= (uint64_t)INT64_MAX)
		error->retry_after_ms = after->via.i64;
	reply->failed = true;
	return 0;
}

static const msgpack_object *reply_list(const msgpack_object *map, const char *key)
{
	const msgpack_object *list = optimax_get(map, key);

	return list && list->type == MSGPACK_OBJECT_ARRAY ? list : NULL;
}

static bool reply_is_msgid(const msgpack_object *object)
{
	return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= UINT32_MAX;
}

/* [1, msgid or nil, error, result] */
static int reply_read_response(struct optimax_reply *reply, const msgpack_object *items)
{
	reply->has_msgid = reply_is_msgid(&items[1]);
	if (!reply->has_msgid && items[1].type != MSGPACK_OBJECT_NIL)
		return -EBADMSG;
	if (reply->has_msgid)
		reply->msgid = (uint32_t)items[1].via.u64;
	if (items[2].type != MSGPACK_OBJECT_NIL) {
		reply->value = &items[2];
		return reply_read_error(reply, &items[2]);
	}
	reply->value = &items[3];
	return reply->has_msgid ? 0 : -EBADMSG;
}

/* [2, "delta", [msgid, seq, map]] */
static int reply_read_delta(struct optimax_reply *reply, const msgpack_object *items)
{
	const msgpack_object *params = &items[2];

	if (items[1].type != MSGPACK_OBJECT_STR || strcmp(items[1].via.str.ptr, "delta") != 0 ||
	    params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size != 3 ||
	    !reply_is_msgid(&params->via.array.ptr[0]) ||
	    params->via.array.ptr[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    params->via.array.ptr[2].type != MSGPACK_OBJECT_MAP)
		return -EBADMSG;
	reply->is_delta = true;
	reply->has_msgid = true;
	reply->msgid = (uint32_t)params->via.array.ptr[0].via.u64;
	reply->value = &params->via.array.ptr[2];
	return 0;
}

static int reply_read(struct optimax_reply *reply)
{
	const msgpack_object *items = reply->root.via.array.ptr;
	uint32_t count = reply->root.type == MSGPACK_OBJECT_ARRAY ? reply->root.via.array.size : 0;
	int r = -EBADMSG;

	if (count < 3 || items[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return -EBADMSG;
	if (items[0].via.u64 == 1 && count == 4)
		r = reply_read_response(reply, items);
	else if (items[0].via.u64 == 2 && count == 3)
		r = reply_read_delta(reply, items);
	if (r == 0) {
		reply->columns = reply_list(reply->value, "columns");
		reply->rows = reply_list(reply->value, "rows");
	}
	return r;
}

static int reply_unpack(struct optimax_reply *reply, const unsigned char *bytes, size_t size)
{
	size_t offset = 0;
	msgpack_unpack_return r;

	reply->bytes = malloc(size + 1);
	if (!reply->bytes)
		return -ENOMEM;
	memcpy(reply->bytes, bytes, size);
	r = msgpack_unpack(reply->bytes, size, &offset, &reply->zone, &reply->root);
	if (r == MSGPACK_UNPACK_NOMEM_ERROR)
		return -ENOMEM;
	if (r != MSGPACK_UNPACK_SUCCESS || offset != size)
		return -EBADMSG;
	reply_terminate(&reply->root);
	return 0;
}

int reply_new(const unsigned char *bytes, size_t size, struct optimax_reply **ret_reply)
{
	struct optimax_reply *reply = calloc(1, sizeof(*reply));
	int r;

	if (!reply)
		return -ENOMEM;
	if (!msgpack_zone_init(&reply->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
		free(reply);
		return -ENOMEM;
	}
	reply->error =
	    (struct optimax_error){.name = "", .message = "", .detail = "", .sqlstate = ""};
	r = reply_unpack(reply, bytes, size);
	if (r == 0)
		r = reply_read(reply);
	if (r < 0) {
		optimax_reply_free(reply);
		return r;
	}
	*ret_reply = reply;
	return 0;
}

void optimax_reply_free(struct optimax_reply *reply)
{
	if (!reply)
		return;
	msgpack_zone_destroy(&reply->zone);
	free(reply->bytes);
	free(reply);
}

uint32_t optimax_reply_msgid(const struct optimax_reply *reply)
{
	return reply->msgid;
}

bool optimax_reply_is_delta(const struct optimax_reply *reply)
{
	return reply->is_delta;
}

const struct optimax_error *optimax_reply_error(const struct optimax_reply *reply)
{
	return reply->failed ? &reply->error : NULL;
}

const msgpack_object *optimax_reply_value(const struct optimax_reply *reply)
{
	return reply->value;
}

const msgpack_object *optimax_get(const msgpack_object *map, const char *key)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *name = &map->via.map.ptr[i].key;
		if (name->type == MSGPACK_OBJECT_STR && strcmp(name->via.str.ptr, key) == 0)
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

const char *optimax_text(const struct optimax_reply *reply, const char *key)
{
	const msgpack_object *value = optimax_get(reply->value, key);

	return value && value->type == MSGPACK_OBJECT_STR ? value->via.str.ptr : NULL;
}

int64_t optimax_integer(const struct optimax_reply *reply, const char *key, int64_t absent)
{
	const msgpack_object *value = optimax_get(reply->value, key);

	if (!value)
		return absent;
	if (value->type == MSGPACK_OBJECT_BOOLEAN)
		return value->via.boolean;
	if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
	    (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
	        value->via.u64 <= (uint64_t)INT64_MAX))
		return value->via.i64;
	return absent;
}

size_t optimax_columns(const struct optimax_reply *reply)
{
	return reply->columns ? reply->columns->via.array.size : 0;
}

size_t optimax_rows(const struct optimax_reply *reply)
{
	return reply->rows ? reply->rows->via.array.size : 0;
}

static const char *reply_column_key(
    const struct optimax_reply *reply, size_t column, const char *key)
{
	if (column >= optimax_columns(reply))
		return NULL;
	return reply_string(&reply->columns->via.array.ptr[column], key);
}

const char *optimax_column_name(const struct optimax_reply *reply, size_t column)
{
	return reply_column_key(reply, column, "name");
}

const char *optimax_column_type(const struct optimax_reply *reply, size_t column)
{
	return reply_column_key(reply, column, "type");
}

const msgpack_object *optimax_cell(const struct optimax_reply *reply, size_t row, size_t column)
{
	const msgpack_object *cells;

	if (row >= optimax_rows(reply))
		return NULL;
	cells = &reply->rows->via.array.ptr[row];
	if (cells->type != MSGPACK_OBJECT_ARRAY || column >= cells->via.array.size)
		return NULL;
	return &cells->via.array.ptr[column];
}

const char *optimax_cell_text(struct optimax_reply *reply, size_t row, size_t column)
{
	const msgpack_object *cell = optimax_cell(reply, row, column);
	size_t size;
	char *text;

	if (!cell || cell->type == MSGPACK_OBJECT_NIL)
		return NULL;
	if (cell->type == MSGPACK_OBJECT_STR)
		return cell->via.str.ptr;
	size = optimax_format(cell, NULL, 0) + 1;
	text = msgpack_zone_malloc(&reply->zone, size);
	if (text)
		optimax_format(cell, text, size);
	return text;
}
