/*
 * The supervisor: starts, watches, configures, stops. Owns the listening sockets, the
 * configuration and the instance's lock. Parses no client bytes, and never touches what is
 * inside the segment: optimax-check does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/checker.h"
#include "daemon/children.h"
#include "daemon/config.h"
#include "daemon/inspection.h"
#include "daemon/listen.h"
#include "daemon/snapshots.h"
#include "daemon/state_records.h"
#include "daemon/watchdog.h"

struct event;
struct event_base;

enum supervisor_phase {
	PHASE_SERVING,
	PHASE_DRAINING, /* the router finishes what is in flight */
	PHASE_STOPPING, /* all others end */
};

enum { SUPERVISOR_SIGNALS = 4 };

struct supervisor {
	struct event_base *base;
	const char *config_file;
	struct config *config;
	struct listeners listeners;
	struct children children;
	struct snapshots snapshots;
	struct checker checker;
	struct inspections inspections;
	struct watchdog watchdog;
	struct state_records corrections, taught; /* routes and SQL, learnt; in state_dir */
	struct event *signals[SUPERVISOR_SIGNALS];
	enum supervisor_phase phase;
	bool is_ready; /* READY=1 was sent */
	int lock_fd;
	int64_t started_ms;
};

/* Takes the configuration. Serves until it is told to stop; the exit status for main. */
int supervisor_run(const char *config_file, struct config *config);
