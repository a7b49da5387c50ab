/*
 * Self-repair: SQL that a provider wrote and that was refused, or failed for its wording, goes back
 * to the models with the error, at most inference.repairs times. Never where another wording can't
 * help: privileges, connections, time, cost. Also takes what was refused out of the cache of
 * completions.
 */
#pragma once

#include "daemon/request.h"

/* The end of a statement that failed: it is mended, or the request has failed. */
void repair_or_fail(struct request *request, const struct error *error);
/* The request's SQL is none, but a completion that was not understood: the same. */
void repair_unread(struct request *request, struct bytes fault);
/* Whether the mended statement is the one that was refused; the request has failed then. */
bool repair_is_stuck(struct request *request, struct bytes sql);
/* Why the request's SQL was refused, as a model is told it. */
void repair_reason(const struct request *request, struct buffer *ret_reason);
/* A statement has run: counts it where it was a mended one. */
void repair_succeeded(struct request *request);
