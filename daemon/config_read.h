/*
 * Reads a configuration file: YAML to a tree (config_yaml.h), the tree to a struct config by
 * the key tables, then what concerns several keys (config_check.h). All faults are collected.
 * Opens no socket, database or segment.
 */
#pragma once

#include "daemon/config.h"
#include "daemon/config_fault.h"

/* NULL where there is a fault. The caller frees the configuration and deinits the faults. */
struct config *config_read_file(const char *path, struct config_faults *ret_faults);
