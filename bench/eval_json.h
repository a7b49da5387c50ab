/*
 * What the programs share that measure on labelled questions: schemas of JSON {database: {table:
 * [columns]}} as snapshots (no types, no keys), rows of JSON lines, time. A file that can't be
 * read ends the program.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "text/vocabulary.h"

struct eval_schema {
	const char *name;
	struct snapshot snapshot;
	struct vocabulary *vocabulary;
};

struct eval_schemas {
	size_t count;
	struct eval_schema *items;
	json_t *json; /* owner of the names */
};

void eval_schemas_load(const char *path, struct eval_schemas *ret_schemas);
void eval_schemas_deinit(struct eval_schemas *schemas);
/* NULL: there is none of that name. */
const struct eval_schema *eval_schema_find(const struct eval_schemas *schemas, const char *name);

/* The next row of a file of JSON lines, for json_decref; NULL at its end. */
json_t *eval_next_row(FILE *file);
/* "" where the row does not have the key. */
const char *eval_text(const json_t *row, const char *key);
/* NULL where path is NULL. */
FILE *eval_open(const char *path, const char *mode);
/* CPU time of this process. */
double eval_now_us(void);
