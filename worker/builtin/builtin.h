/*
 * The provider that needs no model: turns a question in English into SQL from the schema alone.
 * Owns the grammar (grammar.def) and the reading of a question; knows of no channel and no
 * provider table (worker/builtin_provider.c). Pure: no I/O, no clock, bounded work.
 * It answers only when it can account for every word; otherwise it declines and says why.
 */
#pragma once

#include "common/bytes.h"
#include "common/error.h"
#include "text/vocabulary.h"

/* Appends one SELECT statement to ret_sql; 0, or ERROR_UNANSWERABLE with a message for people. */
int builtin_translate(struct bytes question, const struct vocabulary *vocabulary,
    struct buffer *ret_sql, struct error *ret_error);
