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

/* A file of JSON lines; blank ones are skipped. */
struct eval_rows {
	const char *path;
	FILE *file;
	size_t number; /* of the line that was read last, from 1 */
	char *line;
	size_t size;
};

void eval_rows_open(const char *path, struct eval_rows *ret_rows);
/* The next row, an object, for json_decref; NULL at the end. */
json_t *eval_rows_next(struct eval_rows *rows);
void eval_rows_close(struct eval_rows *rows);

/* "" where the row does not have the key. */
const char *eval_text(const json_t *row, const char *key);
/* NULL where path is NULL. */
FILE *eval_open_out(const char *path);
/* Nothing where file is NULL; what could not be written ends the program. */
void eval_close_out(FILE *file, const char *path);
/* CPU time of this process. */
double eval_now_us(void);
