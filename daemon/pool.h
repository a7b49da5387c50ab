/*
 * A pool of workers of one kind (one database's, or the inference workers): who is connected,
 * what waits and what is under way. Jobs with the same key are one flight (flight.h): they run
 * once and every waiter gets the outcome. A job whose worker died is tried once more; if that
 * one dies too its key is refused for a while. Knows no caches and no clients.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/error.h"
#include "common/message.h"
#include "daemon/flight.h"

struct event_base;
struct metrics;
struct permits;
struct pool;

struct pool_options {
	const char *name; /* for logs and errors: "database shop", "inference" */
	size_t worker_capacity; /* jobs at once on one worker */
	struct event_base *base;
	struct metrics *metrics;
	struct permits *permits; /* of providers, for generate; NULL: none are needed */
	/* A notification that a worker sent; not consumed by the pool. */
	void (*notified)(void *owner, struct rpc_message *message);
	void *owner;
};

struct pool *pool_new(const struct pool_options *options);
/* Every waiter gets `shutting_down`. */
void pool_free(struct pool *pool);
void pool_set_queue_limit(struct pool *pool, size_t limit);

/* A worker's channel, new or in the place of a dead one's. Takes the descriptor. */
void pool_attach(struct pool *pool, unsigned index, int fd);
/* The pool has shrunk: workers from `count` on get no more jobs. */
void pool_set_size(struct pool *pool, unsigned count);

/* Joins the flight with this key, or begins one: `params` of a request in messages.def whose
 * timeout_ms field, where it has one, is set when it is sent. key empty: never shared.
 * 0, or an error (overloaded, worker_crashed): then waiter->done is not called. */
int pool_submit(struct pool *pool, struct bytes key, enum message_id id, const void *params,
    struct waiter *waiter, int64_t deadline_ms, struct error *ret_error);
/* Waits no longer; the job is cancelled if nobody else waits. Nothing where it does not wait. */
void pool_leave(struct waiter *waiter);

/* Takes nothing more from the waiter's worker until pool_go_on: for parts that come faster than
 * they can be passed on. Other jobs of that worker are held up too. */
void pool_hold(struct waiter *waiter);
/* It has taken what it was sent: sends what has come of a text since, or ends pool_hold. */
void pool_go_on(struct waiter *waiter);

/* Jobs in flight on one worker, for stats. */
size_t pool_in_flight(const struct pool *pool, unsigned index);
size_t pool_queued(const struct pool *pool);
