# tests/fuzz: the fuzz targets of shm/ on saved inputs; script/fuzz is the real thing
FUZZ_SCENE = tests/fuzz/fuzz.h tests/fuzz/fuzz_saved.c \
	tests/crash/judge.c tests/crash/tiny.c tests/crash/tiny.h
noinst_PROGRAMS += tests/fuzz/shm_attach tests/fuzz/shm_operations
tests_fuzz_shm_attach_SOURCES = tests/fuzz/shm_attach.c $(FUZZ_SCENE)
tests_fuzz_shm_attach_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
tests_fuzz_shm_attach_LDADD = $(SHM_LIBS)
tests_fuzz_shm_operations_SOURCES = tests/fuzz/shm_operations.c $(FUZZ_SCENE)
tests_fuzz_shm_operations_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
tests_fuzz_shm_operations_LDADD = $(SHM_LIBS)
check_SCRIPTS += tests/fuzz/shm_saved.sh
EXTRA_DIST += tests/fuzz/shm_saved.sh tests/fuzz/saved
