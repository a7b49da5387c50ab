/*
 * The supervisor's children: one record each, from configured to gone; starting, stopping,
 * reaping, obituaries. What they are told and what they say goes through struct children_ops.
 * A record is freed only from the event loop (never inside a call here), after ops->gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/channel.h"
#include "common/role.h"
#include "daemon/child_life.h"
#include "daemon/config.h"

struct event;
struct event_base;
struct children;

enum { CHILD_DEATH_SIZE = 128 };

struct child_record {
	struct children *children;
	struct child_record *next;
	enum role role;
	unsigned index;
	char *database; /* NULL where the role has none */
	char title[96]; /* as in "database worker shop 1" */
	struct child_life life;
	pid_t pid; /* 0: no process */
	struct channel *control; /* NULL: no process, or it hung up */
	struct event *timer; /* the life's */
	struct event *hung_up; /* it closed its channel and has to be gone soon */
	int64_t started_ms;
	uint64_t config_hash; /* of what it was sent; 0: nothing yet */
	char last_death[CHILD_DEATH_SIZE];
	unsigned unanswered; /* ticks of the watchdog since it was asked; 0: it owes no answer */
	bool killed_here; /* by child_kill: its own failure, not somebody else's doing */
	bool forgotten; /* gone for good, waits to be freed */
};

struct children_ops {
	/* It runs and has a channel: tell it everything. */
	void (*spawned)(void *owner, struct child_record *child);
	/* Its state has changed, otherwise than by being spawned. */
	void (*changed)(void *owner, struct child_record *child);
	void (*message)(void *owner, struct child_record *child, struct rpc_message *message);
	/* Its process has ended; `status` as waitpid gives it. */
	void (*died)(void *owner, struct child_record *child, int status);
	/* The record is about to be freed. */
	void (*gone)(void *owner, struct child_record *child);
};

struct children {
	struct event_base *base;
	const struct children_ops *ops;
	void *owner;
	struct child_record *first;
	struct event *sweep;
	struct life_limits limits;
	int lock_fd, listen_fd, listen_control_fd; /* what children inherit; not owned */
};

void children_init(struct children *ret_children, struct event_base *base,
    const struct children_ops *ops, void *owner);
void children_deinit(struct children *children);

/* Starts what the configuration wants and is not there; stops what it no longer wants. */
void children_start_wanted(struct children *children, const struct config *config);
void children_stop_unwanted(struct children *children, const struct config *config);
/* NULL where there is none. */
struct child_record *children_find(
    struct children *children, enum role role, const char *database, unsigned index);
struct child_record *children_router(struct children *children);

void child_stop(struct child_record *child);
void child_restart(struct child_record *child);
void child_said_ready(struct child_record *child);
/* It broke the rules: ends it, and says why. */
void child_kill(struct child_record *child, const char *why);
/* Stops all and does not wait. */
void children_kill(struct children *children);

/* False where the pid is no child's. */
bool children_reaped(struct children *children, pid_t pid, int status);
