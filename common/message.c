#include "common/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/msgpack_scan.h"
#include "common/pack.h"

static void *field_at(void *params, const struct field_row *field)
{
	return (char *)params + field->offset;
}

static const void *field_at_const(const void *params, const struct field_row *field)
{
	return (const char *)params + field->offset;
}

void message_init(const struct message_row *row, void *ret_params)
{
	memset(ret_params, 0, row->size);
	for (const struct field_row *field = row->fields(); field->name; field++) {
		if (field->type == FIELD_INT)
			*(int64_t *)field_at(ret_params, field) = FIELD_ABSENT;
		else if (field->type == FIELD_FLOAT)
			*(double *)field_at(ret_params, field) = (double)NAN;
	}
}

/* ---- unpacking ---- */

static const char *const type_names[] = {
    [FIELD_TEXT] = "a string",
    [FIELD_BIN] = "bytes",
    [FIELD_PAIRS] = "bytes",
    [FIELD_RAW] = "a value",
    [FIELD_INT] = "an integer",
    [FIELD_BOOL] = "true or false",
    [FIELD_FLOAT] = "a number",
    [FIELD_TEXTS] = "a list of strings",
};

static int wrong_type(const struct field_row *field, struct error *error)
{
	return error_set(
	    error, ERROR_BAD_REQUEST, "\"%s\" must be %s", field->name, type_names[field->type]);
}

static int check_size(const struct field_row *field, size_t size, struct error *error)
{
	if ((int64_t)size > field->max)
		return error_set(error, ERROR_TOO_LARGE,
		    "\"%s\" has %zu bytes; at most %" PRId64 " are accepted", field->name, size,
		    field->max);
	if ((int64_t)size < field->min)
		return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is empty", field->name);
	return 0;
}

static int unpack_text(const struct field_row *field, const struct msgpack_element *element,
    struct bytes body, struct bytes *ret_text, struct error *error)
{
	int result;

	if (element->kind != MSGPACK_STR)
		return wrong_type(field, error);
	result = check_size(field, body.size, error);
	if (result != 0)
		return result;
	if (!bytes_are_utf8(body))
		return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is not UTF-8", field->name);
	*ret_text = body;
	return 0;
}

static int unpack_bin(const struct field_row *field, const struct msgpack_element *element,
    struct bytes body, struct bytes *ret_bytes, struct error *error)
{
	if (element->kind != MSGPACK_BIN)
		return wrong_type(field, error);
	*ret_bytes = body;
	return check_size(field, body.size, error);
}

static int unpack_int(const struct field_row *field, const struct msgpack_element *element,
    int64_t *ret_value, struct error *error)
{
	if (element->kind != MSGPACK_INT && element->kind != MSGPACK_UINT)
		return wrong_type(field, error);
	if (element->kind == MSGPACK_UINT || element->integer < field->min ||
	    element->integer > field->max) {
		if (field->max == INT64_MAX)
			return error_set(error, ERROR_BAD_REQUEST,
			    "\"%s\" is out of range; write an integer of at least %" PRId64,
			    field->name, field->min);
		return error_set(error, ERROR_BAD_REQUEST,
		    "\"%s\" is out of range; write an integer from %" PRId64 " to %" PRId64,
		    field->name, field->min, field->max);
	}
	*ret_value = element->integer;
	return 0;
}

static int unpack_float(const struct field_row *field, const struct msgpack_element *element,
    double *ret_value, struct error *error)
{
	if (element->kind == MSGPACK_FLOAT && isfinite(element->number))
		*ret_value = element->number;
	else if (element->kind == MSGPACK_INT)
		*ret_value = (double)element->integer;
	else
		return wrong_type(field, error);
	return 0;
}

/* A list of UTF-8 strings, kept as its bytes. */
static int unpack_texts(const struct field_row *field, struct bytes encoded, struct bytes *ret_list,
    struct error *error)
{
	struct msgpack_element element;
	struct bytes rest = encoded, text;
	uint32_t left;

