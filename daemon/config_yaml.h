/*
 * From YAML text to a tree of nodes with line numbers, with what the configuration does not
 * take refused: anchors, aliases, tags, a second document, keys that are no plain words.
 * Knows no key; config_read.h gives the tree its meaning.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "daemon/config_fault.h"

enum config_node_kind { CONFIG_NODE_SCALAR, CONFIG_NODE_LIST, CONFIG_NODE_MAP };

struct config_node {
	enum config_node_kind kind;
	int line;
	bool is_null; /* a plain scalar that is empty, ~ or null */
	char *key; /* its key in the map that it is in; NULL elsewhere */
	int key_line;
	char *text; /* scalar */
	size_t count;
	struct config_node **children; /* list, map */
};

/* NULL where the document is empty or a fault keeps it from being read. */
struct config_node *config_yaml_read(struct bytes content, struct config_faults *faults);
void config_node_free(struct config_node *node);

/* The line of what a path such as "databases[1].limits.rows" names, or of as much of it as
 * is there. root may be NULL. */
int config_node_line(const struct config_node *root, const char *path);
