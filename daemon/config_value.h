/*
 * One value of the configuration: from what is written to what is held, with its range.
 * Knows types (config.h), not files or lines.
 */
#pragma once

#include "daemon/config.h"

enum { CONFIG_FAULT_SIZE = 512 };

/* Sets the field and frees what a string field held before. 0, or -EINVAL with
 * "what is wrong; what to write" in ret_fault and the field as it was. Not for lists. */
int config_value_parse(const struct config_key *key, const char *text, void *field,
    char ret_fault[static CONFIG_FAULT_SIZE]);

/* Whether an element of a list of strings may stand there; as above. */
int config_value_check_item(
    enum config_type list, const char *text, char ret_fault[static CONFIG_FAULT_SIZE]);
