# tests/tsan: shm/ under ThreadSanitizer, whatever sanitizer configure was told
# TSAN_WARNINGS: GCC warns that it does not model fences; all that is shared is atomic, so none is
# needed for that.
TSAN_CFLAGS = $(STRICT_CFLAGS) $(XXHASH_CFLAGS) -O1 -g -fsanitize=thread $(TSAN_WARNINGS) -DOPTIMAX_CRASH_POINTS=1
noinst_LIBRARIES += libshm_tsan.a
libshm_tsan_a_SOURCES = $(libshm_a_SOURCES) common/bytes.c common/role.c
libshm_tsan_a_CFLAGS = $(TSAN_CFLAGS)
noinst_PROGRAMS += tests/tsan/threads
tests_tsan_threads_SOURCES = tests/tsan/threads.c tests/crash/judge.c tests/crash/tiny.c tests/crash/tiny.h
tests_tsan_threads_CFLAGS = $(TSAN_CFLAGS)
tests_tsan_threads_LDFLAGS = -fsanitize=thread -no-pie -Wl,--wrap=pthread_mutex_trylock
tests_tsan_threads_LDADD = libshm_tsan.a $(XXHASH_LIBS)
check_SCRIPTS += tests/tsan/tsan.sh
EXTRA_DIST += tests/tsan/tsan.sh
