/*
 * One entry of databases[].allow: "schema.name" or "schema.*", or "extension:name" for all that
 * an extension brought; a minus before it takes away. What lists there are is config_keys.def's,
 * what they mean for a statement worker/policy.h's.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

struct allow_entry {
	bool takes_away;
	struct bytes schema; /* .data NULL: any */
	struct bytes name; /* .data NULL: any */
	struct bytes extension; /* .data NULL: whatever brought it */
};

enum allowance { ALLOWANCE_NONE, ALLOWANCE_GIVEN, ALLOWANCE_TAKEN };

/* 0, or -EINVAL; the entry's parts stand in `text`. */
int allow_parse(const char *text, struct allow_entry *ret_entry);
/* extension NULL: none. What is taken away by one entry no other can give. */
enum allowance allow_find(const struct allow_entry *entries, size_t count, const char *schema,
    const char *name, const char *extension);
