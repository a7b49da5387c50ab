/*
 * What people ask about the live cache: each question runs one optimax-check beside all else and
 * is answered when that has ended. Its report waits in a pipe, whose buffer it never fills.
 * The supervisor itself does not look into the segment.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/message.h"
#include "daemon/children.h"
#include "daemon/config.h"

enum { INSPECTIONS_MAX = 4 };

struct inspections {
	struct inspection {
		pid_t pid; /* of the checker; 0: free */
		int fd; /* of its report */
		pid_t router; /* who asked: its successor knows nothing of it */
		uint32_t msgid;
	} items[INSPECTIONS_MAX];
};

/* 0 where the answer will come, else the code of ret_error. */
int inspections_start(struct inspections *inspections, const struct config *config, int lock_fd,
    const struct inspect_cache_params *params, pid_t router, uint32_t msgid,
    struct error *ret_error);
/* False where the pid is none of these; else the router has its answer. */
bool inspections_reaped(
    struct inspections *inspections, struct children *children, pid_t pid, int status);
/* Ends them: they must not outlive the instance's lock. */
void inspections_end(struct inspections *inspections);
