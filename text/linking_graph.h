/*
 * Which tables of a schema can be joined: by their declared foreign keys, and, as many schemas
 * declare none, by names (customer_id and the table customers; the same key in two tables).
 * For text/linking.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/snapshot.h"

struct linking_graph;

struct linking_neighbour {
	uint32_t table;
	bool refers, referred; /* the one to this; this to the one */
};

struct linking_graph *linking_graph_new(const struct snapshot *snapshot);
void linking_graph_free(struct linking_graph *graph);
/* The tables that can be joined with one, each once, in the snapshot's order. */
const struct linking_neighbour *linking_graph_neighbours(
    const struct linking_graph *graph, size_t table, size_t *ret_count);
/* Whether the column is of a foreign key, or looks like a key. */
bool linking_graph_is_key(const struct linking_graph *graph, size_t table, size_t column);
