/*
 * Routes of texts that the administrator corrected: state_dir/corrections, one a line. The
 * supervisor alone reads and writes it; the router gets them with its configuration.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"
#include "common/error.h"

struct correction {
	char *database; /* NULL: all */
	char *route; /* sql or chat */
	char *text; /* folded by the router: no control characters, no line ends */
};
struct corrections {
	size_t count; /* at most LIMIT_CORRECTIONS */
	struct correction *items;
};

/* Reads what was learnt before. Lines that can't be read are logged and left out. */
void corrections_load(struct corrections *corrections, const char *state_dir);
/* route "auto" forgets. The file is on the disk when this returns; 0, or an error and all is as
 * it was. */
int corrections_learn(struct corrections *corrections, const char *state_dir, struct bytes database,
    struct bytes route, struct bytes text, struct error *ret_error);
void corrections_deinit(struct corrections *corrections);
