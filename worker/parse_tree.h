/*
 * A statement's parse tree as libpg_query's JSON gives it, read in place: one pass, one block of
 * memory. The JSON is a library's own output and no client's, but is checked like a stranger's.
 * What the nodes mean is validate_tree.c's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum tree_kind { TREE_NULL, TREE_FALSE, TREE_TRUE, TREE_INTEGER, TREE_TEXT, TREE_LIST, TREE_MAP };

struct tree {
	enum tree_kind kind;
	const char *key; /* of a map's member */
	union {
		long integer;
		const char *text;
		struct tree *first; /* of a list's or a map's members */
	};
	struct tree *next; /* the sibling behind it; NULL: none */
};

struct parse_tree {
	struct tree *root;
	struct tree *nodes; /* all of them */
	char *text; /* that keys and texts stand in */
};

enum parse_tree_result { PARSE_TREE_READ, PARSE_TREE_DEEP, PARSE_TREE_ENCODING, PARSE_TREE_BROKEN };

/* Levels of lists and maps; an operator of a chain is one level of each. */
enum { PARSE_TREE_LEVELS_MAX = 2048 };

/* *ret_last_location: the last place in the statement that was read, also where it fails. */
enum parse_tree_result parse_tree_read(
    const char *json, struct parse_tree *ret_tree, long *ret_last_location);
void parse_tree_deinit(struct parse_tree *tree);

/* All take NULL for "there is none", and give NULL, 0 or false where there is none of that kind. */
const struct tree *tree_get(const struct tree *map, const char *key);
const char *tree_text(const struct tree *value);
bool tree_is_true(const struct tree *value);
size_t tree_count(const struct tree *list);
const struct tree *tree_at(const struct tree *list, size_t index);
const struct tree *tree_first(const struct tree *list);