	if (!msgpack_read_element(&rest, &element, NULL) || element.kind != MSGPACK_ARRAY)
		return wrong_type(field, error);
	if (element.count > field->max)
		return error_set(
		    error, ERROR_BAD_REQUEST, "\"%s\" has too many entries", field->name);
	for (left = element.count; left > 0; left--) {
		if (!msgpack_read_element(&rest, &element, &text) || element.kind != MSGPACK_STR ||
		    !bytes_are_utf8(text))
			return wrong_type(field, error);
	}
	*ret_list = encoded;
	return 0;
}

static int unpack_raw(
    const struct field_row *field, struct bytes encoded, struct bytes *ret_raw, struct error *error)
{
	int result = check_size(field, encoded.size, error);

	if (result == 0)
		*ret_raw = encoded;
	return result;
}

/* `encoded` is the value with its head, `element` and `body` the same already read. */
static int unpack_value(const struct field_row *field, struct bytes encoded,
    const struct msgpack_element *element, struct bytes body, void *target, struct error *error)
{
	switch (field->type) {
	case FIELD_TEXT:
		return unpack_text(field, element, body, target, error);
	case FIELD_BIN:
	case FIELD_PAIRS:
		return unpack_bin(field, element, body, target, error);
	case FIELD_RAW:
		return unpack_raw(field, encoded, target, error);
	case FIELD_INT:
		return unpack_int(field, element, target, error);
	case FIELD_BOOL:
		if (element->kind != MSGPACK_BOOL)
			return wrong_type(field, error);
		*(bool *)target = element->boolean;
		return 0;
	case FIELD_FLOAT:
		return unpack_float(field, element, target, error);
	case FIELD_TEXTS:
		break;
	}
	return unpack_texts(field, encoded, target, error);
}

static uint64_t field_bit(const struct field_row *fields, const struct field_row *field)
{
	return UINT64_C(1) << (field - fields);
}

/* NULL with the error set where there is no such field. */
static const struct field_row *find_field(
    const struct field_row *fields, struct bytes key, struct error *error)
{
	for (const struct field_row *field = fields; field->name; field++)
		if (bytes_equal_string(key, field->name))
			return field;
	if (!bytes_are_utf8(key))
		error_set(error, ERROR_BAD_REQUEST, "a key is not UTF-8");
	else
		error_set(error, ERROR_BAD_REQUEST, "\"%.*s\" is not a known key",
		    (int)(key.size < 64 ? key.size : 64), key.data);
	return NULL;
}

/* Steps over one value and gives it with its head, and the same already read. */
static bool take_value(struct bytes *rest, struct bytes *ret_encoded,
    struct msgpack_element *ret_element, struct bytes *ret_body)
{
	struct bytes value = *rest;

	*ret_encoded = bytes_of(rest->data, msgpack_value_size(*rest));
	*rest = bytes_of(rest->data + ret_encoded->size, rest->size - ret_encoded->size);
	return ret_encoded->size > 0 && msgpack_read_element(&value, ret_element, ret_body);
}

/* Reads one pair into the struct and marks the field in *seen. */
static int unpack_pair(const struct field_row *fields, struct bytes *rest, void *params,
    uint64_t *seen, struct error *error)
{
	const struct field_row *field;
	struct msgpack_element element;
	struct bytes key, body, encoded;

	if (!msgpack_read_element(rest, &element, &key) || element.kind != MSGPACK_STR)
		return error_set(error, ERROR_BAD_REQUEST, "a key is not a string");
	field = find_field(fields, key, error);
	if (!field)
		return (int)error->code;
	if (*seen & field_bit(fields, field))
		return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is there twice", field->name);
	*seen |= field_bit(fields, field);
	if (!take_value(rest, &encoded, &element, &body))
		return wrong_type(field, error);
	/* nil says the same as leaving an optional key out. */
	if (element.kind == MSGPACK_NIL && !field->required)
		return 0;
	return unpack_value(field, encoded, &element, body, field_at(params, field), error);
}

