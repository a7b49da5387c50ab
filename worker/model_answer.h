/*
 * Reads one answer of a model server as its bytes come, up to the whole completion, under
 * limits. What is wrong with it is an error that says so. Pure: no connection, no clock.
 */
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "worker/model_wire.h"
#include "worker/thoughts.h"

struct model_answer {
	const struct model_wire *wire;
	struct event_stream stream;
	size_t received, limit; /* bytes of the answer */
	size_t events; /* comments, which keep a connection open, are none */
	struct thoughts thoughts;
	struct buffer said, completion; /* said: of the piece at hand */
	bool done, cut; /* cut: by the model's limit, while the server is well */
	int64_t tokens, tokens_us; /* 0: not said */
	struct error error; /* ERROR_NONE: nothing is wrong so far */
	/* More of the completion has come; none of it where the model is thinking. */
	void (*text)(void *owner, struct bytes text);
	void *owner;
};

void model_answer_init(
    struct model_answer *answer, const struct model_wire *wire, int64_t max_tokens);
void model_answer_deinit(struct model_answer *answer);
/* The three: false where something is wrong. begin comes first. */
bool model_answer_begin(struct model_answer *answer, const char *content_type);
bool model_answer_take(struct model_answer *answer, struct bytes bytes);
/* No more bytes come: the completion is whole, or else. */
bool model_answer_end(struct model_answer *answer);

/* The answer had a status other than 200: says why from what may stand in its body, and what model
 * was asked for where it may be that there is none of that name. */
void model_answer_refused(
    long status, struct bytes body, const char *model, struct error *ret_error);
