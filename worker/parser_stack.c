#include "worker/parser_stack.h"

#include <sys/resource.h>

#include "common/log.h"

enum { STACK_BYTES = 8 << 20 };

/* The kernel looks at the limit when the stack grows, and leaves it 128 MiB of addresses at least,
 * so that raising it now is enough. */
bool parser_stack_ensure(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur >= STACK_BYTES)
		return true;
	limit.rlim_cur = STACK_BYTES;
	if (setrlimit(RLIMIT_STACK, &limit) == 0)
		return true;
	log_error("the stack is limited to %llu KiB, but statements may need %d KiB; raise the "
	          "hard limit (LimitSTACK=, ulimit -Hs)",
	    (unsigned long long)limit.rlim_max / 1024, STACK_BYTES / 1024);
	return false;
}
