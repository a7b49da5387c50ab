#include "bench/eval_json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void end(const char *path, size_t line, const char *what)
{
	fprintf(stderr, "%s:%zu: %s\n", path, line, what);
	exit(1);
}

static void end_with_errno(const char *path)
{
	perror(path);
	exit(1);
}

/* ---- schemas ---- */

static void check_columns(
    const char *path, const char *schema, const char *table, const json_t *columns)
{
	bool is_list = json_is_array(columns);

	for (size_t i = 0; is_list && i < json_array_size(columns); i++)
		is_list = json_is_string(json_array_get(columns, i));
	if (is_list)
		return;
	fprintf(stderr, "%s: %s.%s is no list of names of columns\n", path, schema, table);
	exit(1);
}

static void check_schemas(const char *path, json_t *schemas)
{
	const char *schema, *table;
	json_t *tables, *columns;

	if (!json_is_object(schemas))
		end(path, 1, "it is no object of databases");
	json_object_foreach (schemas, schema, tables) {
		if (!json_is_object(tables)) {
			fprintf(stderr, "%s: %s is no object of tables\n", path, schema);
			exit(1);
		}
		json_object_foreach (tables, table, columns)
			check_columns(path, schema, table, columns);
	}
}

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
	if (!schemas.json)
		end(path, error.line > 0 ? (size_t)error.line : 1, error.text);
	check_schemas(path, schemas.json);
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

/* ---- rows ---- */

void eval_rows_open(const char *path, struct eval_rows *ret_rows)
{
	*ret_rows = (struct eval_rows){.path = path, .file = fopen(path, "r")};
	if (!ret_rows->file)
		end_with_errno(path);
}

static bool is_blank(const char *line, size_t size)
{
	return strspn(line, " \t\r\n") == size;
}

json_t *eval_rows_next(struct eval_rows *rows)
{
	json_error_t error;
	json_t *row;
	ssize_t size;

	do {
		size = getline(&rows->line, &rows->size, rows->file);
		if (size < 0 && ferror(rows->file))
			end_with_errno(rows->path);
		if (size < 0)
			return NULL;
		rows->number++;
	} while (is_blank(rows->line, (size_t)size));
	row = json_loadb(rows->line, (size_t)size, 0, &error);
	if (!json_is_object(row))
		end(rows->path, rows->number, row ? "it is no JSON object" : error.text);
	return row;
}

void eval_rows_close(struct eval_rows *rows)
{
	fclose(rows->file);
	free(rows->line);
}

const char *eval_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

FILE *eval_open_out(const char *path)
{
	FILE *file = path ? fopen(path, "w") : NULL;

	if (path && !file)
		end_with_errno(path);
	return file;
}

void eval_close_out(FILE *file, const char *path)
{
	if (file && (fflush(file) != 0 || ferror(file) || fclose(file) != 0))
		end_with_errno(path);
}

double eval_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}
