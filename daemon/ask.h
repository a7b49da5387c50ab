/*
 * The way of one question or statement: cache, route, generate, execute, reply. Each function
 * ends the request or starts what it waits for; the request is not to be used afterwards.
 */
#pragma once

#include "daemon/request.h"

/* By enum request_route, as the protocol says them. */
extern const char *const ask_routes[];

/* 0, or ERROR_BAD_REQUEST where it is no list of {role, content}. Absent is sound. */
int ask_check_history(struct bytes history, struct error *error);
/* A question in its normal form. */
void ask_question(struct request *request);
/* The SQL is known: from the cache, or run. */
void ask_statement(struct request *request);
