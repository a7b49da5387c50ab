#include "worker/event_stream.h"

#include <errno.h>

void event_stream_deinit(struct event_stream *stream)
{
	buffer_deinit(&stream->line);
	buffer_deinit(&stream->data);
}

static int give(struct event_stream *stream, struct bytes event)
{
	return stream->event(stream->owner, event) ? 0 : 1;
}

static int give_data(struct event_stream *stream)
{
	int r;

	if (!stream->has_data)
		return 0;
	stream->has_data = false;
	r = give(stream, bytes_of_buffer(&stream->data));
	buffer_reset(&stream->data);
	return r;
}

static bool is_blank(struct bytes line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t')
			return false;
	return true;
}

/* One line of server-sent events. Only the field data is of use here. */
static int take_field(struct event_stream *stream, struct bytes line)
{
	static const char field[] = "data:";
	size_t skip = sizeof(field) - 1;

	if (line.size == 0)
		return give_data(stream);
	if (line.size < skip || memcmp(line.data, field, skip) != 0)
		return 0;
	if (line.size > skip && line.data[skip] == ' ')
		skip++;
	if (stream->data.size + line.size > stream->limit)
		return -EMSGSIZE;
	if (stream->has_data)
		buffer_append(&stream->data, "\n", 1);
	stream->has_data = true;
	buffer_append(&stream->data, line.data + skip, line.size - skip);
	return 0;
}

/* A byte order mark may come before all else. */
static struct bytes without_mark(struct event_stream *stream, struct bytes line)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t size = sizeof(mark) - 1;
	bool is_marked = !stream->begun && line.size >= size && memcmp(line.data, mark, size) == 0;

	stream->begun = true;
	return is_marked ? bytes_of(line.data + size, line.size - size) : line;
}

static int take_line(struct event_stream *stream, struct bytes line)
{
	line = without_mark(stream, line);
	if (stream->framing == EVENT_SSE)
		return take_field(stream, line);
	return is_blank(line) ? 0 : give(stream, line);
}

/* The bytes up to the end of a line, behind what was kept of it. */
static int end_line(struct event_stream *stream, struct bytes bytes)
{
	int r;

	if (stream->line.size + bytes.size > stream->limit)
		return -EMSGSIZE;
	if (stream->line.size == 0)
		return take_line(stream, bytes);
	buffer_append_bytes(&stream->line, bytes);
	r = take_line(stream, bytes_of_buffer(&stream->line));
	buffer_reset(&stream->line);
	return r;
}

static int keep(struct event_stream *stream, struct bytes bytes)
{
	if (stream->line.size + bytes.size > stream->limit)
		return -EMSGSIZE;
	buffer_append_bytes(&stream->line, bytes);
	return 0;
}

int event_stream_feed(struct event_stream *stream, struct bytes bytes)
{
	size_t start = 0;

	if (stream->framing == EVENT_DOCUMENT)
		return keep(stream, bytes);
	for (size_t i = 0; i < bytes.size; i++) {
		char c = bytes.data[i];
		bool second = c == '\n' && stream->after_cr;
		int r;

		stream->after_cr = c == '\r';
		if (c != '\n' && c != '\r')
			continue;
		r = second ? 0 : end_line(stream, bytes_of(bytes.data + start, i - start));
		if (r != 0)
			return r;
		start = i + 1;
	}
	return keep(stream, bytes_of(bytes.data + start, bytes.size - start));
}

int event_stream_end(struct event_stream *stream)
{
	int r = stream->line.size > 0 ? take_line(stream, bytes_of_buffer(&stream->line)) : 0;

	buffer_reset(&stream->line);
	return r != 0 ? r : give_data(stream);
}
