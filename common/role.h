/*
 * The roles that processes have (roles.def), and the descriptors a child finds open.
 */
#pragma once

#include <stdbool.h>

enum role {
#define ROLE(id, name, program, work_channel, uses_cache, per_database) ROLE_##id,
#include "common/roles.def"
#undef ROLE
	ROLE_COUNT
};

struct role_row {
	const char *name;
	const char *program;
	bool work_channel;
	bool uses_cache;
	bool per_database;
};

extern const struct role_row role_rows[ROLE_COUNT];

/* Descriptors that exec leaves open; all others are close-on-exec. */
enum {
	CHILD_FD_CONTROL = 3, /* the control channel to the supervisor */
	CHILD_FD_LOCK = 4, /* holds the instance's flock while any process lives */
	CHILD_FD_LISTEN = 5, /* router: the application socket */
	CHILD_FD_LISTEN_CONTROL = 6, /* router: the control socket */
	CHILD_FD_COUNT = 7
};

/* Exit statuses of children that mean something to the supervisor. */
enum {
	CHILD_EXIT_OK = 0,
	CHILD_EXIT_FAILED = 1, /* said why in the log; restart with backoff */
	CHILD_EXIT_ORPHANED = 4 /* its control channel ended */
};
