#include "worker/type_names.h"

#include <stdlib.h>

#include "common/bytes.h"

/* A database that makes new types for ever must not grow this process for ever. */
enum { TYPE_NAMES_LIMIT = 20000 };

static const char first_query[] =
    "SELECT oid, pg_catalog.format_type(oid, NULL) FROM pg_catalog.pg_type"
    " WHERE oid = ANY ($1::oid[])"
    " OR (typnamespace = 'pg_catalog'::regnamespace AND typrelid = 0)";
static const char later_query[] =
    "SELECT oid, pg_catalog.format_type(oid, NULL) FROM pg_catalog.pg_type"
    " WHERE oid = ANY ($1::oid[])";

const char *type_names_query(const struct type_names *names)
{
	return names->count == 0 ? first_query : later_query;
}

static int compare_types(const void *a, const void *b)
{
	Oid left = ((const struct type_name *)a)->oid, right = ((const struct type_name *)b)->oid;

	return (left > right) - (left < right);
}

void type_names_add(struct type_names *names, const PGresult *result)
{
	if (names->count >= TYPE_NAMES_LIMIT)
		type_names_clear(names);
	for (int row = 0; row < PQntuples(result); row++) {
		Oid oid = (Oid)strtoul(PQgetvalue(result, row, 0), NULL, 10);

		if (names->count == names->capacity) {
			names->capacity = names->capacity ? names->capacity * 2 : 1024;
			names->types =
			    must_realloc(names->types, names->capacity * sizeof(*names->types));
		}
		names->types[names->count++] =
		    (struct type_name){oid, must_strdup(PQgetvalue(result, row, 1))};
	}
	if (names->count > 1)
		qsort(names->types, names->count, sizeof(*names->types), compare_types);
}

const char *type_names_find(const struct type_names *names, Oid oid)
{
	struct type_name wanted = {.oid = oid};
	const struct type_name *found = NULL;

	if (names->count > 0)
		found = bsearch(&wanted, names->types, names->count, sizeof(wanted), compare_types);
	return found ? found->name : NULL;
}

void type_names_clear(struct type_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->types[i].name);
	free(names->types);
	*names = (struct type_names){0};
}
