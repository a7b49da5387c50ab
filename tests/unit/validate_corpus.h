/*
 * The statements of tests/corpus (and of sql-safety, where OPTIMAX_SHARED_DATA names it) and the
 * schema that they are judged by: SELECT on customers, orders and items, nothing in allow.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/validate_schema.h"
#include "worker/policy.h"
#include "worker/validate.h"

struct corpus_row {
	char *id, *sql;
	size_t size; /* of sql */
	bool is_attack; /* must be refused; else must be allowed */
};

struct corpus {
	size_t count;
	struct corpus_row *rows;
};

/* Rows that only a limit at run time stops are left out. False: no such file. */
static inline bool corpus_read(struct corpus *corpus, const char *path, bool is_attack)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t capacity = 0;

	if (!file)
		return false;
	while (getline(&line, &capacity, file) > 0) {
		json_t *row = json_loads(line, 0, NULL);
		const char *layer = json_string_value(json_object_get(row, "layer"));
		const json_t *sql = json_object_get(row, "sql");

		if (json_is_string(sql) && (!layer || strcmp(layer, "static") == 0)) {
			corpus->rows =
			    must_realloc(corpus->rows, (corpus->count + 1) * sizeof(*corpus->rows));
			corpus->rows[corpus->count++] = (struct corpus_row){
			    must_strdup(json_string_value(json_object_get(row, "id"))),
			    must_strdup(json_string_value(sql)), json_string_length(sql),
			    is_attack};
		}
		json_decref(row);
	}
	free(line);
	fclose(file);
	return true;
}

/* Our own, and the shared ones where they are; false: our own cannot be read. */
static inline bool corpus_read_all(struct corpus *corpus, bool *ret_shared)
{
	static const struct {
		const char *name;
		bool is_attack;
	} files[] = {{"attacks.jsonl", true}, {"benign.jsonl", false}};
	const char *top = getenv("top_srcdir"), *shared = getenv("OPTIMAX_SHARED_DATA");
	char path[4096];

	*ret_shared = shared != NULL;
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/tests/corpus/%s", top ? top : ".", files[i].name);
		if (!corpus_read(corpus, path, files[i].is_attack))
			return false;
		snprintf(
		    path, sizeof(path), "%s/sql-safety/%s", shared ? shared : "", files[i].name);
		if (shared && !corpus_read(corpus, path, files[i].is_attack))
			*ret_shared = false;
	}
	return true;
}

static inline void corpus_deinit(struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->count; i++) {
		free(corpus->rows[i].id);
		free(corpus->rows[i].sql);
	}
	free(corpus->rows);
}

/* As PostgreSQL 15 has them. */
static inline void corpus_read_calls(struct snapshot *snapshot)
{
	const char *top = getenv("top_srcdir");
	char path[4096], *line = NULL;
	size_t capacity = 0, count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/corpus/catalog_calls.txt", top ? top : ".");
	file = fopen(path, "re");
	if (!file)
		abort();
	snapshot->catalog_calls = snapshot_alloc(snapshot, 2000 * sizeof(char *));
	while (count < 2000 && getline(&line, &capacity, file) > 0)
		snapshot->catalog_calls[count++] =
		    snapshot_string(snapshot, line, strcspn(line, "\n"));
	snapshot->catalog_call_count = count;
	free(line);
	fclose(file);
}

static inline struct snapshot *corpus_schema_new(void)
{
	static const char *const own[] = {
	    "cast_side", "dblink", "dblink_exec", "f_lie", "f_write", "op_side", "p_write"};
	CLEAN(buffer) struct buffer sorted = BUFFER_INIT;
	struct snapshot *snapshot = validate_schema_new();

	snapshot->schema_count = 1;
	snapshot->functions = snapshot->operators = (struct snapshot_objects){0};
	snapshot->types = snapshot->cast_types = (struct snapshot_objects){0};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		validate_schema_objects(
		    snapshot, &snapshot->functions, "public", own[i], NULL, false, false);
	validate_schema_objects(
	    snapshot, &snapshot->operators, "public", "@#@", NULL, false, false);
	validate_schema_objects(snapshot, &snapshot->types, "public", "evil", NULL, false, true);
	validate_schema_objects(
	    snapshot, &snapshot->cast_types, "public", "evil", NULL, false, false);
	corpus_read_calls(snapshot);
	snapshot_encode(snapshot, &sorted);
	return snapshot;
}
