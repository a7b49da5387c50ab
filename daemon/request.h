/*
 * One ask or sql on its way: what was asked, what is known so far, and its end. It starts on the
 * stack with views into the client's message; the first thing it has to wait for moves it to the
 * heap (request_keep), so that an answer from the cache allocates nothing.
 * Which step follows which is ask.c's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "daemon/classify.h"
#include "daemon/client.h"
#include "daemon/pool.h"
#include "daemon/reply.h"
#include "shm/cache.h"

struct database;
struct event;
struct router;

enum request_route { REQUEST_AUTO, REQUEST_SQL, REQUEST_CHAT };

struct request {
	struct pending pending;
	struct waiter waiter;
	void (*done)(struct request *request, const struct job_outcome *outcome);
	/* What becomes of the job's failure; NULL: the request's. */
	void (*failed)(struct request *request, const struct error *error);
	struct event *deadline; /* on the heap only */
	bool kept; /* on the heap and pending */

	struct router *router;
	struct client *client;
	uint32_t msgid;
	int64_t arrived_us, deadline_ms;

	struct database *database; /* NULL: chat without any */
	enum request_route fixed; /* what the client wants */
	enum request_route keyed; /* the same, or what a correction says: in keys */
	struct bytes asked; /* the text as it came; absent for sql */
	struct bytes question; /* the same in its normal form */
	struct bytes history; /* encoded, or absent */
	int64_t limit, max_age_ms; /* max_age_ms -1: any */
	bool no_cache, stream, explain;
	uint32_t generations[CACHE_TYPE_COUNT]; /* of the cache, when the question came */
	int64_t sequence; /* of the next delta; 0: none was sent */

	struct buffer storage; /* of the views above, once kept */
	struct buffer sql, provider; /* found or generated */
	struct buffer completion_key; /* of the entry that the SQL is in; empty: none */
	struct attempts attempts; /* at SQL, that came to nothing */
	struct error *refusal; /* of the last of them; NULL: none */
	const char *via; /* static text; NULL: not decided */
	double confidence;
	bool has_statement; /* sql came from a statement entry: it need not be stored */
	bool classified;
	struct classification classification;
	int64_t time_us[TIME_COUNT];
};

struct call;
void request_init(struct request *request, const struct call *call);
/* Frees what it owns; of a kept one also itself. */
void request_free(struct request *request);

/* Moves it to the heap, pends it at its client and starts its deadline. Returns the one to go on
 * with; the stack's is empty then. Nothing happens to one that is kept. */
struct request *request_keep(struct request *request);

/* Starts a job that `done` continues, or `failed`; the request must be kept. */
void request_submit(struct request *request, struct pool *pool, struct bytes key,
    enum message_id id, const void *params,
    void (*done)(struct request *request, const struct job_outcome *outcome));

/* As request_submit, for a job that sends parts of its answer: the client gets each as a delta, and
 * while it does not take them the worker waits. */
void request_submit_parts(struct request *request, struct pool *pool, struct bytes key,
    enum message_id id, const void *params,
    void (*done)(struct request *request, const struct job_outcome *outcome));
/* For a chat job: the client gets its text as it comes, and what had come before it joined first.
 */
void request_submit_text(struct request *request, struct pool *pool, struct bytes key,
    enum message_id id, const void *params,
    void (*done)(struct request *request, const struct job_outcome *outcome));

/* Ends: answers the client once, and frees the request. */
void request_answer(struct request *request, const struct reply *reply);
/* The same with a whole message that somebody else has packed; its memory is taken. */
void request_answer_message(struct request *request, struct buffer *message);
void request_fail(struct request *request, const struct error *error);
/* Ends without an answer: somebody else has pended the same msgid and will give it. */
void request_hand_over(struct request *request);

/* Adds the time since *since_us to one of the times, and moves *since_us to now. */
void request_spent(struct request *request, enum reply_time which, int64_t *since_us);
