/*
 * A database's schema as prompts show it: CREATE TABLE statements with comments, labels and,
 * where they are shared, sampled values. Whole where it fits, always in the same bytes; else the
 * tables that the question is about (text/linking.h), and of wide ones the columns.
 * One for each snapshot; the vocabulary must outlive it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "text/vocabulary.h"

struct prompt_schema;

/* share_values: sampled values may stand in prompts (databases[].share_values). */
struct prompt_schema *prompt_schema_new(const struct vocabulary *vocabulary, bool share_values);
void prompt_schema_free(struct prompt_schema *schema);

/* Appends at most max_bytes. */
void prompt_schema_write(const struct prompt_schema *schema, struct bytes question,
    size_t max_bytes, struct buffer *buffer);
