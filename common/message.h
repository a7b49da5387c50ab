/*
 * Messages as structs: what messages.def declares, packed and unpacked with every check done.
 * Owns the wire form of messages and errors; bytes on a socket are channel.h's, one element's
 * bytes are msgpack_scan.h's. Views in a decoded struct point into the bytes it came from.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/limits.h"

#define FIELD_ABSENT INT64_MIN

enum field_type {
	FIELD_TEXT,
	FIELD_BIN,
	FIELD_PAIRS,
	FIELD_RAW,
	FIELD_INT,
	FIELD_BOOL,
	FIELD_FLOAT,
	FIELD_TEXTS
};

#define FIELD_C_TEXT  struct bytes
#define FIELD_C_BIN   struct bytes
#define FIELD_C_PAIRS struct bytes
#define FIELD_C_RAW   struct bytes
#define FIELD_C_INT   int64_t
#define FIELD_C_BOOL  bool
#define FIELD_C_FLOAT double
#define FIELD_C_TEXTS struct bytes

struct field_row {
	enum field_type type;
	const char *name;
	bool required;
	int64_t min, max;
	size_t offset; /* in the message's struct */
	const char *help;
};

enum message_kind { MESSAGE_REQUEST, MESSAGE_NOTIFICATION, MESSAGE_RECORD };
enum message_end {
	END_CLIENT, /* anybody on the application socket */
	END_CONTROL, /* anybody on the control socket */
	END_ROUTER,
	END_SUPERVISOR,
	END_CHILD, /* every role */
	END_DATABASE,
	END_INFERENCE,
	END_WATCHER,
	END_ANY
};

struct message_row {
	const char *method;
	enum message_kind kind;
	enum message_end from, to;
	const char *help;
	size_t size; /* of its struct */
	const struct field_row *(*fields)(void); /* ends with a row whose name is NULL */
};

enum message_id {
#define MESSAGE(ID, name, method, kind, from, to, help) MESSAGE_ID_##ID,
#include "common/messages.def"
#undef MESSAGE
	MESSAGE_ID_COUNT
};

extern const struct message_row message_rows[MESSAGE_ID_COUNT];

/* struct ask_params { struct bytes question; … }; and so on. The dummy keeps empty ones C. */
#define FIELD(type, name, presence, min, max, help) FIELD_C_##type name;
#define MESSAGE(ID, name, method, kind, from, to, help) \
	struct name##_params {                          \
		char start;                             \
		name##_FIELDS(FIELD)                    \
	};
#include "common/messages.def"
#undef MESSAGE
#define RESULT(name)                        \
	struct name##_result {              \
		char start;                 \
		name##_RESULT_FIELDS(FIELD) \
	};
#include "common/results.def"
#undef RESULT
#undef FIELD

/* Results between our own processes, in the same shape as messages. */
#define RESULT(name) extern const struct message_row name##_result_row;
#include "common/results.def"
#undef RESULT

/* All fields absent: NULL views, FIELD_ABSENT, false, NaN. */
void message_init(const struct message_row *row, void *ret_params);

/* Unpacks a map and checks it against the row: unknown, missing and duplicate keys, types,
 * ranges, UTF-8. 0, or ERROR_BAD_REQUEST or ERROR_TOO_LARGE with a message that names the field. */
int message_unpack(
    const struct message_row *row, struct bytes map, void *ret_params, struct error *ret_error);
/* Appends the map of the fields that are present. */
void message_pack(const struct message_row *row, const void *params, struct buffer *buffer);

/* Appends whole messages. */
void message_pack_request(
    struct buffer *buffer, uint32_t msgid, enum message_id id, const void *params);
void message_pack_notification(struct buffer *buffer, enum message_id id, const void *params);
void message_pack_response(struct buffer *buffer, uint32_t msgid,
    const struct message_row *result_row, const void *result);
/* [1, msgid, nil, … : the caller appends the result. */
void message_pack_response_head(struct buffer *buffer, uint32_t msgid);
void message_pack_error_map(struct buffer *buffer, const struct error *error);
/* has_msgid false: msgid nil. */
void message_pack_error(
    struct buffer *buffer, bool has_msgid, uint32_t msgid, const struct error *error);
/* [2, "cancel", [msgid]] */
void message_pack_cancel(struct buffer *buffer, uint32_t msgid);

/* An error map back into a struct, for who received one. 0 or -EBADMSG. */
int message_unpack_error(struct bytes map, struct error *ret_error);

/* The id of a method that `to` receives, or MESSAGE_ID_COUNT. Who may send it is the row's
 * `from`, for the caller to compare. */
enum message_id message_find(struct bytes method, enum message_kind kind, enum message_end to);

/* Walks a TEXTS field: *list is advanced; false at its end. */
struct texts_walk {
	struct bytes rest;
	uint32_t left;
};
struct texts_walk texts_begin(struct bytes encoded_list);
bool texts_next(struct texts_walk *walk, struct bytes *ret_text);
/* Appends an encoded list of strings. */
void texts_pack(struct buffer *buffer, const char *const *strings, size_t count);
