/*
 * Appends MessagePack values to a buffer, by msgpack-c's packer.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"

void pack_nil(struct buffer *buffer);
void pack_bool(struct buffer *buffer, bool value);
void pack_int(struct buffer *buffer, int64_t value);
void pack_float(struct buffer *buffer, double value);
void pack_text(struct buffer *buffer, struct bytes text);
void pack_string(struct buffer *buffer, const char *string);
void pack_bin(struct buffer *buffer, struct bytes bytes);
void pack_array(struct buffer *buffer, size_t count);
void pack_map(struct buffer *buffer, size_t pairs);

/* key and value in one call, for maps */
void pack_pair_int(struct buffer *buffer, const char *key, int64_t value);
void pack_pair_bool(struct buffer *buffer, const char *key, bool value);
void pack_pair_float(struct buffer *buffer, const char *key, double value);
void pack_pair_text(struct buffer *buffer, const char *key, struct bytes text);
void pack_pair_string(struct buffer *buffer, const char *key, const char *string);

/* A map whose pairs are counted while they are appended: its head is written at the end. */
struct pack_counted_map {
	size_t at; /* where the 5-byte map32 head is */
	uint32_t pairs;
};
struct pack_counted_map pack_map_begin(struct buffer *buffer);
void pack_map_end(struct buffer *buffer, const struct pack_counted_map *map);

/* The same for an array whose length is not known yet; returns where its head is. */
size_t pack_array_begin(struct buffer *buffer);
void pack_array_end(struct buffer *buffer, size_t at, uint32_t count);
