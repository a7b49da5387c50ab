#include "daemon/flight.h"

#include <xxhash.h>

#include "common/limits.h"

uint64_t flight_hash(struct bytes key)
{
	return XXH3_64bits(key.data, key.size);
}

void flight_init(struct flight *flight, struct flights *flights, struct bytes key, bool open)
{
	*flight = (struct flight){.flights = flights, .hash = flight_hash(key), .open = open};
	LIST_INIT(&flight->waiters);
	buffer_append_bytes(&flight->key, key);
	if (open)
		LIST_INSERT_HEAD(
		    &flights->buckets[flight->hash % FLIGHT_BUCKETS], flight, same_bucket);
}

struct flight *flight_find(struct flights *flights, struct bytes key)
{
	uint64_t hash = flight_hash(key);
	struct flight *flight;

	if (key.size == 0)
		return NULL;
	LIST_FOREACH(flight, &flights->buckets[hash % FLIGHT_BUCKETS], same_bucket)
	if (flight->hash == hash && bytes_equal(bytes_of_buffer(&flight->key), key))
		return flight;
	return NULL;
}

void flight_close(struct flight *flight)
{
	if (flight->open)
		LIST_REMOVE(flight, same_bucket);
	flight->open = false;
}

static void drop_text(struct flight *flight)
{
	flight->flights->kept -= flight->text.size;
	flight->dropped += flight->text.size;
	buffer_deinit(&flight->text);
}

void flight_deinit(struct flight *flight)
{
	flight_close(flight);
	drop_text(flight);
	buffer_deinit(&flight->key);
}

/* ---- who waits ---- */

void flight_add(struct flight *flight, struct waiter *waiter, bool joined)
{
	waiter->flight = flight;
	waiter->joined = joined;
	waiter->begun = false;
	waiter->taken = 0;
	LIST_INSERT_HEAD(&flight->waiters, waiter, link);
	flight_catch_up(waiter);
}

bool flight_leave(struct waiter *waiter)
{
	struct flight *flight = waiter->flight;

	LIST_REMOVE(waiter, link);
	waiter->flight = NULL;
	return LIST_EMPTY(&flight->waiters) && !flight->over;
}

bool flight_is_awaited(const struct flight *flight)
{
	return !LIST_EMPTY(&flight->waiters);
}

int64_t flight_latest_deadline(const struct flight *flight)
{
	const struct waiter *waiter;
	int64_t latest = 0;

	LIST_FOREACH(waiter, &flight->waiters, link)
	if (waiter->deadline_ms > latest)
		latest = waiter->deadline_ms;
	return latest;
}

bool flight_wants_text(const struct flight *flight)
{
	const struct waiter *waiter;

	LIST_FOREACH(waiter, &flight->waiters, link)
	if (waiter->text)
		return true;
	return false;
}

/* ---- parts ---- */

void flight_pass(struct flight *flight, struct bytes pairs)
{
	struct waiter *waiter = LIST_FIRST(&flight->waiters);

	if (!waiter || !waiter->delta)
		return;
	waiter->begun = true;
	waiter->delta(waiter, pairs);
}

static size_t end_of_text(const struct flight *flight)
{
	return flight->dropped + flight->text.size;
}

static void send_text(struct waiter *waiter, bool must)
{
	const struct flight *flight = waiter->flight;
	size_t at = waiter->taken - flight->dropped;
	struct bytes rest = bytes_of(flight->text.data + at, flight->text.size - at);

	if (!waiter->text(waiter, rest, must))
		return;
	waiter->taken = end_of_text(flight);
	waiter->begun = true;
}

static bool has_all(const struct waiter *waiter)
{
	return !waiter->text || waiter->taken == end_of_text(waiter->flight);
}

static bool all_have_all(const struct flight *flight)
{
	const struct waiter *waiter;

	LIST_FOREACH(waiter, &flight->waiters, link)
	if (!has_all(waiter))
		return false;
	return true;
}

void flight_take_text(struct flight *flight, struct bytes text)
{
	struct waiter *waiter;

	if (flight->flights->kept + text.size > LIMIT_FLIGHT_TEXT_BYTES)
		flight_close(flight);
	buffer_append_bytes(&flight->text, text);
	flight->flights->kept += text.size;
	LIST_FOREACH(waiter, &flight->waiters, link)
	if (!has_all(waiter))
		send_text(waiter, false);
	/* It is kept for those who join, and for those who read slowly. */
	if (!flight->open && all_have_all(flight))
		drop_text(flight);
}

void flight_catch_up(struct waiter *waiter)
{
	if (!has_all(waiter))
		send_text(waiter, true);
}

/* ---- the end ---- */

/* A waiter may free itself in its callback, so the list is emptied one by one from its head. */
void flight_finish(struct flight *flight, const struct error *error, struct bytes result)
{
	struct waiter *waiter;

	flight_close(flight);
	flight->over = true;
	while ((waiter = LIST_FIRST(&flight->waiters))) {
		struct job_outcome outcome = {
		    .error = error, .result = result, .joined = waiter->joined};

		if (!error)
			flight_catch_up(waiter);
		LIST_REMOVE(waiter, link);
		waiter->flight = NULL;
		waiter->done(waiter, &outcome);
	}
}

bool flight_fail_begun(struct flight *flight, const struct error *error)
{
	struct waiter *waiter, *next;
	struct flight begun;
	bool any;

	/* Aside first: what their callbacks do must not meet them among those who go on. */
	flight_init(&begun, flight->flights, BYTES_NONE, false);
	for (waiter = LIST_FIRST(&flight->waiters); waiter; waiter = next) {
		next = LIST_NEXT(waiter, link);
		if (!waiter->begun)
			continue;
		LIST_REMOVE(waiter, link);
		LIST_INSERT_HEAD(&begun.waiters, waiter, link);
		waiter->flight = &begun;
	}
	drop_text(flight);
	flight->dropped = 0;
	any = !LIST_EMPTY(&begun.waiters);
	flight_finish(&begun, error, BYTES_NONE);
	flight_deinit(&begun);
	return any;
}
