/*
 * Finds where one MessagePack value ends in bytes as they arrive, before anything is unpacked.
 * For what the daemon sends: larger and deeper than what it accepts, so the limits are wider than
 * those of common/msgpack_scan.h. Allocates nothing. Extension types are refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_NESTING = 16, /* a schema with labels has 9; msgpack-c stops at 32 */
};

enum frame_result { FRAME_WHOLE, FRAME_INCOMPLETE };

/* Keeps its place, so every byte is looked at once. Zero-initialise for each value. */
struct frame_scan {
	size_t offset;
	unsigned depth;
	uint64_t left[FRAME_NESTING]; /* values still to come in each open container */
};

/* Feed the same growing bytes from their start. FRAME_WHOLE: scan->offset bytes are one value.
 * -EBADMSG: no MessagePack, or too deep; -EMSGSIZE: it is, or says it will be, over size_limit. */
int frame_scan(struct frame_scan *scan, const unsigned char *bytes, size_t size, size_t size_limit);
