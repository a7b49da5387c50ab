/*
 * Turns libpq's results into the reply's pairs, final bytes: columns, rows, row_count, truncated.
 * Rows are encoded as they come, under the limits of rows and bytes; the columns' type names
 * are asked for at the end. Values are the server's: checked, never trusted.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/error.h"
#include "worker/type_names.h"

enum { ENCODE_VALUE_BYTES_MAX = 1 << 20 }; /* one value */

struct encoded_column;

struct row_encoder {
	int64_t limit_rows, limit_bytes;
	size_t column_count;
	struct encoded_column *columns; /* NULL before the first result */
	struct buffer rows; /* array32, its count written at the end */
	uint32_t row_count;
	bool truncated;
	/* Of a stream: rows go out in batches, and are kept while all of them fit in keep_bytes. */
	bool stream, kept;
	int64_t keep_bytes;
	size_t batch_at; /* where the batch begins in rows */
	uint32_t batch_rows;
};

void row_encoder_init(struct row_encoder *encoder, int64_t limit_rows, int64_t limit_bytes);
/* The rows will be taken in batches; limit_bytes then limits one row. */
void row_encoder_stream(struct row_encoder *encoder, int64_t keep_bytes);
void row_encoder_deinit(struct row_encoder *encoder);

/* Takes the columns of a result, or of a description, before any row. */
int row_encoder_columns(
    struct row_encoder *encoder, const PGresult *result, struct error *ret_error);
/* Takes every row of a result, and the columns of the first one. What is over a limit is left
 * out and sets truncated. 0, or ERROR_SQL_ERROR where a value cannot be sent. */
int row_encoder_add(struct row_encoder *encoder, const PGresult *result, struct error *ret_error);

/* The types whose names are not known, as an oid[] literal; false where there are none. */
bool row_encoder_unknown_types(
    const struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_literal);
/* Of a stream: appends the map of the columns. */
void row_encoder_pack_columns(
    const struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs);
/* Of a stream: appends the map of the rows since the last batch; false where there are none. */
bool row_encoder_take_batch(struct row_encoder *encoder, struct buffer *ret_pairs);
size_t row_encoder_batch_size(const struct row_encoder *encoder);
/* Of a stream: all pairs, with no rows. */
void row_encoder_finish_stream(
    struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs);
/* Appends the encoded map of all four pairs; of a stream only where its rows were kept. */
void row_encoder_finish(
    struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs);
