#include "daemon/reply.h"

#include "common/message.h"
#include "common/msgpack_scan.h"
#include "common/pack.h"
#include "common/rpc.h"

static const char *const time_names[TIME_COUNT] = {
    [TIME_TOTAL] = "total",
    [TIME_LOOKUP] = "lookup",
    [TIME_ROUTE] = "route",
    [TIME_GENERATE] = "generate",
    [TIME_VALIDATE] = "validate",
    [TIME_EXECUTE] = "execute",
};

/* The four pairs of a result, as they stand in it. */
struct result_parts {
	struct bytes columns, rows; /* the values */
	struct bytes rest; /* the other pairs */
	uint32_t rest_count;
};

static void pack_times(const struct reply *reply, struct buffer *message)
{
	size_t count = 0;

	for (int i = 0; i < TIME_COUNT; i++)
		count += reply->time_us[i] >= 0;
	pack_map(message, count);
	for (int i = 0; i < TIME_COUNT; i++)
		if (reply->time_us[i] >= 0)
			pack_pair_int(message, time_names[i], reply->time_us[i]);
}

void reply_add_attempt(struct attempts *attempts, const struct error *error, struct bytes sql)
{
	CLEAN(buffer) struct buffer text = BUFFER_INIT;

	buffer_printf(&text, "%s: %s", error_name(error->code), error->message);
	if (error->code != ERROR_SQL_REJECTED && error->detail[0] != '\0')
		buffer_printf(&text, " (%s)", error->detail);
	if (sql.data)
		buffer_printf(&text, "; it was: %.*s", (int)sql.size, sql.data);
	attempts->count++;
	pack_map(&attempts->reasons, 2);
	pack_pair_string(&attempts->reasons, "signal", "attempt");
	pack_pair_text(&attempts->reasons, "text", bytes_of_buffer(&text));
}

void reply_pack_reasons(const struct classification *classification,
    const struct attempts *attempts, const char *not_cached, struct buffer *message)
{
	size_t count = classification ? classification->reason_count : 0;
	size_t attempted = attempts ? attempts->count : 0;

	pack_array(message, count + attempted + (not_cached != NULL));
	for (size_t i = 0; i < count; i++) {
		const struct classify_reason *reason = &classification->reasons[i];

		pack_map(message, 3);
		pack_pair_string(message, "signal", reason->signal);
		pack_pair_string(message, "text", reason->text);
		pack_pair_float(message, "weight", round(reason->weight * 1000) / 1000);
	}
	if (attempted)
		buffer_append_bytes(message, bytes_of_buffer(&attempts->reasons));
	if (!not_cached)
		return;
	pack_map(message, 2);
	pack_pair_string(message, "signal", "not_cached");
	pack_pair_string(message, "text", not_cached);
}

static void pack_optional_text(
    struct buffer *message, uint32_t *count, const char *key, struct bytes text)
{
	if (!text.data)
		return;
	pack_pair_text(message, key, text);
	++*count;
}

/* The pairs that the router writes itself. */
static uint32_t pack_own_pairs(const struct reply *reply, struct buffer *message)
{
	uint32_t count = 4;

	pack_pair_string(message, "route", reply->route);
	pack_pair_string(message, "via", reply->via);
	pack_pair_bool(message, "cached", reply->cached);
	if (reply->cached) {
		pack_pair_int(message, "age_ms", reply->age_ms);
		count++;
	}
	pack_string(message, "timing_us");
	pack_times(reply, message);
	if (!isnan(reply->confidence)) {
		pack_pair_float(message, "confidence", reply->confidence);
		count++;
	}
	if (reply->explain) {
		pack_string(message, "reasons");
		reply_pack_reasons(
		    reply->classification, reply->attempts, reply->not_cached, message);
		count++;
	}
	if (reply->attempts && reply->attempts->repairs > 0) {
		pack_pair_int(message, "repairs", reply->attempts->repairs);
		count++;
	}
	pack_optional_text(message, &count, "provider", reply->provider);
	pack_optional_text(message, &count, "database", reply->database);
	pack_optional_text(message, &count, "sql", reply->sql);
	pack_optional_text(message, &count, "text", reply->text);
	return count;
}

/* Opens the map of an encoded result: how many pairs, and their bytes. */
static struct bytes pairs_of(struct bytes map, uint32_t *ret_count)
{
	struct msgpack_element element;

