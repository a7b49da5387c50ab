/*
 * What a provider is to the inference worker: a type with callbacks that does jobs, now or
 * later. One file per type (provider_builtin.c); provider_type_find has the list.
 * The worker (generation.c) tries the configured ones in order; a provider knows of no other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/child.h"
#include "common/error.h"
#include "text/vocabulary.h"
#include "worker/provider_job.h"

struct cache;
struct metrics;
struct provider;
struct prompt_schema;

/* One job for one provider. Views are valid until it is done or cancelled. */
struct provider_call {
	enum provider_job job;
	struct bytes question;
	struct bytes history; /* encoded; data NULL: none */
	struct bytes database; /* whose schema it is */
	struct bytes examples; /* verified ones: question, SQL, question, SQL …; data NULL: none */
	struct bytes sql, error; /* of a repair: what was refused, and why */
	const struct vocabulary *vocabulary; /* valid only during generate; NULL: no schema */
	const struct prompt_schema *schema; /* the same, for prompt_compose */
	const struct child_config *config; /* for prompt_compose */
	int64_t timeout_ms; /* what is left of the request's time */
	int64_t max_age_ms; /* an older completion is not read from the cache; -1: any age */
	bool permitted; /* the provider may be called without want_permit */
	/* Asks the router; the provider's `permit` is called later. It comes back with the job. */
	void (*want_permit)(struct provider_call *call);
	/* More of the answer to a chat job, as it comes. NULL: nobody wants it. */
	void (*delta)(struct provider_call *call, struct bytes text);

	/* Where a provider that answers later keeps its own; NULL before generate. */
	void *state;
	/* Exactly one is filled when done is called without an error. */
	struct buffer answer; /* SQL, text, or "sql" or "chat" of a route job */
	int64_t age_ms; /* where it came from the cache; else -1 */
	struct buffer cache_key; /* under which the cache has it; empty: not there */
	struct buffer unread; /* of SQL: a completion that was not understood; empty: none */
	/* Call once, from generate or later. ERROR_UNANSWERABLE: declined; another: failed. */
	void (*done)(struct provider_call *call, const struct error *error);
	void *owner;
};

struct provider_type {
	const char *name; /* in the configuration: type */
	/* May be NULL. The settings are valid until the next configuration. */
	void (*configure)(struct provider *provider, struct event_base *base);
	void (*deinit)(struct provider *provider);
	bool (*can)(const struct provider *provider, enum provider_job job);
	void (*generate)(struct provider *provider, struct provider_call *call);
	/* What want_permit asked for has come, or won't. NULL: never asks. */
	void (*permit)(
	    struct provider *provider, struct provider_call *call, const struct error *error);
	/* Somebody joined who waits for longer, as call->timeout_ms says, or who wants the text of
	 * a chat job: then what has come so far goes to delta, which was NULL before. NULL where
	 * generate is always done when it returns. */
	void (*joined)(struct provider *provider, struct provider_call *call, bool wants_text);
	/* done will not be called any more. NULL where generate is always done when it returns. */
	void (*cancel)(struct provider *provider, struct provider_call *call);
};

struct provider {
	const struct child_provider *settings;
	const struct provider_type *type; /* NULL: this version has no client for it */
	const char *state; /* as in provider_state: ready, down or unsupported */
	char last_error[512]; /* empty: none */
	int64_t latency_ms; /* to the first token, of late; FIELD_ABSENT: none yet */
	double tokens_per_s; /* of late; NaN: not known */
	struct metrics *metrics; /* NULL: not counted */
	struct cache *cache; /* of completions; NULL: none */
	int64_t ttl_llm_ms;
	/* What is above has changed. NULL: nobody wants to know. */
	void (*changed)(struct provider *provider);
	void *owner;
	void *own;
};

/* NULL where this version has none of that name. */
const struct provider_type *provider_type_find(const char *name);

extern const struct provider_type provider_builtin, provider_ollama, provider_openai;
