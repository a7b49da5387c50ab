/*
 * A point at which a test may kill or stop this process: one behind every store to shared
 * memory. Empty unless compiled with OPTIMAX_CRASH_POINTS, as libshm_crash.a always is and
 * everything is where configured with --enable-crash-points. The points are enumerated by the
 * linker: each has a row in the section `crash_points`.
 */
#pragma once

#ifdef OPTIMAX_CRASH_POINTS
#include <stdint.h>

/* The alignment is its size, so that the compiler leaves no gap between two of them. */
struct crash_point {
	_Alignas(32) const char *file;
	const char *function;
	int64_t line;
};
/* All there are in the program, whether reached or not. */
extern struct crash_point __start_crash_points[], __stop_crash_points[];

/* At the n-th point from now on crash_point_strike is called; 0: never. Per thread. */
extern _Thread_local uint64_t crash_point_countdown;
/* What happens there; raises SIGKILL where nobody set another. */
extern void (*crash_point_strike)(void);
/* Where strikes are counted, by the point's place in the table; NULL: nowhere. */
extern uint32_t *crash_point_strikes;

void crash_point_reached(const struct crash_point *point);

/* For tests that let others write while a reader is at work: at the n-th load from shared
 * memory from now on, just before it, load_point_strike is called; 0: never. Per thread. */
extern _Thread_local uint64_t load_point_countdown;
extern void (*load_point_strike)(void);

static inline void load_point_reached(void)
{
	if (load_point_countdown > 0 && --load_point_countdown == 0)
		load_point_strike();
}
#define LOAD_POINT() load_point_reached()
#define CRASH_POINT()                                                                          \
	do {                                                                                   \
		static struct crash_point crash_point_here                                     \
		    __attribute__((section("crash_points"))) = {__FILE__, __func__, __LINE__}; \
		crash_point_reached(&crash_point_here);                                        \
	} while (0)
#else
#define CRASH_POINT() ((void)0)
#define LOAD_POINT()  ((void)0)
#endif
