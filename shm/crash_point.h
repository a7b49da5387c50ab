/*
 * A point at which a test may kill this process: one behind every store to shared memory.
 * Empty unless configured with --enable-crash-points.
 */
#pragma once

#ifdef OPTIMAX_CRASH_POINTS
#include <stdint.h>

/* The process kills itself at the n-th point from now on; 0: never. */
extern uint64_t crash_point_countdown;
void crash_point_reached(void);
#define CRASH_POINT() crash_point_reached()
#else
#define CRASH_POINT() ((void)0)
#endif
