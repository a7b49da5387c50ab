/*
 * What administrators taught, as requests meet it: a question that was taught is answered by the
 * SQL that it was taught with, before any cache and any model. The pairs are examples.h's.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

struct classification;
struct database;
struct request;

/* Whether the question was taught: then its SQL, provider and route are known. */
bool teach_answers(struct request *request);
/* Whether the request's SQL is of that. */
bool teach_has_answered(const struct request *request);
/* The same for a text whose route alone is asked. database may be NULL. */
bool teach_route(
    const struct database *database, struct bytes text, struct classification *ret_found);
