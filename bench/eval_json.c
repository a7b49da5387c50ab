#include "bench/eval_json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void fill_table(struct snapshot_table *table, const char *name, const json_t *columns)
{
	*table = (struct snapshot_table){.schema = "public", .name = name, .readable = true};
	table->column_count = json_array_size(columns);
	table->columns = must_zalloc((table->column_count + 1) * sizeof(*table->columns));
	for (size_t i = 0; i < table->column_count; i++)
		table->columns[i] = (struct snapshot_column){
		    .name = json_string_value(json_array_get(columns, i)), .type = "text"};
}

static void fill_schema(struct eval_schema *schema, const char *name, json_t *tables)
{
	struct snapshot *snapshot = &schema->snapshot;
	const char *table;
	json_t *columns;

	schema->name = name;
	*snapshot = (struct snapshot){.database = name};
	snapshot->tables = must_zalloc((json_object_size(tables) + 1) * sizeof(*snapshot->tables));
	json_object_foreach (tables, table, columns)
		fill_table(&snapshot->tables[snapshot->table_count++], table, columns);
	schema->vocabulary = vocabulary_new(snapshot);
}

void eval_schemas_load(const char *path, struct eval_schemas *ret_schemas)
{
	struct eval_schemas schemas = {0};
	const char *name;
	json_error_t error;
	json_t *tables;

	schemas.json = json_load_file(path, 0, &error);
	if (!schemas.json) {
		fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
		exit(1);
	}
	schemas.items = must_zalloc((json_object_size(schemas.json) + 1) * sizeof(*schemas.items));
	json_object_foreach (schemas.json, name, tables)
		fill_schema(&schemas.items[schemas.count++], name, tables);
	*ret_schemas = schemas;
}

void eval_schemas_deinit(struct eval_schemas *schemas)
{
	for (size_t i = 0; i < schemas->count; i++) {
		struct snapshot *snapshot = &schemas->items[i].snapshot;

		vocabulary_free(schemas->items[i].vocabulary);
		for (size_t t = 0; t < snapshot->table_count; t++)
			free(snapshot->tables[t].columns);
		free(snapshot->tables);
	}
	free(schemas->items);
	json_decref(schemas->json);
}

const struct eval_schema *eval_schema_find(const struct eval_schemas *schemas, const char *name)
{
	for (size_t i = 0; i < schemas->count; i++)
		if (strcmp(schemas->items[i].name, name) == 0)
			return &schemas->items[i];
	return NULL;
}

json_t *eval_next_row(FILE *file)
{
	json_error_t error;
	json_t *row = json_loadf(file, JSON_DISABLE_EOF_CHECK, &error);

	if (!row && !feof(file)) {
		fprintf(stderr, "line %d: %s\n", error.line, error.text);
		exit(1);
	}
	return row;
}

const char *eval_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

FILE *eval_open(const char *path, const char *mode)
{
	FILE *file = path ? fopen(path, mode) : NULL;

	if (path && !file) {
		perror(path);
		exit(1);
	}
	return file;
}

double eval_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}
