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
};

void row_encoder_init(struct row_encoder *encoder, int64_t limit_rows, int64_t limit_bytes);
void row_encoder_deinit(struct row_encoder *encoder);

/* Takes every row of a result, and the columns of the first one. What is over a limit is left
 * out and sets truncated. 0, or ERROR_SQL_ERROR where a value cannot be sent. */
int row_encoder_add(struct row_encoder *encoder, const PGresult *result, struct error *ret_error);

/* The types whose names are not known, as an oid[] literal; false where there are none. */
bool row_encoder_unknown_types(
    const struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_literal);
/* Appends the encoded map of all four pairs. */
void row_encoder_finish(
    struct row_encoder *encoder, const struct type_names *names, struct buffer *ret_pairs);
