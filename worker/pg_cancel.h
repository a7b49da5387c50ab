/*
 * Asks the server to cancel what a connection runs, without holding up the event loop: libpq's
 * PQcancel connects and waits, so it runs in a thread of its own that touches nothing else.
 * Says when the request is over; whether it took shows on the connection.
 */
#pragma once

#include <libpq-fe.h>

struct event_base;
struct pg_cancel;

/* NULL where the request could not be started. */
struct pg_cancel *pg_cancel_start(
    struct event_base *base, PGconn *pg, void (*done)(void *owner), void *owner);
/* `done` is not called any more; a request that is under way goes on by itself. */
void pg_cancel_free(struct pg_cancel *cancel);
