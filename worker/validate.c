#include "worker/validate.h"

#include <pg_query.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "worker/sql_places.h"
#include "worker/sql_weight.h"
#include "worker/validate_tree.h"

static const char *const code_names[] = {
    [CHECK_ALLOW] = "allow",
#define CHECK_CODE(id, name, mendable, meaning) [CHECK_##id] = name,
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

/* The first byte that is not of a whole character. */
static size_t bad_byte(struct bytes sql)
{
	size_t at = 0, size = 1;

	while (at < sql.size) {
		for (size = 1; size <= 4 && at + size <= sql.size; size++)
			if (bytes_are_utf8(bytes_of(sql.data + at, size)))
				break;
		if (size > 4 || at + size > sql.size)
			break;
		at += size;
	}
	return at;
}

bool validation_refuse_depth(struct validation *validation)
{
	return validation_refuse(validation, CHECK_DEPTH,
	    "the statement is nested too deeply at character %zu; at most %d levels are allowed: "
	    "shorten the chain or split it",
	    validation_place(validation), TREE_DEPTH_MAX);
}

/* A view's body is as long as its owner made it. */
static bool check_weight(struct validation *validation)
{
	size_t weight_max = validation->view ? SIZE_MAX : SQL_WEIGHT_MAX;
	struct sql_weight weight;
	enum sql_excess excess = sql_weigh(validation->sql, weight_max, &weight);

	if (excess == SQL_WITHIN)
		return true;
	validation->location = (long)weight.place;
	if (excess == SQL_TOO_DEEP)
		return validation_refuse_depth(validation);
	return validation_refuse(validation, CHECK_TOO_LONG,
	    "the statement has too many names, values and operators: what goes over begins at "
	    "character %zu; shorten its lists, or ask in several statements",
	    validation_place(validation));
}

static bool check_bytes(struct validation *validation)
{
	struct bytes sql = validation->sql;
	const char *nul = sql.size ? memchr(sql.data, 0, sql.size) : NULL;

	if (!validation->view && sql.size > LIMIT_SQL_BYTES)
		return validation_refuse(validation, CHECK_TOO_LONG,
		    "the statement has %zu bytes; at most %d are allowed: shorten it, what goes "
		    "over begins at byte %d",
		    sql.size, LIMIT_SQL_BYTES, LIMIT_SQL_BYTES + 1);
	if (nul)
		return validation_refuse(validation, CHECK_ENCODING,
		    "the statement has a NUL at byte %td; leave it out", nul - sql.data + 1);
	if (!bytes_are_utf8(sql))
		return validation_refuse(validation, CHECK_ENCODING,
		    "the statement is not UTF-8 at byte %zu (0x%02x); send it as UTF-8",
		    bad_byte(sql) + 1, (unsigned char)sql.data[bad_byte(sql)]);
	return check_weight(validation);
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

static bool refuse_tree(struct validation *validation, enum parse_tree_result result)
{
	switch (result) {
	case PARSE_TREE_DEEP:
		return validation_refuse_depth(validation);
	case PARSE_TREE_ENCODING:
		return validation_refuse(validation, CHECK_ENCODING,
		    "a string constant is not UTF-8; write its characters themselves, not as "
		    "E'\\x…'");
	default:
		return validation_refuse(validation, CHECK_NODE,
		    "the statement's parse tree cannot be read near character %zu; say it another "
		    "way",
		    validation_place(validation));
	}
}

/* At 8 KiB the deepest trees that the grammar can make were parsed with a stack of 1 MiB, of 8
 * that we have. */
static bool parse(struct validation *validation, struct parse_tree *ret_tree)
{
	char *text = bytes_to_string(validation->sql);
	PgQueryParseResult parsed = pg_query_parse(text ? text : "");
	enum parse_tree_result result = PARSE_TREE_BROKEN;

	free(text);
	if (parsed.error) {
		refuse_syntax(validation, parsed.error);
	} else {
		result = parse_tree_read(parsed.parse_tree, ret_tree, &validation->location);
		parsed.parse_tree = NULL; /* is the tree's */
	}
	if (!parsed.error && result != PARSE_TREE_READ)
		refuse_tree(validation, result);
	pg_query_free_parse_result(parsed);
	return result == PARSE_TREE_READ;
}

static size_t statement_start(const struct validation *validation, const struct tree *statement)
{
	const struct tree *place = tree_get(statement, NAME_stmt_location);

	return sql_places_start(
	    validation->sql, place && place->integer > 0 ? (size_t)place->integer : 0);
}

/* From PostgreSQL's own grammar: a semicolon may be followed by comments. Without one there is no
 * length. */
static struct bytes statement_text(
    const struct validation *validation, const struct tree *statement)
{
	const struct tree *place = tree_get(statement, NAME_stmt_location);
	const struct tree *length = tree_get(statement, NAME_stmt_len);
	struct bytes sql = validation->sql;
	size_t start = place && place->integer > 0 ? (size_t)place->integer : 0;
	size_t size = length && length->integer > 0 ? (size_t)length->integer : sql.size;

	if (start > sql.size)
		return sql;
	return bytes_of(sql.data + start, size < sql.size - start ? size : sql.size - start);
}

static bool check_statements(struct validation *validation, const struct tree *root)
{
	const struct tree *statements = tree_get(root, NAME_stmts);
	const struct tree *first = tree_at(statements, 0), *second = tree_at(statements, 1);

	if (!first)
		return validation_refuse(
		    validation, CHECK_EMPTY, "there is no statement; write a SELECT");
	validation->location = (long)statement_start(validation, second ? second : first);
	if (second)
		return validation_refuse(validation, CHECK_MULTIPLE,
		    "there are %zu statements, the second at character %zu; send one at a time",
		    tree_count(statements), validation_place(validation));
	validation->verdict->statement = statement_text(validation, first);
	/* SELECT, VALUES and TABLE are all a SelectStmt. */
	if (!tree_walk(validation, tree_get(first, NAME_stmt)))
		return false;
	return validation->view || !validation->nests ||
	       growth_check(validation, tree_first(tree_get(first, NAME_stmt)));
}

bool validation_run(struct validation *validation)
{
	struct parse_tree tree;
	bool passed;

	if (!check_bytes(validation) || !parse(validation, &tree))
		return false;
	passed = tree.root && check_statements(validation, tree.root);
	/* The relations' names stand in it. */
	validation->tree = tree;
	return passed;
}

void validation_deinit(struct validation *validation)
{
	parse_tree_deinit(&validation->tree);
	free(validation->relations);
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
		else
			relations[kept - 1].under &= relations[i].under;
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
		kept[i].under = found[i].under;
		kept[i].schema = copy_string(&strings, found[i].schema);
		kept[i].table = copy_string(&strings, found[i].table);
	}
	verdict->arena = kept;
	verdict->relations = kept;
	verdict->relation_count = count;
}

void validate(struct bytes sql, struct policy *policy, struct verdict *ret_verdict)
{
	struct validation *validation = must_zalloc(sizeof(*validation));

	memset(ret_verdict, 0, sizeof(*ret_verdict));
	validation->sql = sql;
	validation->policy = policy;
	validation->verdict = ret_verdict;
	if (validation_run(validation))
		keep_relations(validation);
	validation_deinit(validation);
	free(validation);
}

void verdict_free(struct verdict *verdict)
{
	free(verdict->arena);
	memset(verdict, 0, sizeof(*verdict));
}
