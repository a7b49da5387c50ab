/*
 * Routes of texts that the administrator corrected: state_dir/corrections. A record's key is the
 * text, folded by the router, and its value sql or chat; the router gets them with its
 * configuration.
 */
#pragma once

#include "daemon/state_records.h"

extern const struct state_kind corrections_kind;

/* route "auto" forgets. 0, or an error and all is as it was. */
int corrections_learn(struct state_records *corrections, const char *state_dir,
    struct bytes database, struct bytes route, struct bytes text, struct error *ret_error);
