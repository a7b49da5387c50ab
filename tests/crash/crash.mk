# tests/crash: shm/ with the points at which a writer is killed, whatever configure was told
noinst_LIBRARIES += libshm_crash.a
libshm_crash_a_SOURCES = $(libshm_a_SOURCES)
libshm_crash_a_CFLAGS = $(libshm_a_CFLAGS) -DOPTIMAX_CRASH_POINTS=1
CRASH_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS) -DOPTIMAX_CRASH_POINTS=1 -Wno-missing-field-initializers
CRASH_LIBS = libshm_crash.a libcommon.a $(XXHASH_LIBS)
CRASH_SCENE = \
	tests/crash/judge.c \
	tests/crash/operations.c tests/crash/operations.h \
	tests/crash/tiny.c tests/crash/tiny.h
check_PROGRAMS += tests/crash/crash_points
tests_crash_crash_points_SOURCES = tests/crash/crash_points.c $(CRASH_SCENE)
tests_crash_crash_points_CFLAGS = $(CRASH_CFLAGS)
tests_crash_crash_points_LDADD = $(CRASH_LIBS)
check_PROGRAMS += tests/crash/readers tests/crash/scribbles
tests_crash_readers_SOURCES = tests/crash/readers.c tests/crash/judge.c tests/crash/tiny.c tests/crash/tiny.h
tests_crash_readers_CFLAGS = $(CRASH_CFLAGS)
tests_crash_readers_LDADD = $(CRASH_LIBS)
tests_crash_scribbles_SOURCES = tests/crash/scribbles.c tests/crash/judge.c tests/crash/tiny.c tests/crash/tiny.h
tests_crash_scribbles_CFLAGS = $(CRASH_CFLAGS)
tests_crash_scribbles_LDADD = $(CRASH_LIBS)
check_PROGRAMS += tests/crash/interleaved
tests_crash_interleaved_SOURCES = tests/crash/interleaved.c tests/crash/judge.c tests/crash/tiny.c tests/crash/tiny.h
tests_crash_interleaved_CFLAGS = $(CRASH_CFLAGS)
tests_crash_interleaved_LDADD = $(CRASH_LIBS)
check_SCRIPTS += tests/crash/instructions.sh tests/crash/mutations.py
EXTRA_DIST += tests/crash/instructions.sh tests/crash/mutations.py
check_PROGRAMS += tests/crash/stopped
tests_crash_stopped_SOURCES = tests/crash/stopped.c $(CRASH_SCENE)
tests_crash_stopped_CFLAGS = $(CRASH_CFLAGS)
tests_crash_stopped_LDADD = $(CRASH_LIBS)
# a database worker that a system test stops in the middle of a put
noinst_PROGRAMS += tests/crash/optimax-database
tests_crash_optimax_database_SOURCES = $(optimax_database_SOURCES)
tests_crash_optimax_database_CFLAGS = $(optimax_database_CFLAGS)
tests_crash_optimax_database_LDADD = libpgworker.a libshm_crash.a $(VALIDATE_LIBS) $(JANSSON_LIBS) $(PQ_LIBS)
