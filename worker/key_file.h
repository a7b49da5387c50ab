/*
 * A secret in a file of one line: read when it is used, so that a new one counts at once, and
 * refused where others than its owner and group may read it.
 */
#pragma once

#include "common/bytes.h"
#include "common/error.h"

/* Appends the line without its end. 0, or ERROR_MODEL_ERROR with what to do. */
int key_file_read(const char *path, struct buffer *key, struct error *ret_error);
