/*
 * The skeleton of a child process: descriptors, signals, logging, the control channel, the
 * configuration as it arrives, ready, stop, and the end of the parent. A role's main is a
 * table of callbacks (struct child_ops) and child_main.
 * Order of calls: configure (whole configuration, also on reload), attach (work channel),
 * snapshot, stop. The process exits 0 when it calls child_exit after stop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/channel.h"
#include "common/message.h"
#include "common/role.h"

struct event_base;

/* The configuration that this child was sent; strings live until the next one is adopted. */
struct child_database {
	char *name;
	char *dsn; /* NULL unless this child connects to it */
	int64_t workers, queue;
	size_t schema_count;
	char **schemas;
	int64_t limit_rows, limit_bytes, limit_time_ms, limit_plan_cost;
	size_t private_count;
	char **private_columns; /* [schema.]table.column: never sampled */
	bool share_values; /* sampled values may stand in prompts */
	bool trust_role;
	/* Entries of databases[].allow (allow.h). */
	size_t allow_function_count, allow_table_count, allow_view_count;
	char **allow_functions, **allow_tables, **allow_views;
};
struct child_provider {
	char *name, *type, *url, *model, *model_route, *model_sql, *model_chat, *model_hard,
	    *api_key_file, *ca_file; /* NULL: none */
	int64_t timeout_ms, connect_timeout_ms, first_token_ms, keep_alive_ms;
	int64_t max_tokens, max_prompt;
	int64_t concurrency, queue;
};
struct child_keyword {
	char *database; /* NULL: all */
	char *route, *word;
};
struct child_prompt {
	char *name, *text; /* name: as in common/prompts.def */
};
struct child_example {
	char *database, *question, *sql;
	bool taught;
};
struct child_pattern {
	char *database; /* NULL: all */
	char *route, *regex;
	double weight;
};
struct child_correction {
	char *database; /* NULL: all */
	char *route, *text;
};
struct child_config {
	char *instance;
	int64_t index;
	int log_level;
	int64_t cache_size, max_value;
	int64_t ttl_route_ms, ttl_chat_ms, ttl_sql_ms, ttl_sql_polled_ms, ttl_llm_ms;
	int64_t max_clients;
	double min_confidence;
	char *when_unsure;
	char *prompts_version;
	int64_t repairs;
	int64_t started_ms, supervisor_pid;
	size_t database_count, provider_count, keyword_count, pattern_count, prompt_count,
	    example_count, correction_count;
	struct child_database *databases;
	struct child_provider *providers;
	struct child_keyword *keywords;
	struct child_pattern *patterns;
	struct child_prompt *prompts; /* inference workers only */
	struct child_example *examples; /* router only */
	struct child_correction *corrections;
};

struct child {
	struct event_base *base;
	struct channel *control;
	enum role role;
	const struct child_config *config; /* NULL before the first */
	bool stopping;
	void *owner; /* the role's own state */
};

struct child_ops {
	/* The configuration is whole, first or again. The first time the segments are there. */
	void (*configure)(struct child *child);
	/* Workers: a new channel to the router; the old one is dead. The descriptor is taken
	 * (child_router_channel). */
	void (*attach)(struct child *child, int fd);
	/* A schema; the descriptor stays the skeleton's. May be NULL. */
	void (*snapshot)(struct child *child, struct bytes database, struct bytes version, int fd);
	/* Any other message of the supervisor. May be NULL. */
	void (*control)(struct child *child, struct rpc_message *message);
	/* Finish and call child_exit; the role has LIMIT_DRAIN_STOP_MS. */
	void (*stop)(struct child *child);
	/* The loop has ended; its base is still there. May be NULL. */
	void (*deinit)(struct child *child);
};

/* Runs the role until it exits; returns the exit status for main. */
int child_main(enum role role, const struct child_ops *ops, void *owner, int argc, char **argv);

/* Tells the supervisor that this child serves. Once. */
void child_ready(struct child *child);
/* Ends the loop with CHILD_EXIT_OK. */
void child_exit(struct child *child);
/* Logs nothing, ends the process at once: the caller has said why. */
void child_fail(struct child *child) __attribute__((noreturn));

/* The channel to the router, of a descriptor that attach was given; its owner is the child's. */
struct channel *child_router_channel(struct child *child, int fd, const struct channel_ops *ops);

/* Sends a notification to the supervisor; fd -1: none. */
void child_notify(struct child *child, enum message_id id, const void *params, int fd);
