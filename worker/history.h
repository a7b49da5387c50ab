/*
 * Earlier turns of a conversation, as requests carry them: a list of {role, content}, which the
 * router has checked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

struct said {
	bool by_assistant;
	struct bytes content;
};

struct history_walk {
	struct bytes rest;
	uint32_t left;
};

/* Of an absent history there is nothing to walk. */
struct history_walk history_begin(struct bytes history);
bool history_next(struct history_walk *walk, struct said *ret_said);
