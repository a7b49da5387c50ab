#include "common/msgpack_scan.h"

/* What follows a first byte: how many bytes hold the length or value, and what they are. */
enum head_form { FORM_BAD, FORM_FIXED, FORM_UNSIGNED, FORM_SIGNED, FORM_FLOAT, FORM_COUNT };

struct head_row {
	enum head_form form;
	enum msgpack_kind kind;
	unsigned char argument_size;
};

/* First bytes 0xc0 to 0xdf; the ranges below and above them hold their value themselves. */
static const struct head_row head_rows[32] = {
    [0x00] = {FORM_FIXED, MSGPACK_NIL, 0},
    [0x02] = {FORM_FIXED, MSGPACK_BOOL, 0},
    [0x03] = {FORM_FIXED, MSGPACK_BOOL, 0},
    [0x04] = {FORM_COUNT, MSGPACK_BIN, 1},
    [0x05] = {FORM_COUNT, MSGPACK_BIN, 2},
    [0x06] = {FORM_COUNT, MSGPACK_BIN, 4},
    [0x0a] = {FORM_FLOAT, MSGPACK_FLOAT, 4},
    [0x0b] = {FORM_FLOAT, MSGPACK_FLOAT, 8},
    [0x0c] = {FORM_UNSIGNED, MSGPACK_INT, 1},
    [0x0d] = {FORM_UNSIGNED, MSGPACK_INT, 2},
    [0x0e] = {FORM_UNSIGNED, MSGPACK_INT, 4},
    [0x0f] = {FORM_UNSIGNED, MSGPACK_INT, 8},
    [0x10] = {FORM_SIGNED, MSGPACK_INT, 1},
    [0x11] = {FORM_SIGNED, MSGPACK_INT, 2},
    [0x12] = {FORM_SIGNED, MSGPACK_INT, 4},
    [0x13] = {FORM_SIGNED, MSGPACK_INT, 8},
    [0x19] = {FORM_COUNT, MSGPACK_STR, 1},
    [0x1a] = {FORM_COUNT, MSGPACK_STR, 2},
    [0x1b] = {FORM_COUNT, MSGPACK_STR, 4},
    [0x1c] = {FORM_COUNT, MSGPACK_ARRAY, 2},
    [0x1d] = {FORM_COUNT, MSGPACK_ARRAY, 4},
    [0x1e] = {FORM_COUNT, MSGPACK_MAP, 2},
    [0x1f] = {FORM_COUNT, MSGPACK_MAP, 4},
};

static uint64_t big_endian(const unsigned char *at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

static int64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (int64_t)(value << shift) >> shift;
}

static double as_float(uint64_t bits, unsigned size)
{
	float single;
	double number;
	uint32_t low = (uint32_t)bits;

	if (size == sizeof(single)) {
		memcpy(&single, &low, sizeof(single));
		return (double)single;
	}
	memcpy(&number, &bits, sizeof(number));
	return number;
}

/* First bytes that hold their value or count themselves. False for the others. */
static bool head_in_first_byte(unsigned char first, struct msgpack_element *element)
{
	element->head_size = 1;
	if (first <= 0x7f) {
		element->kind = MSGPACK_INT;
		element->integer = first;
	} else if (first >= 0xe0) {
		element->kind = MSGPACK_INT;
		element->integer = (int)first - 256;
	} else if (first <= 0x8f) {
		element->kind = MSGPACK_MAP;
		element->count = first & 0x0f;
	} else if (first <= 0x9f) {
		element->kind = MSGPACK_ARRAY;
		element->count = first & 0x0f;
	} else if (first <= 0xbf) {
		element->kind = MSGPACK_STR;
		element->count = first & 0x1f;
	} else {
		return false;
	}
	return true;
}

static void head_argument(const struct head_row *row, uint64_t value, unsigned char first,
    struct msgpack_element *element)
{
	switch (row->form) {
	case FORM_FIXED:
		element->boolean = first == 0xc3;
		break;
	case FORM_UNSIGNED:
		if (value > INT64_MAX) {
			element->kind = MSGPACK_UINT;
			element->uinteger = value;
		} else {
			element->integer = (int64_t)value;
		}
		break;
	case FORM_SIGNED:
		element->integer = sign_extend(value, row->argument_size);
		break;
	case FORM_FLOAT:
		element->number = as_float(value, row->argument_size);
		break;
	case FORM_COUNT:
	case FORM_BAD:
		element->count = (uint32_t)value;
		break;
	}
}

