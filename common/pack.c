#include "common/pack.h"

#include <msgpack.h>

static int append(void *buffer, const char *data, size_t size)
{
	buffer_append(buffer, data, size);
	return 0;
}

static msgpack_packer packer(struct buffer *buffer)
{
	msgpack_packer to;

	msgpack_packer_init(&to, buffer, append);
	return to;
}

void pack_nil(struct buffer *buffer)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_nil(&to);
}

void pack_bool(struct buffer *buffer, bool value)
{
	msgpack_packer to = packer(buffer);

	if (value)
		msgpack_pack_true(&to);
	else
		msgpack_pack_false(&to);
}

void pack_int(struct buffer *buffer, int64_t value)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_int64(&to, value);
}

void pack_float(struct buffer *buffer, double value)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_double(&to, value);
}

void pack_text(struct buffer *buffer, struct bytes text)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_str(&to, text.size);
	buffer_append_bytes(buffer, text);
}

void pack_string(struct buffer *buffer, const char *string)
{
	pack_text(buffer, bytes_of_string(string));
}

void pack_bin(struct buffer *buffer, struct bytes bytes)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_bin(&to, bytes.size);
	buffer_append_bytes(buffer, bytes);
}

void pack_array(struct buffer *buffer, size_t count)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_array(&to, count);
}

void pack_map(struct buffer *buffer, size_t pairs)
{
	msgpack_packer to = packer(buffer);

	msgpack_pack_map(&to, pairs);
}

void pack_pair_int(struct buffer *buffer, const char *key, int64_t value)
{
	pack_string(buffer, key);
	pack_int(buffer, value);
}

void pack_pair_bool(struct buffer *buffer, const char *key, bool value)
{
	pack_string(buffer, key);
	pack_bool(buffer, value);
}

void pack_pair_float(struct buffer *buffer, const char *key, double value)
{
	pack_string(buffer, key);
	pack_float(buffer, value);
}

void pack_pair_text(struct buffer *buffer, const char *key, struct bytes text)
{
	pack_string(buffer, key);
	pack_text(buffer, text);
}

void pack_pair_string(struct buffer *buffer, const char *key, const char *string)
{
	pack_string(buffer, key);
	pack_string(buffer, string);
}

/* A container head of 32 bits can be written over once the count is known. */
static size_t open_container(struct buffer *buffer, char type)
{
	size_t at = buffer->size;
	char head[5] = {type, 0, 0, 0, 0};

	buffer_append(buffer, head, sizeof(head));
	return at;
}

static void close_container(struct buffer *buffer, size_t at, uint32_t count)
{
	for (int i = 0; i < 4; i++)
		buffer->data[at + 1 + (size_t)i] = (char)(count >> (24 - 8 * i));
}

struct pack_counted_map pack_map_begin(struct buffer *buffer)
{
	return (struct pack_counted_map){.at = open_container(buffer, (char)0xdf)};
}

void pack_map_end(struct buffer *buffer, const struct pack_counted_map *map)
{
	close_container(buffer, map->at, map->pairs);
}

size_t pack_array_begin(struct buffer *buffer)
{
	return open_container(buffer, (char)0xdd);
}

void pack_array_end(struct buffer *buffer, size_t at, uint32_t count)
{
	close_container(buffer, at, count);
}
