/*
 * Whether the patterns of a configuration compile. Only the router links pcre2, so it is asked:
 * `optimax-router --check-patterns` gets them on its control descriptor and says which do not.
 */
#pragma once

#include "daemon/config.h"
#include "daemon/config_fault.h"
#include "daemon/config_yaml.h"

/* Adds a fault for each pattern that does not compile. Where the router can't be run they are
 * not checked, and the log says so. */
void config_patterns_check(
    const struct config *config, const struct config_node *root, struct config_faults *faults);
