/*
 * A statement's parse tree as libpg_query's JSON gives it, read in place: one pass, names resolved
 * to numbers as they come. The JSON is a library's own output and no client's, but is checked like
 * a stranger's. What the nodes mean is validate_tree.c's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types of nodes first, so that those up to NAME_NODES number a table of them. */
enum tree_name {
	NAME_UNKNOWN,
#define NODE(type, check) NAME_##type,
#include "worker/allowed_nodes.def"
	NAME_NODES,
	NAME_BEFORE_MEMBERS = NAME_NODES - 1,
#define MEMBER(name) NAME_##name,
#include "worker/tree_members.def"
#undef MEMBER
	NAME_COUNT
};

enum tree_kind { TREE_NULL, TREE_FALSE, TREE_TRUE, TREE_INTEGER, TREE_TEXT, TREE_LIST, TREE_MAP };

struct tree {
	uint16_t kind; /* enum tree_kind */
	uint16_t name; /* of a map's member: enum tree_name */
	const char *key; /* the same as text; NULL: of a list */
	union {
		long integer;
		const char *text;
		struct tree *first; /* of a list's or a map's members */
	};
	struct tree *next; /* the sibling behind it; NULL: none */
};

struct tree_block;

struct parse_tree {
	struct tree *root;
	struct tree_block *blocks; /* that the nodes stand in */
	char *text; /* that keys and texts stand in */
};

enum parse_tree_result { PARSE_TREE_READ, PARSE_TREE_DEEP, PARSE_TREE_ENCODING, PARSE_TREE_BROKEN };

/* Levels of lists and maps; an operator of a chain is one level of each. */
enum { PARSE_TREE_LEVELS_MAX = 2048 };

/* Takes the JSON over, which it changes, and frees it with the tree, or here where it fails.
 * *ret_last_location: the last place in the statement that was read, also where it fails. */
enum parse_tree_result parse_tree_read(
    char *json, struct parse_tree *ret_tree, long *ret_last_location);
void parse_tree_deinit(struct parse_tree *tree);

/* All take NULL for "there is none", and give NULL, 0 or false where there is none of that kind. */
const struct tree *tree_get(const struct tree *map, enum tree_name name);
const char *tree_text(const struct tree *value);
/* Of a String node. */
const char *tree_string(const struct tree *wrapped);
bool tree_is_true(const struct tree *value);
size_t tree_count(const struct tree *list);
const struct tree *tree_at(const struct tree *list, size_t index);
const struct tree *tree_last(const struct tree *list);
const struct tree *tree_first(const struct tree *list);
