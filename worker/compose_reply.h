/*
 * What the method prompt shows: the messages that the first model of the configuration would be
 * sent for a job. Sends nothing to anybody.
 */
#pragma once

#include "common/error.h"
#include "common/message.h"
#include "worker/generation.h"

/* 0, or the error that says why there is no prompt. */
int compose_reply_pack(const struct generations *generations, const struct compose_params *params,
    struct buffer *ret_pairs, struct error *ret_error);
