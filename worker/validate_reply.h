/*
 * A verdict as `check` answers it: a map of verdict, code, reason and tables.
 */
#pragma once

#include "common/bytes.h"
#include "worker/validate.h"

void validate_reply_encode(const struct verdict *verdict, struct buffer *ret_encoded);
