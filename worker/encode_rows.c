#include "worker/encode_rows.h"

#include <errno.h>
#include <stdlib.h>

#include "common/pack.h"

enum { RESERVE_BYTES_MAX = 64 << 20 }; /* what limits.bytes can be at most */
enum { ROWS_HEAD_BYTES = 5 }; /* array32: 0xdd and four bytes of count */

/* False where the text is not what the type promises. */
typedef bool (*encode_value)(struct buffer *buffer, const char *text, size_t size);

struct encoded_column {
	char *name;
	Oid type;
	encode_value encode;
};

static bool encode_integer(struct buffer *buffer, const char *text, size_t size)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || size == 0 || end != text + size)
		return false;
	pack_int(buffer, value);
	return true;
}

static bool encode_boolean(struct buffer *buffer, const char *text, size_t size)
{
	if (size != 1 || (*text != 't' && *text != 'f'))
		return false;
	pack_bool(buffer, *text == 't');
	return true;
}

/* strtod reads NaN and Infinity as PostgreSQL writes them. A float4 becomes the double of its
 * shortest text, so that 0.1 stays 0.1. */
static bool encode_float(struct buffer *buffer, const char *text, size_t size)
{
	char *end;
	double value = strtod(text, &end);

	if (size == 0 || end != text + size)
		return false;
	pack_float(buffer, value);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool encode_bytea(struct buffer *buffer, const char *text, size_t size)
{
	CLEAN(buffer) struct buffer decoded = BUFFER_INIT;
	char *to;

	if (size < 2 || size % 2 != 0 || text[0] != '\\' || text[1] != 'x')
		return false;
	to = buffer_reserve(&decoded, size / 2);
	for (size_t i = 2; i < size; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		*to++ = (char)(high << 4 | low);
	}
	pack_bin(buffer, bytes_of(decoded.data, size / 2 - 1));
	return true;
}

/* A database whose encoding is SQL_ASCII sends what was put in. */
static bool encode_text(struct buffer *buffer, const char *text, size_t size)
{
	if (!bytes_are_utf8(bytes_of(text, size)))
		return false;
	pack_text(buffer, bytes_of(text, size));
	return true;
}

/* Object identifiers of pg_type.dat, fixed for ever. All other types are sent as text. */
static const struct {
	Oid type;
	encode_value encode;
} native_types[] = {
    {16, encode_boolean},
    {17, encode_bytea},
    {20, encode_integer}, /* int8 */
    {21, encode_integer}, /* int2 */
    {23, encode_integer}, /* int4 */
    {700, encode_float},
    {701, encode_float},
};

static encode_value encoder_of(Oid type)
{
	for (size_t i = 0; i < sizeof(native_types) / sizeof(native_types[0]); i++)
		if (native_types[i].type == type)
			return native_types[i].encode;
	return encode_text;
}

static int refuse_value(
    struct error *error, const char *sqlstate, const char *column, const char *what)
{
	error_set(error, ERROR_SQL_ERROR, "column \"%s\": %s", column, what);
	memcpy(error->sqlstate, sqlstate, sizeof(error->sqlstate));
	return (int)error->code;
}

void row_encoder_init(struct row_encoder *encoder, int64_t limit_rows, int64_t limit_bytes)
{
	*encoder =
	    (struct row_encoder){.limit_rows = limit_rows < UINT32_MAX ? limit_rows : UINT32_MAX,
	        .limit_bytes = limit_bytes};
	/* Room for all that may be encoded is there before libpq takes a row: where the address
	 * space ends, libpq must be the one to find out, for it says so and goes on. */
	if (limit_bytes > RESERVE_BYTES_MAX)
		limit_bytes = RESERVE_BYTES_MAX;
	buffer_reserve(&encoder->rows, (size_t)limit_bytes + (size_t)2 * ENCODE_VALUE_BYTES_MAX);
	memset(encoder->rows.data, 0, ROWS_HEAD_BYTES);
	encoder->rows.size = ROWS_HEAD_BYTES;
}

void row_encoder_stream(struct row_encoder *encoder, int64_t keep_bytes)
{
	encoder->stream = encoder->kept = true;
	encoder->keep_bytes = keep_bytes;
	encoder->batch_at = encoder->rows.size;
}

void row_encoder_deinit(struct row_encoder *encoder)
{
	for (size_t i = 0; encoder->columns && i < encoder->column_count; i++)
		free(encoder->columns[i].name);
	free(encoder->columns);
	buffer_deinit(&encoder->rows);
	*encoder = (struct row_encoder){0};
}

int row_encoder_columns(struct row_encoder *encoder, const PGresult *result, struct error *error)
{
	size_t count = (size_t)PQnfields(result);

	/* At least one byte, so that a SELECT without columns has been seen too. */
	encoder->columns = must_zalloc(count * sizeof(*encoder->columns));
	encoder->column_count = count;
	for (size_t i = 0; i < count; i++) {
		struct encoded_column *column = &encoder->columns[i];
		const char *name = PQfname(result, (int)i);

		column->type = PQftype(result, (int)i);
		column->encode = encoder_of(column->type);
		if (!bytes_are_utf8(bytes_of_string(name)))
			return refuse_value(
			    error, "22021", "?", "its name is not UTF-8; use AS to name it");
		column->name = must_strdup(name);
	}
	return 0;
}

static int encode_cell(struct row_encoder *encoder, const struct encoded_column *column,
    const PGresult *result, int row, int index, struct error *error)
{
	size_t size = (size_t)PQgetlength(result, row, index);

	if (PQgetisnull(result, row, index)) {
		pack_nil(&encoder->rows);
		return 0;
	}
	if (size > ENCODE_VALUE_BYTES_MAX)
		return refuse_value(error, "54000", column->name,
		    "a value is longer than 1 MiB; select a part of it, as left() or substr() "
		    "give");
	if (!column->encode(&encoder->rows, PQgetvalue(result, row, index), size))
		return refuse_value(error, "22021", column->name,
		    "a value is not UTF-8 or not of its type; convert it in the statement, as "
		    "convert_from() does");
	return 0;
}

/* Before each cell too: a row of many large ones must not be encoded whole to be left out. */
static bool is_over(const struct row_encoder *encoder, size_t row_at)
{
	size_t from = encoder->stream ? row_at : 0;

	return encoder->rows.size - from > (uint64_t)encoder->limit_bytes;
}

static int add_row(
    struct row_encoder *encoder, const PGresult *result, int row, struct error *ret_error)
{
	size_t before = encoder->rows.size;

	if (encoder->truncated || encoder->row_count >= encoder->limit_rows) {
		encoder->truncated = true;
		return 0;
	}
	pack_array(&encoder->rows, encoder->column_count);
	for (size_t i = 0; i < encoder->column_count && !is_over(encoder, before); i++) {
		int r = encode_cell(encoder, &encoder->columns[i], result, row, (int)i, ret_error);

		if (r != 0)
			return r;
	}
	if (is_over(encoder, before)) {
		encoder->rows.size = before;
		encoder->truncated = true;
		return 0;
	}
	encoder->row_count++;
	encoder->batch_rows++;
	return 0;
}

int row_encoder_add(struct row_encoder *encoder, const PGresult *result, struct error *ret_error)
{
	int r;

	if (!encoder->columns) {
		r = row_encoder_columns(encoder, result, ret_error);
		if (r != 0)
			return r;
	}
	for (int row = 0; row < PQntuples(result); row++) {
		r = add_row(encoder, result, row, ret_error);
		if (r != 0)
			return r;
	}
	return 0;
}

bool row_encoder_unknown_types(
    const struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_literal)
{
	bool any = false;

	for (size_t i = 0; i < encoder->column_count; i++) {
		if (type_names_find(names, encoder->columns[i].type))
			continue;
		buffer_printf(ret_literal, "%s%u", any ? "," : "{", encoder->columns[i].type);
		any = true;
	}
	if (any)
		buffer_append_string(ret_literal, "}");
	return any;
}

size_t row_encoder_batch_size(const struct row_encoder *encoder)
{
	return encoder->rows.size - encoder->batch_at;
}

bool row_encoder_take_batch(struct row_encoder *encoder, struct buffer *ret_pairs)
{
	if (encoder->batch_rows == 0)
		return false;
	buffer_reserve(ret_pairs, row_encoder_batch_size(encoder) + 16);
	pack_map(ret_pairs, 1);
	pack_string(ret_pairs, "rows");
	pack_array(ret_pairs, encoder->batch_rows);
	buffer_append(
	    ret_pairs, encoder->rows.data + encoder->batch_at, row_encoder_batch_size(encoder));
	encoder->batch_rows = 0;
	encoder->kept &= encoder->rows.size <= (uint64_t)encoder->keep_bytes;
	if (!encoder->kept)
		encoder->rows.size = ROWS_HEAD_BYTES;
	encoder->batch_at = encoder->rows.size;
	return true;
}

static void write_row_count(struct row_encoder *encoder)
{
	unsigned char *head = (unsigned char *)encoder->rows.data;

	head[0] = 0xdd;
	for (int i = 0; i < 4; i++)
		head[1 + i] = (unsigned char)(encoder->row_count >> (24 - 8 * i));
}

static void pack_columns(
    const struct row_encoder *encoder, const struct type_names *names, struct buffer *pairs)
{
	pack_string(pairs, "columns");
	pack_array(pairs, encoder->column_count);
	for (size_t i = 0; i < encoder->column_count; i++) {
		const struct encoded_column *column = &encoder->columns[i];
		const char *type = type_names_find(names, column->type);

		pack_map(pairs, 2);
		pack_pair_string(pairs, "name", column->name);
		/* What format_type itself says of a type that has gone. */
		pack_pair_string(pairs, "type", type ? type : "???");
	}
}

void row_encoder_pack_columns(
    const struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs)
{
	pack_map(ret_pairs, 1);
	pack_columns(encoder, names, ret_pairs);
}

static void pack_result(const struct row_encoder *encoder, const struct type_names *names,
    struct bytes rows, struct buffer *pairs)
{
	buffer_reserve(pairs, rows.size + 1024);
	pack_map(pairs, 4);
	pack_columns(encoder, names, pairs);
	pack_string(pairs, "rows");
	buffer_append_bytes(pairs, rows);
	pack_pair_int(pairs, "row_count", encoder->row_count);
	pack_pair_bool(pairs, "truncated", encoder->truncated);
}

void row_encoder_finish_stream(
    struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs)
{
	static const char no_rows[] = {(char)0x90};

	pack_result(encoder, names, bytes_of(no_rows, sizeof(no_rows)), ret_pairs);
}

void row_encoder_finish(
    struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs)
{
	write_row_count(encoder);
	pack_result(encoder, names, bytes_of_buffer(&encoder->rows), ret_pairs);
}