int message_unpack(
    const struct message_row *row, struct bytes map, void *ret_params, struct error *ret_error)
{
	const struct field_row *fields = row->fields();
	struct msgpack_element element;
	uint64_t seen = 0;
	int result;

	message_init(row, ret_params);
	if (!msgpack_read_element(&map, &element, NULL) || element.kind != MSGPACK_MAP)
		return error_set(ret_error, ERROR_BAD_REQUEST, "the parameters must be a map");
	for (uint32_t left = element.count; left > 0; left--) {
		result = unpack_pair(fields, &map, ret_params, &seen, ret_error);
		if (result != 0)
			return result;
	}
	for (const struct field_row *field = fields; field->name; field++)
		if (field->required && !(seen & field_bit(fields, field)))
			return error_set(
			    ret_error, ERROR_BAD_REQUEST, "\"%s\" is missing", field->name);
	return 0;
}

/* ---- packing ---- */

static bool field_is_present(const struct field_row *field, const void *params)
{
	const void *at = field_at_const(params, field);

	switch (field->type) {
	case FIELD_INT:
		return *(const int64_t *)at != FIELD_ABSENT;
	case FIELD_BOOL:
		return *(const bool *)at;
	case FIELD_FLOAT:
		return !isnan(*(const double *)at);
	default:
		return ((const struct bytes *)at)->data != NULL;
	}
}

static void pack_field(const struct field_row *field, const void *params, struct buffer *buffer)
{
	const void *at = field_at_const(params, field);

	pack_string(buffer, field->name);
	switch (field->type) {
	case FIELD_TEXT:
		pack_text(buffer, *(const struct bytes *)at);
		break;
	case FIELD_BIN:
	case FIELD_PAIRS:
		pack_bin(buffer, *(const struct bytes *)at);
		break;
	case FIELD_RAW:
	case FIELD_TEXTS:
		buffer_append_bytes(buffer, *(const struct bytes *)at);
		break;
	case FIELD_INT:
		pack_int(buffer, *(const int64_t *)at);
		break;
	case FIELD_BOOL:
		pack_bool(buffer, *(const bool *)at);
		break;
	case FIELD_FLOAT:
		pack_float(buffer, *(const double *)at);
		break;
	}
}

void message_pack(const struct message_row *row, const void *params, struct buffer *buffer)
{
	const struct field_row *fields = row->fields();
	size_t present = 0;

	for (unsigned i = 0; fields[i].name; i++)
		present += field_is_present(&fields[i], params);
	pack_map(buffer, present);
	for (unsigned i = 0; fields[i].name; i++)
		if (field_is_present(&fields[i], params))
			pack_field(&fields[i], params, buffer);
}

/* ---- whole messages ---- */

void message_pack_request(
    struct buffer *buffer, uint32_t msgid, enum message_id id, const void *params)
{
	pack_array(buffer, 4);
	pack_int(buffer, 0);
	pack_int(buffer, msgid);
	pack_string(buffer, message_rows[id].method);
	pack_array(buffer, 1);
	message_pack(&message_rows[id], params, buffer);
}

void message_pack_notification(struct buffer *buffer, enum message_id id, const void *params)
{
	pack_array(buffer, 3);
	pack_int(buffer, 2);
	pack_string(buffer, message_rows[id].method);
	pack_array(buffer, 1);
	message_pack(&message_rows[id], params, buffer);
}

void message_pack_response(
    struct buffer *buffer, uint32_t msgid, const struct message_row *result_row, const void *result)
{
	message_pack_response_head(buffer, msgid);
	message_pack(result_row, result, buffer);
}

void message_pack_response_head(struct buffer *buffer, uint32_t msgid)
{
	pack_array(buffer, 4);
	pack_int(buffer, 1);
	pack_int(buffer, msgid);
	pack_nil(buffer);
}

void message_pack_error(
    struct buffer *buffer, bool has_msgid, uint32_t msgid, const struct error *error)
{
	pack_array(buffer, 4);
	pack_int(buffer, 1);
	if (has_msgid)
		pack_int(buffer, msgid);
	else
		pack_nil(buffer);
	message_pack_error_map(buffer, error);
	pack_nil(buffer);
}

