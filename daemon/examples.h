/*
 * A database's examples: questions and the SQL that answers them. Each statement is checked by a
 * database worker, as every statement is, and planned by PostgreSQL, before it may stand in a
 * prompt; again when the schema has changed. Owns which of them are near a question.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/message.h"

struct pool;
struct examples;

/* The pool, which checks, must live longer. */
struct examples *examples_new(const char *database, struct pool *pool);
void examples_free(struct examples *examples);

/* Takes those of this database; nothing happens where they are the same. */
void examples_configure(struct examples *examples, const struct child_config *config);
/* What was allowed may not be any more. */
void examples_schema_changed(struct examples *examples, const char *schema_version);

/* The same; workers may not have heard of it yet, so the checks wait until somebody asks. */
void examples_policy_changed(struct examples *examples);

/* What a database worker is asked of a pair. */
void examples_plan_job(
    struct bytes sql, const char *schema_version, struct execute_params *ret_job);

/* The form in which taught questions are compared, of one in its normal form: without the marks at
 * its end. */
struct bytes examples_form(struct bytes normal);
/* The SQL that the very question (in its normal form) was taught with; absent: none that is allowed
 * as far as is known. */
struct bytes examples_taught(const struct examples *examples, struct bytes normal);
/* A worker has just allowed a pair by the schema that is known: where it comes with the next
 * configuration it need not be checked again. */
void examples_vouch(struct examples *examples, struct bytes question, struct bytes sql);
/* Appends each as a map (optimax-protocol(7)); returns how many. */
uint32_t examples_pack(struct examples *examples, struct buffer *message);

/* Appends the nearest few as a list of texts (messages.def: generate). False: there are none. */
bool examples_pick(struct examples *examples, struct bytes question, struct buffer *ret_texts);
/* Names what is configured, for keys. */
uint64_t examples_version(const struct examples *examples);