	if (!msgpack_read_element(&map, &element, NULL) || element.kind != MSGPACK_MAP) {
		*ret_count = 0;
		return BYTES_NONE;
	}
	*ret_count = element.count;
	return map;
}

static struct result_parts split_result(struct bytes map)
{
	struct result_parts parts = {0};
	uint32_t count;
	struct bytes rest = pairs_of(map, &count);

	/* Workers write columns and rows first. */
	for (uint32_t i = 0; i < count; i++) {
		struct bytes before = rest, key;
		struct msgpack_element element;
		size_t size;

		if (!msgpack_read_element(&rest, &element, &key))
			break;
		size = msgpack_value_size(rest);
		if (bytes_equal_string(key, "columns")) {
			parts.columns = bytes_of(rest.data, size);
		} else if (bytes_equal_string(key, "rows")) {
			parts.rows = bytes_of(rest.data, size);
		} else {
			parts.rest = before;
			parts.rest_count = count - i;
			break;
		}
		rest = bytes_of(rest.data + size, rest.size - size);
	}
	return parts;
}

static void pack_delta_head(struct buffer *message, uint32_t msgid, int64_t sequence)
{
	pack_array(message, 3);
	pack_int(message, RPC_NOTIFICATION);
	pack_string(message, message_rows[MESSAGE_ID_DELTA].method);
	pack_array(message, 3);
	pack_int(message, msgid);
	pack_int(message, sequence);
}

void reply_pack_delta(
    struct buffer *message, uint32_t msgid, int64_t sequence, struct bytes encoded_map)
{
	pack_delta_head(message, msgid, sequence);
	buffer_append_bytes(message, encoded_map);
}

static void pack_delta(
    struct buffer *message, uint32_t msgid, int sequence, const char *key, struct bytes value)
{
	pack_delta_head(message, msgid, sequence);
	pack_map(message, 1);
	pack_string(message, key);
	buffer_append_bytes(message, value);
}

void reply_pack_text_delta(
    struct buffer *message, uint32_t msgid, int64_t sequence, struct bytes text)
{
	pack_delta_head(message, msgid, sequence);
	pack_map(message, 1);
	pack_pair_text(message, "text", text);
}

static void pack_streamed(const struct reply *reply, struct buffer *message)
{
	struct result_parts parts = split_result(reply->pairs);
	struct pack_counted_map map;

	pack_delta(message, reply->msgid, 0, "columns", parts.columns);
	pack_delta(message, reply->msgid, 1, "rows", parts.rows);
	message_pack_response_head(message, reply->msgid);
	map = pack_map_begin(message);
	map.pairs = pack_own_pairs(reply, message) + 2 + parts.rest_count;
	pack_string(message, "columns");
	buffer_append_bytes(message, parts.columns);
	pack_string(message, "rows");
	pack_array(message, 0);
	buffer_append_bytes(message, parts.rest);
	pack_map_end(message, &map);
}

void reply_splice(struct buffer *message, struct pack_counted_map *map, struct bytes encoded_map)
{
	uint32_t count;
	struct bytes pairs = pairs_of(encoded_map, &count);

	buffer_append_bytes(message, pairs);
	map->pairs += count;
}

void reply_pack(const struct reply *reply, struct buffer *message)
{
	struct pack_counted_map map;

	if (reply->stream && !reply->streamed && reply->pairs.data) {
		pack_streamed(reply, message);
		return;
	}
	if (reply->stream && !reply->streamed)
		reply_pack_text_delta(message, reply->msgid, 0, reply->text);
	message_pack_response_head(message, reply->msgid);
	map = pack_map_begin(message);
	map.pairs = pack_own_pairs(reply, message);
	if (reply->pairs.data)
		reply_splice(message, &map, reply->pairs);
	pack_map_end(message, &map);
}

void reply_pack_error(struct buffer *message, uint32_t msgid, const struct error *error,
    const struct attempts *attempts)
{
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT;
	struct pack_counted_map map;

	pack_array(message, 4);
	pack_int(message, RPC_RESPONSE);
	pack_int(message, msgid);
	message_pack_error_map(&pairs, error);
	map = pack_map_begin(message);
	reply_splice(message, &map, bytes_of_buffer(&pairs));
	pack_string(message, "reasons");
	reply_pack_reasons(NULL, attempts, NULL, message);
	map.pairs++;
	pack_map_end(message, &map);
	pack_nil(message);
}
