/*
 * The sessions that a connection gave up and that may go on in the server: its statement ends when
 * something there looks whether it was cancelled, and padding to a gigabyte, for one, does not. The
 * statement after one of them is served all the same; after a second one the first must have
 * ended, as there could be any number of them. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pg_linger {
	int first, next; /* pids of the server's processes; 0: none */
	int64_t since_ms; /* when the last one was given up */
};

void pg_linger_add(struct pg_linger *linger, int pid, int64_t now_ms);
/* The one whose end is waited for; 0: none, or not any longer. */
int pg_linger_awaited(struct pg_linger *linger, int64_t now_ms);
/* The one that was waited for has ended. */
void pg_linger_ended(struct pg_linger *linger);
