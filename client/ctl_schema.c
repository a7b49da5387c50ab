#include "client/ctl.h"

#include <stdio.h>
#include <string.h>

static const char *schema_of(const msgpack_object *schema)
{
	return ctl_map_text(schema, "name");
}

static const char *kind_of(const msgpack_object *table, char *text, size_t size)
{
	snprintf(text, size, "%s%s", ctl_map_text(table, "kind"),
	    optimax_get(table, "not_allowed") ? ", not allowed" : "");
	return text;
}

/* ---- all tables ---- */

static void schema_list(const msgpack_object *schemas, size_t schema_count)
{
	struct ctl_table *table = ctl_table_new();
	char rows[CTL_NUMBER], kind[64];

	if (schema_count > 1)
		ctl_table_column(table, "schema", CTL_LEFT);
	ctl_table_column(table, "name", CTL_LEFT);
	ctl_table_column(table, "kind", CTL_LEFT);
	ctl_table_column(table, "rows", CTL_RIGHT);
	ctl_table_column(table, "columns", CTL_RIGHT);
	ctl_table_column(table, "comment", CTL_LEFT);
	for (size_t s = 0; s < schema_count; s++) {
		size_t count;
		const msgpack_object *tables = ctl_map_list(&schemas[s], "tables", &count);
		for (size_t t = 0; t < count; t++) {
			const msgpack_object *estimate = optimax_get(&tables[t], "row_estimate");
			size_t columns;
			ctl_map_list(&tables[t], "columns", &columns);
			ctl_table_row(table);
			if (schema_count > 1)
				ctl_table_cell(table, schema_of(&schemas[s]));
			ctl_table_cell(table, ctl_map_text(&tables[t], "name"));
			ctl_table_cell(table, kind_of(&tables[t], kind, sizeof(kind)));
			/* PostgreSQL has -1 where a table was never analysed. */
			ctl_table_cell(
			    table, !estimate || ctl_map_number(&tables[t], "row_estimate") < 0
			               ? "?"
			               : ctl_count(rows,
			                     (int64_t)ctl_map_number(&tables[t], "row_estimate")));
			ctl_table_cell(table, ctl_count(rows, (int64_t)columns));
			ctl_table_cell(table, ctl_map_text(&tables[t], "comment"));
		}
	}
	ctl_table_print(table);
	ctl_table_free(table);
}

/* ---- one table ---- */

static bool list_has(const msgpack_object *names, size_t count, const char *name, size_t *ret_at)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i].type == MSGPACK_OBJECT_STR &&
		    strcmp(names[i].via.str.ptr, name) == 0) {
			*ret_at = i;
			return true;
		}
	}
	return false;
}

/* "primary, -> customers.id" into text. */
static void column_keys(const msgpack_object *table, const char *column, char *text, size_t size)
{
	size_t count, at, used = 0;
	const msgpack_object *names = ctl_map_list(table, "primary_key", &count);

	*text = '\0';
	if (list_has(names, count, column, &at))
		used = (size_t)snprintf(text, size, "primary");
	names = ctl_map_list(table, "foreign_keys", &count);
	for (size_t i = 0; i < count && used < size; i++) {
		const msgpack_object *references = optimax_get(&names[i], "references");
		size_t own_count, their_count;
		const msgpack_object *own = ctl_map_list(&names[i], "columns", &own_count);
		const msgpack_object *their = ctl_map_list(references, "columns", &their_count);
		if (!list_has(own, own_count, column, &at))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s-> %s.%s", used ? ", " : "",
		    ctl_map_text(references, "table"),
		    at < their_count && their[at].type == MSGPACK_OBJECT_STR ? their[at].via.str.ptr
		                                                             : "?");
	}
}

/* The comment, and the labels of an enum. */
static void column_comment(const msgpack_object *column, char *text, size_t size)
{
	size_t count;
	const msgpack_object *labels = ctl_map_list(column, "labels", &count);
	const char *comment = ctl_map_text(column, "comment");
	size_t used = (size_t)snprintf(text, size, "%s%s", comment, *comment && count ? "; " : "");

	for (size_t i = 0; i < count && used < size; i++) {
		if (labels[i].type == MSGPACK_OBJECT_STR)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
			    i ? ", " : "one of ", labels[i].via.str.ptr);
	}
}

