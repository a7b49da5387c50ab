/*
 * Replies to ask and sql: the envelope and the router's own fields are written, everything else
 * is copied as encoded pairs. Rows are never unpacked.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/error.h"
#include "daemon/classify.h"

enum reply_time {
	TIME_TOTAL,
	TIME_LOOKUP,
	TIME_ROUTE,
	TIME_GENERATE,
	TIME_VALIDATE,
	TIME_EXECUTE,
	TIME_COUNT
};

/* At SQL by a provider, that came to nothing: reasons, as encoded maps. */
struct attempts {
	unsigned repairs; /* statements that were to be mended */
	unsigned count;
	struct buffer reasons;
};

/* What a reply says; views belong to whoever fills it. */
struct reply {
	uint32_t msgid;
	const char *route; /* "sql" or "chat" */
	const char *via; /* "cache", "client", "heuristic" or "model" */
	bool cached;
	int64_t age_ms; /* where cached */
	double confidence; /* where via is heuristic or model; else NaN */
	int64_t time_us[TIME_COUNT]; /* -1: did not take place */
	struct bytes database, sql, provider; /* absent: left out */
	struct bytes text; /* a chat reply's */
	struct bytes pairs; /* a data reply's: encoded map of columns, rows, row_count, truncated */
	const struct attempts *attempts; /* NULL: none */
	bool explain;
	const char *not_cached; /* why not stored; NULL: it was, or it came from the cache */
	const struct classification *classification; /* with explain; NULL: none was made */
	bool stream; /* columns and rows, or text, travel in deltas before the response */
	bool streamed; /* they have gone out already; `pairs` has no rows */
};

#define REPLY_INIT ((struct reply){.confidence = (double)NAN, .time_us = {-1, -1, -1, -1, -1, -1}})

/* Appends the response, and for stream the notifications before it. */
void reply_pack(const struct reply *reply, struct buffer *message);

/* Appends one delta notification with an encoded map. */
void reply_pack_delta(
    struct buffer *message, uint32_t msgid, int64_t sequence, struct bytes encoded_map);

/* The same with more of a chat reply's text. */
void reply_pack_text_delta(
    struct buffer *message, uint32_t msgid, int64_t sequence, struct bytes text);

/* Appends a list of reasons, also for the method route. All but the buffer may be NULL. */
void reply_pack_reasons(const struct classification *classification,
    const struct attempts *attempts, const char *not_cached, struct buffer *message);
/* Adds one more. sql: what failed; absent: no statement came. */
void reply_add_attempt(struct attempts *attempts, const struct error *error, struct bytes sql);

/* Appends a response that is an error, with the attempts that led to it as its reasons. */
void reply_pack_error(struct buffer *message, uint32_t msgid, const struct error *error,
    const struct attempts *attempts);

/* Appends another encoded map's pairs as bytes, and counts them. */
struct pack_counted_map;
void reply_splice(struct buffer *message, struct pack_counted_map *map, struct bytes encoded_map);
