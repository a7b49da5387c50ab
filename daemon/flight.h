/*
 * A flight: one job and all who wait for it. Who asks the same while it is under way joins it.
 * A flight of text keeps what has come so far, once for all; each waiter has its place in it, so
 * that who joins late gets what has come and then the rest, and who reads slowly holds nobody up.
 * Where the job runs is pool.h's; knows no workers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/error.h"

enum { FLIGHT_BUCKETS = 1024 };

struct flight;

/* Result of a job as one waiter sees it; views are valid during the callback. */
struct job_outcome {
	const struct error *error; /* NULL where it succeeded */
	struct bytes result; /* the encoded result map */
	bool joined; /* somebody else had begun it */
};

/* Embedded in who waits; the callbacks are its owner's. */
struct waiter {
	LIST_ENTRY(waiter) link;
	struct flight *flight; /* NULL: waits for nothing */
	bool joined;
	bool begun; /* a part of the answer has been sent to it */
	size_t taken; /* bytes of the text so far that it has */
	int64_t deadline_ms;
	void (*done)(struct waiter *waiter, const struct job_outcome *outcome);
	/* A part of the answer: an encoded map, valid during the call, which must not end the wait.
	 * NULL: wants none. Who wants such parts has a flight alone. */
	void (*delta)(struct waiter *waiter, struct bytes pairs);
	/* More of the text, likewise. False: not now, as what came before has not been taken; not
	 * an answer where it must. NULL: wants none. */
	bool (*text)(struct waiter *waiter, struct bytes text, bool must);
};

/* The flights that may be joined, by their keys, and what they keep. */
struct flights {
	LIST_HEAD(, flight) buckets[FLIGHT_BUCKETS];
	size_t kept; /* bytes of text */
};

/* Embedded in a job. */
struct flight {
	LIST_ENTRY(flight) same_bucket;
	struct flights *flights;
	struct buffer key;
	uint64_t hash;
	bool open; /* others may join */
	bool over; /* those who wait are being told */
	LIST_HEAD(, waiter) waiters;
	struct buffer text; /* so far, but for `dropped` bytes at its start, which all have */
	size_t dropped;
};

/* Of a key. */
uint64_t flight_hash(struct bytes key);
/* open: others with this key may join. */
void flight_init(struct flight *flight, struct flights *flights, struct bytes key, bool open);
/* Nobody may wait any more. */
void flight_deinit(struct flight *flight);
/* NULL: none that may be joined. */
struct flight *flight_find(struct flights *flights, struct bytes key);
/* Nobody can join it any more. */
void flight_close(struct flight *flight);

void flight_add(struct flight *flight, struct waiter *waiter, bool joined);
/* True where nobody waits for the job any more. */
bool flight_leave(struct waiter *waiter);
bool flight_is_awaited(const struct flight *flight);
int64_t flight_latest_deadline(const struct flight *flight);
/* Whether anybody wants the text as it comes. */
bool flight_wants_text(const struct flight *flight);

/* A part of the answer, for the one who waits. */
void flight_pass(struct flight *flight, struct bytes pairs);
/* More of the text: everybody is sent what it does not have yet. */
void flight_take_text(struct flight *flight, struct bytes text);
/* The text that this one does not have yet, whether or not it has taken what came before. */
void flight_catch_up(struct waiter *waiter);

/* Tells everybody how it ended, those who stream the rest of the text first. */
void flight_finish(struct flight *flight, const struct error *error, struct bytes result);
/* The same for those who have been sent a part of what will not go on. The others wait for
 * another run, which begins with no text. Whether anybody was told. */
bool flight_fail_begun(struct flight *flight, const struct error *error);
