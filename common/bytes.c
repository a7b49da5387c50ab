#include "common/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int bytes_compare(struct bytes a, struct bytes b)
{
	size_t shared = a.size < b.size ? a.size : b.size;
	int order = shared ? memcmp(a.data, b.data, shared) : 0;

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

/* One row of table 3-7: a range of first bytes, how many bytes follow, the range of the second. */
struct utf8_row {
	unsigned char first_low, first_high;
	unsigned char following;
	unsigned char second_low, second_high;
};

static const struct utf8_row utf8_rows[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf},
    {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf},
    {0xed, 0xed, 2, 0x80, 0x9f},
    {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf},
    {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* The size of the well-formed multi-byte character at `at`; 0 if there is none. */
static size_t utf8_character_size(const unsigned char *at, size_t left)
{
	for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
		const struct utf8_row *row = &utf8_rows[i];

		if (at[0] < row->first_low || at[0] > row->first_high)
			continue;
		if (left <= row->following || at[1] < row->second_low || at[1] > row->second_high)
			return 0;
		for (size_t k = 2; k <= row->following; k++)
			if ((at[k] & 0xc0) != 0x80)
				return 0;
		return row->following + 1u;
	}
	return 0;
}

/* Eight at a time: most texts have nothing else. */
static size_t ascii_size(const unsigned char *at, size_t left)
{
	size_t size = 0;
	uint64_t eight;

	for (; left - size >= sizeof(eight); size += sizeof(eight)) {
		memcpy(&eight, at + size, sizeof(eight));
		if (eight & UINT64_C(0x8080808080808080))
			break;
	}
	while (size < left && at[size] < 0x80)
		size++;
	return size;
}

bool bytes_are_utf8(struct bytes bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.data;
	size_t left = bytes.size;

	while (left > 0) {
		size_t size = ascii_size(at, left);

		if (size == 0)
			size = utf8_character_size(at, left);
		if (size == 0)
			return false;
		at += size;
		left -= size;
	}
	return true;
}

struct bytes bytes_cut(struct bytes text, size_t max_size)
{
	if (text.size <= max_size)
		return text;
	while (max_size > 0 && ((unsigned char)text.data[max_size] & 0xc0) == 0x80)
		max_size--;
	return bytes_of(text.data, max_size);
}

char *bytes_to_string(struct bytes bytes)
{
	char *string;

	if (!bytes.data)
		return NULL;
	string = must_alloc(bytes.size + 1);
	memcpy(string, bytes.data, bytes.size);
	string[bytes.size] = '\0';
	return string;
}

void buffer_deinit(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = BUFFER_INIT;
}

void buffer_reset(struct buffer *buffer)
{
	buffer->size = 0;
}

char *buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t needed = buffer->size + more;

	if (needed < more || needed > SIZE_MAX / 2)
		abort();
	/* Also for no bytes at all: what is returned can be pointed at. */
	if (needed > buffer->capacity || !buffer->data) {
		size_t capacity = buffer->capacity ? buffer->capacity : 256;

		while (capacity < needed)
			capacity *= 2;
		buffer->data = must_realloc(buffer->data, capacity);
		buffer->capacity = capacity;
	}
	return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	if (size == 0)
		return;
	memcpy(buffer_reserve(buffer, size), data, size);
	buffer->size += size;
}

void buffer_append_bytes(struct buffer *buffer, struct bytes bytes)
{
	buffer_append(buffer, bytes.data, bytes.size);
}

void buffer_append_string(struct buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments, again;
	int size;

	va_start(arguments, format);
	va_copy(again, arguments);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (size < 0)
		abort();
	vsnprintf(buffer_reserve(buffer, (size_t)size + 1), (size_t)size + 1, format, again);
	va_end(again);
	buffer->size += (size_t)size;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
	buffer->size -= size;
	memmove(buffer->data, buffer->data + size, buffer->size);
}

const char *buffer_string(struct buffer *buffer)
{
	*buffer_reserve(buffer, 1) = '\0';
	return buffer->data;
}

void *must_alloc(size_t size)
{
	return must_realloc(NULL, size);
}

void *must_zalloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

void *must_realloc(void *memory, size_t size)
{
	memory = realloc(memory, size ? size : 1);
	if (!memory)
		abort();
	return memory;
}

char *must_strdup(const char *string)
{
	return bytes_to_string(bytes_of_string(string));
}

void clean_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

void clean_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
