/*
 * The router's own entries in the cache: statement, chat and route, whose keys are made of a
 * question. Results are the database workers' (ask.c looks them up).
 */
#pragma once

#include "common/message.h"
#include "daemon/request.h"
#include "shm/cache.h"

/* The key of a request's question; a view that the next call replaces. */
struct bytes entry_question_key(struct request *request);
/* The request's database in the cache, or CACHE_NO_DATABASE. */
int entry_database(const struct request *request);

/* Looks one entry up and unpacks its record; the views are valid until the next lookup. */
bool entry_look_up(struct request *request, enum cache_type type, enum message_id record,
    void *ret_record, struct cache_hit *ret_hit);
void entry_store(struct request *request, enum cache_type type, int64_t ttl_ms, uint64_t cost_us,
    enum message_id record, const void *value);
/* What a step took, as an entry's cost. */
uint64_t entry_cost_us(const struct request *request, enum reply_time which);