void message_pack_error_map(struct buffer *buffer, const struct error *error)
{
	bool has_sqlstate = error->sqlstate[0] != '\0', has_detail = error->detail[0] != '\0';

	pack_map(buffer, 3u + (error->retry_after_ms > 0) + has_sqlstate + has_detail);
	pack_pair_string(buffer, "code", error_name(error->code));
	pack_pair_string(buffer, "message", error->message);
	pack_pair_bool(buffer, "retryable", error->retryable);
	if (error->retry_after_ms > 0)
		pack_pair_int(buffer, "retry_after_ms", error->retry_after_ms);
	if (has_sqlstate)
		pack_pair_string(buffer, "sqlstate", error->sqlstate);
	if (has_detail)
		pack_pair_string(buffer, "detail", error->detail);
}

void message_pack_cancel(struct buffer *buffer, uint32_t msgid)
{
	pack_array(buffer, 3);
	pack_int(buffer, 2);
	pack_string(buffer, "cancel");
	pack_array(buffer, 1);
	pack_int(buffer, msgid);
}

static void copy_text(struct bytes text, char *target, size_t size)
{
	snprintf(target, size, "%.*s", (int)(text.size < size ? text.size : size - 1), text.data);
}

int message_unpack_error(struct bytes map, struct error *ret_error)
{
	struct msgpack_element element;
	struct error error = ERROR_INIT;
	struct bytes key, body;

	if (!msgpack_read_element(&map, &element, NULL) || element.kind != MSGPACK_MAP)
		return -EBADMSG;
	for (uint32_t left = element.count; left > 0; left--) {
		if (!msgpack_read_element(&map, &element, &key) || element.kind != MSGPACK_STR ||
		    !msgpack_read_element(&map, &element, &body))
			return -EBADMSG;
		if (bytes_equal_string(key, "code") && element.kind == MSGPACK_STR)
			error.code = error_from_name(body);
		else if (bytes_equal_string(key, "message") && element.kind == MSGPACK_STR)
			copy_text(body, error.message, sizeof(error.message));
		else if (bytes_equal_string(key, "retryable") && element.kind == MSGPACK_BOOL)
			error.retryable = element.boolean;
		else if (bytes_equal_string(key, "retry_after_ms") && element.kind == MSGPACK_INT)
			error.retry_after_ms = element.integer;
		else if (bytes_equal_string(key, "sqlstate") && element.kind == MSGPACK_STR)
			copy_text(body, error.sqlstate, sizeof(error.sqlstate));
		else if (bytes_equal_string(key, "detail") && element.kind == MSGPACK_STR)
			copy_text(body, error.detail, sizeof(error.detail));
		else
			return -EBADMSG;
	}
	if (error.code == ERROR_NONE)
		return -EBADMSG;
	*ret_error = error;
	return 0;
}

enum message_id message_find(struct bytes method, enum message_kind kind, enum message_end to)
{
	for (int id = 0; id < MESSAGE_ID_COUNT; id++) {
		const struct message_row *row = &message_rows[id];

		if (row->kind == kind && (row->to == to || row->to == END_ANY) &&
		    bytes_equal_string(method, row->method))
			return (enum message_id)id;
	}
	return MESSAGE_ID_COUNT;
}

struct texts_walk texts_begin(struct bytes encoded_list)
{
	struct texts_walk walk = {.rest = encoded_list};
	struct msgpack_element element;

	if (encoded_list.data && msgpack_read_element(&walk.rest, &element, NULL) &&
	    element.kind == MSGPACK_ARRAY)
		walk.left = element.count;
	return walk;
}

bool texts_next(struct texts_walk *walk, struct bytes *ret_text)
{
	struct msgpack_element element;

	if (walk->left == 0 || !msgpack_read_element(&walk->rest, &element, ret_text) ||
	    element.kind != MSGPACK_STR)
		return false;
	walk->left--;
	return true;
}

void texts_pack(struct buffer *buffer, const char *const *strings, size_t count)
{
	pack_array(buffer, count);
	for (size_t i = 0; i < count; i++)
		pack_string(buffer, strings[i]);
}
