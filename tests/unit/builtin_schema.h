/* A small library's schema, with what makes trouble: reserved words, two keys to one table,
 * the same table in two schemas, a quote in a value, an unreadable table. */
#pragma once

#include "text/snapshot.h"

struct column_row {
	const char *name;
	enum column_kind kind;
	bool nullable;
	const char *words; /* labels of an enum, samples of a text; separated by | */
	const char *comment;
};
struct key_row {
	size_t column;
	const char *table, *ref_column;
};
struct table_row {
	const char *schema, *name;
	bool unreadable;
	struct column_row columns[12];
	struct key_row keys[4];
};

#define PLAIN(column, type, null)                              \
	{                                                      \
		.name = column, .kind = type, .nullable = null \
	}
#define VALUES(column, type, null, list)                                      \
	{                                                                     \
		.name = column, .kind = type, .nullable = null, .words = list \
	}
#define SAID(column, type, null, said)                                          \
	{                                                                       \
		.name = column, .kind = type, .nullable = null, .comment = said \
	}

static const struct table_row builtin_tables[] = {
    {"archive", "logs", false,
        {PLAIN("id", COLUMN_INTEGER, 0), PLAIN("happened_at", COLUMN_TIMESTAMP, 0)}, {{0}}},
    {"public", "authors", false,
        {PLAIN("id", COLUMN_INTEGER, 0), PLAIN("first_name", COLUMN_TEXT, 0),
            PLAIN("last_name", COLUMN_TEXT, 0),
            VALUES("country", COLUMN_TEXT, 1, "France|Côte d'Ivoire|The Netherlands"),
            PLAIN("birth_date", COLUMN_DATE, 1)},
        {{0}}},
    {"public", "books", false,
        {PLAIN("id", COLUMN_INTEGER, 0), VALUES("title", COLUMN_TEXT, 0, "The Sea|Emma"),
            PLAIN("author_id", COLUMN_INTEGER, 0), SAID("price", COLUMN_NUMBER, 1, "in dollars"),
            PLAIN("pages", COLUMN_INTEGER, 0), PLAIN("is_signed", COLUMN_BOOLEAN, 0),
            PLAIN("published_on", COLUMN_DATE, 0),
            VALUES("genre", COLUMN_ENUM, 0, "novel|short_story|poetry"),
            SAID("takings", COLUMN_NUMBER, 0, "Turnover so far")},
        {{2, "authors", "id"}}},
    {"public", "letters", false,
        {PLAIN("id", COLUMN_INTEGER, 0), PLAIN("sender_id", COLUMN_INTEGER, 0),
            PLAIN("receiver_id", COLUMN_INTEGER, 0),
            VALUES("language", COLUMN_TEXT, 1, "French|Dutch"),
            VALUES("second_language", COLUMN_TEXT, 1, "French|Dutch")},
        {{1, "authors", "id"}, {2, "authors", "id"}}},
    {"public", "loans", false,
        {PLAIN("id", COLUMN_INTEGER, 0), PLAIN("book_id", COLUMN_INTEGER, 0),
            PLAIN("loaned_on", COLUMN_DATE, 0), PLAIN("returned_on", COLUMN_DATE, 1),
            PLAIN("fee", COLUMN_NUMBER, 0)},
        {{1, "books", "id"}}},
    {"public", "logs", false, {PLAIN("id", COLUMN_INTEGER, 0), PLAIN("text", COLUMN_TEXT, 0)},
        {{0}}},
    {"public", "secrets", true, {PLAIN("id", COLUMN_INTEGER, 0), PLAIN("code", COLUMN_TEXT, 0)},
        {{0}}},
    {"public", "user", false,
        {PLAIN("id", COLUMN_INTEGER, 0), VALUES("Name", COLUMN_TEXT, 0, "a\"b|O'Hara"),
            PLAIN("limit", COLUMN_INTEGER, 0)},
        {{0}}},
};

enum { BUILTIN_TABLES = sizeof(builtin_tables) / sizeof(builtin_tables[0]) };

static size_t builtin_words(struct snapshot *schema, const char *words, const char ***ret_list)
{
	size_t count = 0;

	*ret_list = snapshot_alloc(schema, 8 * sizeof(char *));
	while (words && *words) {
		size_t size = strcspn(words, "|");

		(*ret_list)[count++] = snapshot_string(schema, words, size);
		words += size + (words[size] == '|');
	}
	return count;
}

static void builtin_column(
    struct snapshot *schema, const struct column_row *row, struct snapshot_column *column)
{
	column->name = row->name;
	column->type = "unknown";
	column->kind = row->kind;
	column->nullable = row->nullable;
	column->comment = row->comment;
	column->unique = strcmp(row->name, "id") == 0;
	if (row->kind == COLUMN_ENUM)
		column->label_count = builtin_words(schema, row->words, &column->labels);
	else
		column->sample_count = builtin_words(schema, row->words, &column->samples);
}

static void builtin_key(
    struct snapshot *schema, const struct key_row *row, struct snapshot_foreign_key *key)
{
	key->column_count = 1;
	key->columns = snapshot_alloc(schema, sizeof(size_t));
	key->columns[0] = row->column;
	key->ref_schema = "public";
	key->ref_table = row->table;
	key->ref_columns = snapshot_alloc(schema, sizeof(char *));
	key->ref_columns[0] = row->ref_column;
}

static struct snapshot *builtin_schema_new(void)
{
	struct snapshot *schema = snapshot_new("library");

	schema->schema_count = 2;
	schema->schemas = snapshot_alloc(schema, 2 * sizeof(char *));
	schema->schemas[0] = "public";
	schema->schemas[1] = "archive";
	schema->table_count = BUILTIN_TABLES;
	schema->tables = snapshot_alloc(schema, BUILTIN_TABLES * sizeof(*schema->tables));
	for (size_t t = 0; t < BUILTIN_TABLES; t++) {
		const struct table_row *row = &builtin_tables[t];
		struct snapshot_table *table = &schema->tables[t];

		table->schema = row->schema;
		table->name = row->name;
		table->readable = !row->unreadable;
		while (row->columns[table->column_count].name)
			table->column_count++;
		table->columns =
		    snapshot_alloc(schema, table->column_count * sizeof(*table->columns));
		for (size_t i = 0; i < table->column_count; i++)
			builtin_column(schema, &row->columns[i], &table->columns[i]);
		table->primary_key_count = 1;
		table->primary_key = snapshot_alloc(schema, sizeof(size_t));
		while (row->keys[table->foreign_key_count].table)
			table->foreign_key_count++;
		table->foreign_keys = snapshot_alloc(
		    schema, (table->foreign_key_count + 1) * sizeof(*table->foreign_keys));
		for (size_t i = 0; i < table->foreign_key_count; i++)
			builtin_key(schema, &row->keys[i], &table->foreign_keys[i]);
	}
	return schema;
}
