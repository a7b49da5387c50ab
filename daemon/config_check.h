/*
 * What concerns more than one key of a configuration: paths relative to the file, sockets
 * derived from runtime_dir, names that stand twice, keys that a provider's type needs.
 */
#pragma once

#include "daemon/config.h"
#include "daemon/config_fault.h"
#include "daemon/config_yaml.h"

/* Completes config and adds faults. `folder` is the file's, absolute; root may be NULL. */
void config_check(struct config *config, const char *folder, const struct config_node *root,
    struct config_faults *faults);
