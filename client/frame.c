#include "client/frame.h"

#include <errno.h>
#include <stdbool.h>

/* Heads by first byte, after the MessagePack specification's table of formats. */
enum shape { SHAPE_SCALAR, SHAPE_BODY, SHAPE_ARRAY, SHAPE_MAP, SHAPE_BAD };

struct head {
	enum shape shape;
	unsigned length_bytes; /* of the count behind the first byte */
	uint64_t count; /* SCALAR: bytes behind the first; BODY: bytes; ARRAY, MAP: elements */
};

/* 0xc0 to 0xdf */
static const struct head heads_c0[] = {
    {SHAPE_SCALAR, 0, 0}, /* nil */
    {SHAPE_BAD, 0, 0},
    {SHAPE_SCALAR, 0, 0}, /* false */
    {SHAPE_SCALAR, 0, 0}, /* true */
    {SHAPE_BODY, 1, 0}, /* bin */
    {SHAPE_BODY, 2, 0},
    {SHAPE_BODY, 4, 0},
    {SHAPE_BAD, 0, 0}, /* ext */
    {SHAPE_BAD, 0, 0},
    {SHAPE_BAD, 0, 0},
    {SHAPE_SCALAR, 0, 4}, /* float */
    {SHAPE_SCALAR, 0, 8},
    {SHAPE_SCALAR, 0, 1}, /* uint */
    {SHAPE_SCALAR, 0, 2},
    {SHAPE_SCALAR, 0, 4},
    {SHAPE_SCALAR, 0, 8},
    {SHAPE_SCALAR, 0, 1}, /* int */
    {SHAPE_SCALAR, 0, 2},
    {SHAPE_SCALAR, 0, 4},
    {SHAPE_SCALAR, 0, 8},
    {SHAPE_BAD, 0, 0}, /* fixext */
    {SHAPE_BAD, 0, 0},
    {SHAPE_BAD, 0, 0},
    {SHAPE_BAD, 0, 0},
    {SHAPE_BAD, 0, 0},
    {SHAPE_BODY, 1, 0}, /* str */
    {SHAPE_BODY, 2, 0},
    {SHAPE_BODY, 4, 0},
    {SHAPE_ARRAY, 2, 0},
    {SHAPE_ARRAY, 4, 0},
    {SHAPE_MAP, 2, 0},
    {SHAPE_MAP, 4, 0},
};

static struct head frame_head(unsigned char first)
{
	if (first < 0x80 || first >= 0xe0)
		return (struct head){SHAPE_SCALAR, 0, 0};
	if (first < 0x90)
		return (struct head){SHAPE_MAP, 0, first & 0x0f};
	if (first < 0xa0)
		return (struct head){SHAPE_ARRAY, 0, first & 0x0f};
	if (first < 0xc0)
		return (struct head){SHAPE_BODY, 0, first & 0x1f};
	return heads_c0[first - 0xc0];
}

/* Counts one value as done, and every container that it completes. True when all are done. */
static bool frame_value_done(struct frame_scan *scan)
{
	while (scan->depth > 0 && --scan->left[scan->depth - 1] == 0)
		scan->depth--;
	return scan->depth == 0;
}

static int frame_open(struct frame_scan *scan, uint64_t elements)
{
	if (scan->depth == FRAME_NESTING)
		return -EBADMSG;
	scan->left[scan->depth++] = elements;
	return 0;
}

int frame_scan(struct frame_scan *scan, const unsigned char *bytes, size_t size, size_t size_limit)
{
	while (scan->offset < size) {
		struct head head = frame_head(bytes[scan->offset]);
		size_t need = 1 + (size_t)head.length_bytes;

		if (head.shape == SHAPE_BAD)
			return -EBADMSG;
		if (size - scan->offset < need)
			return need > size_limit - scan->offset ? -EMSGSIZE : FRAME_INCOMPLETE;
		for (unsigned i = 1; i <= head.length_bytes; i++)
			head.count = head.count << 8 | bytes[scan->offset + i];
		if (head.shape == SHAPE_MAP)
			head.count *= 2;
		/* Each element is a byte at least: what cannot fit is refused before it is waited
		 * for. */
		if (need + head.count > size_limit - scan->offset)
			return -EMSGSIZE;
		if (head.shape == SHAPE_SCALAR || head.shape == SHAPE_BODY) {
			need += (size_t)head.count;
			if (size - scan->offset < need)
				return FRAME_INCOMPLETE;
		}
		scan->offset += need;
		if ((head.shape == SHAPE_ARRAY || head.shape == SHAPE_MAP) && head.count > 0) {
			int r = frame_open(scan, head.count);
			if (r < 0)
				return r;
		} else if (frame_value_done(scan)) {
			return FRAME_WHOLE;
		}
	}
	return size >= size_limit ? -EMSGSIZE : FRAME_INCOMPLETE;
}
