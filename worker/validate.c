#include "worker/validate.h"

#include <jansson.h>
#include <pg_query.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "worker/validate_tree.h"

static const char *const code_names[] = {
    [CHECK_ALLOW] = "allow",
#define CHECK_CODE(id, name, meaning) [CHECK_##id] = name,
#include "common/check_codes.def"
#undef CHECK_CODE
};

const char *check_code_name(enum check_code code)
{
	return code < CHECK_COUNT ? code_names[code] : "unknown";
}

/* A name that was cut in the middle of a character must not spoil the reply. */
static void trim_to_utf8(char *text)
{
	size_t size = strlen(text);

	while (size && !bytes_are_utf8(bytes_of(text, size)))
		text[--size] = '\0';
}

bool validation_refuse(struct validation *validation, enum check_code code, const char *format, ...)
{
	struct verdict *verdict = validation->verdict;
	va_list arguments;

	verdict->code = code;
	va_start(arguments, format);
	vsnprintf(verdict->reason, sizeof(verdict->reason), format, arguments);
	va_end(arguments);
	trim_to_utf8(verdict->reason);
	return false;
}

size_t validation_place(const struct validation *validation)
{
	size_t place = 1;

	for (size_t i = 0; i < validation->sql.size && (long)i < validation->location; i++)
		if (((unsigned char)validation->sql.data[i] & 0xc0) != 0x80)
			place++;
	return place;
}

void validation_not_cacheable(struct validation *validation, const char *reason)
{
	if (!validation->verdict->not_cacheable)
		validation->verdict->not_cacheable = reason;
}

static bool check_bytes(struct validation *validation)
{
	struct bytes sql = validation->sql;

	if (sql.size > LIMIT_SQL_BYTES)
		return validation_refuse(validation, CHECK_TOO_LONG,
		    "the statement has %zu bytes; at most %d are allowed: shorten it", sql.size,
		    LIMIT_SQL_BYTES);
	if (sql.size && memchr(sql.data, 0, sql.size))
		return validation_refuse(
		    validation, CHECK_ENCODING, "the statement has a NUL byte in it; leave it out");
	if (!bytes_are_utf8(sql))
		return validation_refuse(
		    validation, CHECK_ENCODING, "the statement is not UTF-8; send it as UTF-8");
	return true;
}

/* "at character 12", counted by the parser, which counts from 1 and in code points. */
static bool refuse_syntax(struct validation *validation, const PgQueryError *error)
{
	if (error->cursorpos > 0)
		return validation_refuse(validation, CHECK_PARSE,
		    "%.300s at character %d; write it in PostgreSQL's SQL", error->message,
		    error->cursorpos);
	return validation_refuse(validation, CHECK_PARSE, "%.300s; write it in PostgreSQL's SQL",
	    error->message ? error->message : "the grammar does not accept it");
}

/* The parsed statements, or NULL with the verdict set. At 8 KiB the deepest trees that the grammar
 * can make were parsed with a stack of 1 MiB, of 8 that we have; jansson refuses beyond 2048. */
static json_t *parse(struct validation *validation)
{
	char *text = bytes_to_string(validation->sql);
	PgQueryParseResult parsed = pg_query_parse(text ? text : "");
	json_t *tree = NULL;
	json_error_t error;

	free(text);
	if (parsed.error) {
		refuse_syntax(validation, parsed.error);
		pg_query_free_parse_result(parsed);
		return NULL;
	}
	tree = json_loads(parsed.parse_tree, JSON_REJECT_DUPLICATES, &error);
	pg_query_free_parse_result(parsed);
	if (tree)
		return tree;
	if (json_error_code(&error) == json_error_stack_overflow)
		validation_refuse(validation, CHECK_DEPTH,
		    "the statement is nested too deeply; at most %d levels are allowed: shorten "
		    "the "
		    "chain or split it",
		    TREE_DEPTH_MAX);
	else if (json_error_code(&error) == json_error_invalid_utf8)
		validation_refuse(validation, CHECK_ENCODING,
		    "a string constant is not UTF-8; write its characters themselves, not as "
		    "E'\\x…'");
	else
		validation_refuse(validation, CHECK_NODE,
		    "the statement's parse tree cannot be read (%.200s); say it another way",
		    error.text);
	return NULL;
}

static bool check_statements(struct validation *validation, const json_t *tree)
{
	const json_t *statements = json_object_get(tree, "stmts");
	size_t count = json_array_size(statements);
	const json_t *first = json_array_get(statements, 0);

	if (count == 0)
		return validation_refuse(
		    validation, CHECK_EMPTY, "there is no statement; write a SELECT");
	if (count > 1)
		return validation_refuse(validation, CHECK_MULTIPLE,
		    "there are %zu statements; send one at a time", count);
	/* SELECT, VALUES and TABLE are all a SelectStmt. */
	return tree_walk(validation, json_object_get(first, "stmt"));
}

static int compare_relations(const void *a, const void *b)
{
	const struct verdict_relation *left = a, *right = b;
	int order = strcmp(left->schema, right->schema);

	return order ? order : strcmp(left->table, right->table);
}

static size_t unique_relations(struct verdict_relation *relations, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!i || compare_relations(&relations[kept - 1], &relations[i]) != 0)
			relations[kept++] = relations[i];
	return kept;
}

static const char *copy_string(char **place, const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = memcpy(*place, string, size);

	*place += size;
	return copy;
}

/* One block: the array, and the strings behind it. */
static void keep_relations(struct validation *validation)
{
	struct verdict *verdict = validation->verdict;
	struct verdict_relation *found = validation->relations, *kept;
	size_t count = validation->relation_count, size;
	char *strings;

	if (!count)
		return;
	qsort(found, count, sizeof(*found), compare_relations);
	count = unique_relations(found, count);
	size = count * sizeof(*kept);
	for (size_t i = 0; i < count; i++)
		size += strlen(found[i].schema) + strlen(found[i].table) + 2;
	kept = must_alloc(size);
	strings = (char *)(kept + count);
	for (size_t i = 0; i < count; i++) {
		kept[i].schema = copy_string(&strings, found[i].schema);
		kept[i].table = copy_string(&strings, found[i].table);
	}
	verdict->arena = kept;
	verdict->relations = kept;
	verdict->relation_count = count;
}

void validate(struct bytes sql, const struct snapshot *snapshot, struct verdict *ret_verdict)
{
	struct validation *validation = must_zalloc(sizeof(*validation));
	json_t *tree = NULL;

	memset(ret_verdict, 0, sizeof(*ret_verdict));
	validation->sql = sql;
	validation->snapshot = snapshot;
	validation->verdict = ret_verdict;
	if (check_bytes(validation))
		tree = parse(validation);
	if (tree && check_statements(validation, tree))
		keep_relations(validation);
	json_decref(tree);
	free(validation->relations);
	free(validation);
}

void verdict_free(struct verdict *verdict)
{
	free(verdict->arena);
	memset(verdict, 0, sizeof(*verdict));
}
