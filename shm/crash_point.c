#include "shm/crash_point.h"

#ifdef OPTIMAX_CRASH_POINTS
#include <signal.h>

uint64_t crash_point_countdown;

void crash_point_reached(void)
{
	if (crash_point_countdown > 0 && --crash_point_countdown == 0)
		raise(SIGKILL);
}
#endif
