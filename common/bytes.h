/*
 * Views of bytes and growable buffers, the two shapes in which all data moves.
 * A view owns nothing; a buffer owns its memory. Allocation failure of these aborts: sizes
 * that a peer chooses are checked against a limit before they get here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Not NUL-terminated; data == NULL means absent, which is not the same as empty. */
struct bytes {
	const char *data;
	size_t size;
};

struct buffer {
	char *data;
	size_t size;
	size_t capacity;
};

#define BUFFER_INIT ((struct buffer){0})
#define BYTES_NONE  ((struct bytes){0})

static inline struct bytes bytes_of(const void *data, size_t size)
{
	return (struct bytes){data, size};
}

static inline struct bytes bytes_of_string(const char *string)
{
	return (struct bytes){string, string ? strlen(string) : 0};
}

static inline struct bytes bytes_of_buffer(const struct buffer *buffer)
{
	return (struct bytes){buffer->data, buffer->size};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_string(struct bytes a, const char *string)
{
	return bytes_equal(a, bytes_of_string(string));
}

/* memcmp order, shorter first among equals. */
int bytes_compare(struct bytes a, struct bytes b);

/* Whether the bytes are well-formed UTF-8 (Unicode 15, table 3-7); NUL is well-formed. */
bool bytes_are_utf8(struct bytes bytes);

/* The text, cut at or before max_size bytes where a character of UTF-8 ends. */
struct bytes bytes_cut(struct bytes text, size_t max_size);

/* A NUL-terminated heap copy; NULL for an absent view. The caller frees it. */
char *bytes_to_string(struct bytes bytes);

void buffer_deinit(struct buffer *buffer);
/* Empties the buffer and keeps its memory. */
void buffer_reset(struct buffer *buffer);
/* Makes room for `more` bytes behind size and returns where they start. */
char *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_bytes(struct buffer *buffer, struct bytes bytes);
void buffer_append_string(struct buffer *buffer, const char *string);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Removes `size` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t size);
/* The contents as a NUL-terminated string that stays the buffer's. */
const char *buffer_string(struct buffer *buffer);

/* malloc, calloc, realloc and strdup that abort when memory is out. */
void *must_alloc(size_t size);
void *must_zalloc(size_t size);
void *must_realloc(void *memory, size_t size);
char *must_strdup(const char *string);

/* Cleanup attributes: CLEAN(buffer) struct buffer b = BUFFER_INIT; */
static inline void clean_buffer(struct buffer *buffer)
{
	buffer_deinit(buffer);
}
void clean_free(void *pointer_to_pointer);
void clean_fd(int *fd);
#define CLEAN(kind) __attribute__((cleanup(clean_##kind)))
