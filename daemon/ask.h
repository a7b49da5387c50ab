/*
 * The way of one question or statement: cache, route, generate, execute, reply. Each function
 * ends the request or starts what it waits for; the request is not to be used afterwards.
 */
#pragma once

#include "daemon/request.h"
#include "shm/cache.h"

/* By enum request_route, as the protocol says them. */
extern const char *const ask_routes[];

/* 0, or ERROR_BAD_REQUEST where it is no list of {role, content}. Absent is sound. */
int ask_check_history(struct bytes history, struct error *error);
/* A question in its normal form. */
void ask_question(struct request *request);
/* The SQL is known: from the cache, or run. */
void ask_statement(struct request *request);

/* ---- between ask.c and ask_route.c ---- */

/* Decides the route of a question that is in no cache. */
void ask_route(struct request *request);
/* What a correction says of it; else what the client wants. */
enum request_route ask_corrected(const struct request *request);

/* A job for the providers. `type`: what the outcome is kept as; who asks after a flush of it
 * joins no older flight. Of the job repair the request's SQL and refusal go along. */
void ask_generate(struct request *request, const char *job, enum cache_type type,
    void (*done)(struct request *request, const struct job_outcome *outcome));
void ask_generate_sql(struct request *request);
/* Goes on with what an ask_generate of SQL or text has brought. */
void ask_generated(struct request *request, const struct job_outcome *outcome);
