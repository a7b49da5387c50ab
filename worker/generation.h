/*
 * The inference worker's requests: each tries the providers that can do its job in their order
 * until one answers, and gives the router exactly one response. Owns the schemas, too: a
 * vocabulary for each database. Knows nothing of channels but the function that sends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/message.h"
#include "shm/metrics.h"
#include "text/snapshot.h"
#include "worker/prompt_schema.h"
#include "worker/provider.h"

enum { GENERATIONS_MAX = 8192 };

struct generation;
struct schema;

struct generations {
	struct metrics *metrics; /* NULL: not counted */
	struct cache *cache; /* of completions; NULL: none */
	void (*send)(void *owner, struct buffer *message); /* takes the buffer's memory */
	/* A part of the text of a chat job whose request wants it. NULL: there is no way. */
	void (*delta)(void *owner, uint32_t msgid, struct bytes text);
	/* Asks for a permit for that job and provider; generation_permit has the answer. */
	void (*want_permit)(
	    void *owner, uint32_t permit_msgid, uint32_t msgid, const char *provider);
	/* What a provider says of itself has changed. NULL: nobody wants to know. */
	void (*changed)(void *owner, const struct provider *provider);
	void *owner;
	struct event_base *base;
	const struct child_config *config;
	size_t provider_count;
	struct provider *providers;
	size_t schema_count;
	struct schema *schemas;
	LIST_HEAD(generation_list, generation) list;
	size_t count;
	uint32_t last_permit_msgid;
};

/* Makes the providers anew; what is in flight is answered with an error that may be retried. */
void generations_configure(struct generations *generations, const struct child_config *config);
void generations_deinit(struct generations *generations);
/* Takes the snapshot. */
void generations_set_schema(
    struct generations *generations, struct bytes database, struct snapshot *snapshot);

/* As prompts show it; NULL where the schema has not come. */
const struct prompt_schema *generations_prompt_schema(
    const struct generations *generations, struct bytes database);

void generation_start(
    struct generations *generations, uint32_t msgid, const struct generate_params *params);
/* The answer to want_permit: error NULL, it may call; one that waits no longer is ignored. */
void generation_permit(
    struct generations *generations, uint32_t permit_msgid, const struct error *error);
/* Somebody else waits for it, too; an unknown one is ignored. */
void generation_joined(struct generations *generations, const struct joined_params *params);
/* Answers it with ERROR_CANCELLED; an unknown one is ignored. */
void generation_cancel(struct generations *generations, uint32_t msgid);
/* Nobody waits any more: ends all without an answer. */
void generations_abandon(struct generations *generations);
