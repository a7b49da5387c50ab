/*
 * What a model was asked to write, as a JSON schema for the server, and the check of what came.
 * Servers do not always hold to a schema (ollama#8063, llama.cpp#19051), so a completion that is
 * no such JSON is searched for a fenced block, an object, or the bare statement. Pure.
 */
#pragma once

#include "common/bytes.h"
#include "common/error.h"
#include "worker/provider.h"

/* The JSON text of the schema for the job; NULL: any text. */
const char *completion_schema(enum provider_job job);
/* 0, and the SQL, route or text behind what `answer` holds. ERROR_UNANSWERABLE: the model
 * declines (empty SQL). ERROR_MODEL_ERROR: it is not what was asked for. */
int completion_read(
    enum provider_job job, struct bytes completion, struct buffer *answer, struct error *ret_error);
/* Keeps what can be shown to the model once more of a completion that ought to have been SQL; the
 * first one only. */
void completion_unread(enum provider_job job, struct bytes completion, struct buffer *ret_unread);