static void schema_table(const msgpack_object *schema, const msgpack_object *table)
{
	size_t count;
	const msgpack_object *columns = ctl_map_list(table, "columns", &count);
	struct ctl_table *printed = ctl_table_new();
	const char *comment = ctl_map_text(table, "comment");
	char number[CTL_NUMBER], text[1024];

	ctl_print_text(stdout, ctl_map_text(table, "kind"));
	printf(" ");
	ctl_print_text(stdout, schema_of(schema));
	printf(".");
	ctl_print_text(stdout, ctl_map_text(table, "name"));
	if (optimax_get(table, "row_estimate") && ctl_map_number(table, "row_estimate") >= 0)
		printf(", about %s rows",
		    ctl_count(number, (int64_t)ctl_map_number(table, "row_estimate")));
	printf("%s", *comment ? ": " : "");
	ctl_print_text(stdout, comment);
	if (optimax_get(table, "not_allowed")) {
		printf("\nno statement may read it: it ");
		ctl_print_text(stdout, ctl_map_text(table, "not_allowed"));
	}
	printf("\n\n");
	ctl_table_column(printed, "column", CTL_LEFT);
	ctl_table_column(printed, "type", CTL_LEFT);
	ctl_table_column(printed, "null", CTL_LEFT);
	ctl_table_column(printed, "key", CTL_LEFT);
	ctl_table_column(printed, "comment", CTL_LEFT);
	for (size_t i = 0; i < count; i++) {
		const char *name = ctl_map_text(&columns[i], "name");
		ctl_table_row(printed);
		ctl_table_cell(printed, name);
		ctl_table_cell(printed, ctl_map_text(&columns[i], "type"));
		ctl_table_cell(printed, ctl_map_integer(&columns[i], "nullable") ? "yes" : "no");
		column_keys(table, name, text, sizeof(text));
		ctl_table_cell(printed, text);
		column_comment(&columns[i], text, sizeof(text));
		ctl_table_cell(printed, text);
	}
	ctl_table_print(printed);
	ctl_table_free(printed);
}

/* Calls for each table; returns how many there were. */
static size_t schema_each(const msgpack_object *schemas, size_t schema_count,
    void (*each)(const msgpack_object *schema, const msgpack_object *table))
{
	size_t found = 0;

	for (size_t s = 0; s < schema_count; s++) {
		size_t count;
		const msgpack_object *tables = ctl_map_list(&schemas[s], "tables", &count);
		for (size_t t = 0; t < count; t++) {
			if (each && found > 0)
				printf("\n");
			if (each)
				each(&schemas[s], &tables[t]);
			found++;
		}
	}
	return found;
}

/* ---- CSV: a line a column ---- */

static void csv_table(const msgpack_object *schema, const msgpack_object *table)
{
	size_t count;
	const msgpack_object *columns = ctl_map_list(table, "columns", &count);

	for (size_t i = 0; i < count; i++) {
		const msgpack_object *cells[] = {optimax_get(schema, "name"),
		    optimax_get(table, "name"), optimax_get(table, "kind"),
		    optimax_get(&columns[i], "name"), optimax_get(&columns[i], "type"),
		    optimax_get(&columns[i], "nullable"), optimax_get(&columns[i], "comment")};
		for (size_t c = 0; c < sizeof(cells) / sizeof(cells[0]); c++) {
			if (c > 0)
				putchar(',');
			ctl_csv_cell(stdout, cells[c]);
		}
		fputs("\r\n", stdout);
	}
}

static void csv_each(const msgpack_object *schemas, size_t count)
{
	fputs("schema,table,kind,column,type,nullable,comment\r\n", stdout);
	for (size_t s = 0; s < count; s++) {
		size_t tables_count;
		const msgpack_object *tables = ctl_map_list(&schemas[s], "tables", &tables_count);
		for (size_t t = 0; t < tables_count; t++)
			csv_table(&schemas[s], &tables[t]);
	}
}

static int schema_print(struct ctl *ctl, const msgpack_object *map)
{
	size_t count;
	const msgpack_object *schemas = ctl_map_list(map, "schemas", &count);
	size_t found = schema_each(schemas, count, NULL);

	if (ctl->word_count > 0 && found == 0)
		return ctl_fail(
		    ctl, CTL_FAILED, "bad_request", "there is no table '%s'", ctl->words[0]);
	if (ctl_format(ctl) == CTL_JSON) {
		ctl_json_value(stdout, map);
		putchar('\n');
	} else if (ctl_format(ctl) == CTL_CSV) {
		csv_each(schemas, count);
	} else if (ctl->word_count > 0) {
		schema_each(schemas, count, schema_table);
	} else {
		schema_list(schemas, count);
		printf("\ndatabase ");
		ctl_print_text(stdout, ctl_map_text(map, "database"));
		printf(": %zu %s; optimaxctl schema TABLE shows one\n", found,
		    found == 1 ? "table" : "tables");
	}
	return CTL_OK;
}

int ctl_run_schema(struct ctl *ctl)
{
	const struct ctl_pair pairs[] = {
	    {"database", ctl->database}, {"table", ctl->word_count > 0 ? ctl->words[0] : NULL}};
	struct optimax_reply *reply;
	msgpack_sbuffer params;
	int status = ctl_connect(ctl);

	if (status != CTL_OK)
		return status;
	msgpack_sbuffer_init(&params);
	ctl_pack_pairs(&params, pairs, 2, 0);
	status = ctl_request(ctl, "schema", &params, NULL, NULL, &reply);
	msgpack_sbuffer_destroy(&params);
	if (status != CTL_OK)
		return status;
	status = schema_print(ctl, optimax_reply_value(reply));
	optimax_reply_free(reply);
	return status;
}
