/*
 * Decides whether bytes are one whole MessagePack value, before anything is unpacked, under
 * limits, allocating nothing; and reads one element at a time for who unpacks.
 * Format: the MessagePack specification (github.com/msgpack/msgpack, spec.md). Extension types
 * are refused. UTF-8 is checked by who unpacks, where the field can be named.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/limits.h"

enum msgpack_kind {
	MSGPACK_NIL,
	MSGPACK_BOOL,
	MSGPACK_INT, /* fits int64_t */
	MSGPACK_UINT, /* above INT64_MAX */
	MSGPACK_FLOAT,
	MSGPACK_STR,
	MSGPACK_BIN,
	MSGPACK_ARRAY,
	MSGPACK_MAP,
};

/* One element: its head, and the body of a str or bin. */
struct msgpack_element {
	enum msgpack_kind kind;
	size_t head_size; /* bytes of the head alone */
	union {
		bool boolean;
		int64_t integer;
		uint64_t uinteger;
		double number;
		uint32_t count; /* str, bin: bytes; array: elements; map: pairs */
	};
};

enum msgpack_scan_result {
	SCAN_WHOLE, /* *ret_size bytes are one value */
	SCAN_INCOMPLETE, /* more bytes are needed */
	SCAN_TOO_LARGE, /* the value is, or says it will be, over the size limit */
	SCAN_TOO_DEEP,
	SCAN_BAD, /* no MessagePack, an extension type, or a reserved byte */
};

/* SCAN_WHOLE (a head is whole), SCAN_INCOMPLETE or SCAN_BAD. */
enum msgpack_scan_result msgpack_head(struct bytes bytes, struct msgpack_element *ret_element);

/* Resumable: keeps its place, so that every byte is looked at once however it arrives.
 * Zero-initialise; feed the same growing bytes from their start each time. */
struct msgpack_scan {
	size_t offset; /* bytes done */
	unsigned depth;
	uint64_t left[LIMIT_NESTING]; /* values still to come in each open container */
};
#define MSGPACK_SCAN_INIT ((struct msgpack_scan){0})

enum msgpack_scan_result msgpack_scan(
    struct msgpack_scan *scan, struct bytes bytes, size_t size_limit, size_t *ret_size);

/* The size of the value at the start of the bytes; 0 where it is not whole. Any depth. */
size_t msgpack_value_size(struct bytes bytes);

/* Reads one head, of a str or bin also the body, and steps over it; false where it is cut or bad.
 * The body of other kinds is empty. ret_body may be NULL. */
bool msgpack_read_element(
    struct bytes *bytes, struct msgpack_element *ret_element, struct bytes *ret_body);
