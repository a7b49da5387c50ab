#include "shm/crash_point.h"

#ifdef OPTIMAX_CRASH_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void kill_here(void)
{
	raise(SIGKILL);
}

static void pass(void)
{
}

_Thread_local uint64_t crash_point_countdown;
void (*crash_point_strike)(void) = kill_here;
uint32_t *crash_point_strikes;
_Thread_local uint64_t load_point_countdown;
void (*load_point_strike)(void) = pass;

/*
 * OPTIMAX_TEST_STOP_AT=FUNCTION:FILE stops the one process that is the first to reach a point
 * of that function while the file is there: so a system test stops one worker of a daemon.
 */
static const char *asked;

__attribute__((constructor)) static void read_what_is_asked(void)
{
	asked = getenv("OPTIMAX_TEST_STOP_AT");
}

static void stop_where_asked(const struct crash_point *point)
{
	size_t size = asked ? strcspn(asked, ":") : 0;

	if (size > 0 && asked[size] == ':' && strlen(point->function) == size &&
	    memcmp(point->function, asked, size) == 0 && unlink(asked + size + 1) == 0)
		raise(SIGSTOP);
}

void crash_point_reached(const struct crash_point *point)
{
	stop_where_asked(point);
	if (crash_point_countdown == 0 || --crash_point_countdown > 0)
		return;
	if (crash_point_strikes)
		__atomic_fetch_add(
		    &crash_point_strikes[point - __start_crash_points], 1, __ATOMIC_RELAXED);
	crash_point_strike();
}
#endif
