#!/bin/sh
# shm/ with threads in the place of processes, under ThreadSanitizer, which on kernels that
# randomise many bits of an address needs that they do not.
program=${top_builddir:-.}/tests/tsan/threads
TSAN_OPTIONS="halt_on_error=1 report_signal_unsafe=0 ${TSAN_OPTIONS-}"
export TSAN_OPTIONS
if setarch -R true 2>/dev/null; then
	exec setarch -R "$program"
fi
exec "$program"
