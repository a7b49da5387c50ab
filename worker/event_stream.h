/*
 * Cuts what a model server streams into its events: the lines of NDJSON, or the data of
 * server-sent events (HTML standard, 9.2.6: comments, CR, LF or CRLF, data of several lines, a byte
 * order mark). Pure: bytes in at any split, whole events out. What an event means is its caller's.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

enum event_framing {
	EVENT_LINES, /* NDJSON: each line that is not blank */
	EVENT_SSE, /* the data of each event */
	EVENT_DOCUMENT, /* all of it is one event */
};

struct event_stream {
	enum event_framing framing;
	size_t limit; /* bytes of one event */
	struct buffer line; /* of a line that is not whole yet */
	struct buffer data; /* of an event that is not whole yet */
	bool has_data;
	bool begun; /* the first line has come */
	bool after_cr; /* an LF that comes next belongs to the CR before it */
	/* False ends the reading: nothing more is given. */
	bool (*event)(void *owner, struct bytes event);
	void *owner;
};

void event_stream_deinit(struct event_stream *stream);
/* 0; 1 where `event` ended it; -EMSGSIZE where an event is over the limit. */
int event_stream_feed(struct event_stream *stream, struct bytes bytes);
/* No more bytes come: gives a last line, or the document. An SSE event without its blank line is
 * given too, because servers forget it. The same results. */
int event_stream_end(struct event_stream *stream);