enum msgpack_scan_result msgpack_head(struct bytes bytes, struct msgpack_element *ret_element)
{
	const unsigned char *at = (const unsigned char *)bytes.data;
	const struct head_row *row;

	if (bytes.size == 0)
		return SCAN_INCOMPLETE;
	if (head_in_first_byte(at[0], ret_element))
		return SCAN_WHOLE;
	row = &head_rows[at[0] - 0xc0];
	if (row->form == FORM_BAD)
		return SCAN_BAD;
	if (bytes.size < 1u + row->argument_size)
		return SCAN_INCOMPLETE;
	ret_element->kind = row->kind;
	ret_element->head_size = 1u + row->argument_size;
	head_argument(row, big_endian(at + 1, row->argument_size), at[0], ret_element);
	return SCAN_WHOLE;
}

/* How many bytes the element's own body has, and how many values it opens. */
static uint64_t body_size(const struct msgpack_element *element)
{
	return element->kind == MSGPACK_STR || element->kind == MSGPACK_BIN ? element->count : 0;
}

static uint64_t opened_values(const struct msgpack_element *element)
{
	if (element->kind == MSGPACK_ARRAY)
		return element->count;
	return element->kind == MSGPACK_MAP ? 2 * (uint64_t)element->count : 0;
}

/* One value is done: close every container that it was the last of. */
static void value_done(struct msgpack_scan *scan)
{
	while (scan->depth > 0 && --scan->left[scan->depth - 1] == 0)
		scan->depth--;
}

/* The values that open containers announce behind the one being read: a byte each at least. */
static uint64_t bytes_announced(const struct msgpack_scan *scan)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < scan->depth; i++)
		sum += scan->left[i] - 1;
	return sum;
}

/* Takes one element; false where it is not whole, with the reason in *ret_result. */
static bool scan_element(struct msgpack_scan *scan, struct bytes bytes, size_t size_limit,
    enum msgpack_scan_result *ret_result)
{
	struct bytes rest = bytes_of(bytes.data + scan->offset, bytes.size - scan->offset);
	struct msgpack_element element;
	uint64_t end, opened;

	*ret_result = msgpack_head(rest, &element);
	if (*ret_result != SCAN_WHOLE) {
		if (*ret_result == SCAN_INCOMPLETE && bytes.size >= size_limit)
			*ret_result = SCAN_TOO_LARGE;
		return false;
	}
	end = scan->offset + element.head_size + body_size(&element);
	opened = opened_values(&element);
	if (end + opened + bytes_announced(scan) > size_limit) {
		*ret_result = SCAN_TOO_LARGE;
		return false;
	}
	if (end > bytes.size) {
		*ret_result = SCAN_INCOMPLETE;
		return false;
	}
	scan->offset = (size_t)end;
	if (opened == 0) {
		value_done(scan);
		return true;
	}
	if (scan->depth == LIMIT_NESTING) {
		*ret_result = SCAN_TOO_DEEP;
		return false;
	}
	scan->left[scan->depth++] = opened;
	return true;
}

enum msgpack_scan_result msgpack_scan(
    struct msgpack_scan *scan, struct bytes bytes, size_t size_limit, size_t *ret_size)
{
	enum msgpack_scan_result result;

	do {
		if (!scan_element(scan, bytes, size_limit, &result))
			return result;
	} while (scan->depth > 0);
	*ret_size = scan->offset;
	*scan = MSGPACK_SCAN_INIT;
	return SCAN_WHOLE;
}

size_t msgpack_value_size(struct bytes bytes)
{
	struct msgpack_element element;
	uint64_t left = 1;
	size_t offset = 0;

	while (left > 0) {
		struct bytes rest = bytes_of(bytes.data + offset, bytes.size - offset);

		if (msgpack_head(rest, &element) != SCAN_WHOLE)
			return 0;
		if (body_size(&element) > rest.size - element.head_size)
			return 0;
		offset += element.head_size + body_size(&element);
		left = left - 1 + opened_values(&element);
	}
	return offset;
}

bool msgpack_read_element(
    struct bytes *bytes, struct msgpack_element *ret_element, struct bytes *ret_body)
{
	struct msgpack_element element;
	size_t size;

	if (msgpack_head(*bytes, &element) != SCAN_WHOLE)
		return false;
	if (body_size(&element) > bytes->size - element.head_size)
		return false;
	size = element.head_size + body_size(&element);
	if (ret_body)
		*ret_body = bytes_of(bytes->data + element.head_size, body_size(&element));
	*ret_element = element;
	*bytes = bytes_of(bytes->data + size, bytes->size - size);
	return true;
}
