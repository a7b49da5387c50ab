/*
 * Says whether a statement may be run, by PostgreSQL's own grammar (libpg_query) and allowlists:
 * node types, functions, operators, casts, relations. What is not known is refused.
 * Pure: no connection, never plans or runs. ARCHITECTURE.md, "SQL is hostile", has the layers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
struct child_database;
struct policy;
struct snapshot;

enum check_code {
	CHECK_ALLOW,
#define CHECK_CODE(id, name, mendable, meaning) CHECK_##id,
#include "common/check_codes.def"
#undef CHECK_CODE
	CHECK_COUNT
};

struct verdict_relation {
	const char *schema, *table;
	bool under; /* not named by the text, but read by a view that is */
};

struct verdict {
	enum check_code code; /* CHECK_ALLOW: it may run */
	bool no_privilege; /* of CHECK_RELATION: the role may not read it */
	char reason[512]; /* names the thing, its place, and what to do instead */
	struct bytes statement; /* of CHECK_ALLOW: the text up to a final semicolon, in place */
	size_t relation_count;
	struct verdict_relation *relations; /* sorted, each once; what is read */
	bool reads_catalog; /* pg_catalog or information_schema: not cached */
	const char *not_cacheable; /* NULL: may be cached; else why not, static text */
	void *arena;
};

/* Without a snapshot in the policy every relation outside the catalogs is refused. */
void validate(struct bytes sql, struct policy *policy, struct verdict *ret_verdict);
/* Marks the tables of a sorted snapshot that no statement may read. */
void validate_schema(struct snapshot *snapshot, const struct child_database *database);
void verdict_free(struct verdict *verdict);
/* The code's name in the protocol; "allow" for CHECK_ALLOW. */
const char *check_code_name(enum check_code code);
