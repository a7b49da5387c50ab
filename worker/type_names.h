/*
 * What format_type says of each type, remembered for the session. Filled from the query here;
 * who needs names that are missing asks for them (execute.c). Owns its strings.
 */
#pragma once

#include <libpq-fe.h>
#include <stddef.h>

struct type_name {
	Oid oid;
	char *name;
};

struct type_names {
	size_t count, capacity;
	struct type_name *types; /* sorted by oid */
};

/* $1: oids as oid[]. Gives them, and all of pg_catalog's the first time it is asked. */
const char *type_names_query(const struct type_names *names);
void type_names_add(struct type_names *names, const PGresult *result);
/* NULL where it is not known. */
const char *type_names_find(const struct type_names *names, Oid oid);
void type_names_clear(struct type_names *names);
