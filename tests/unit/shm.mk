# tests/unit: tests of shm/
shm_tests = tests/unit/test_shm_cache tests/unit/test_shm_crash tests/unit/test_shm_segment \
	tests/unit/test_shm_metrics
check_PROGRAMS += $(shm_tests)
SHM_SCENE = tests/unit/shm_scene.c tests/unit/shm_scene.h
SHM_TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XXHASH_CFLAGS)
SHM_TEST_LIBS = $(SHM_LIBS) $(CMOCKA_LIBS)
tests_unit_test_shm_cache_SOURCES = tests/unit/test_shm_cache.c $(SHM_SCENE)
tests_unit_test_shm_cache_CFLAGS = $(SHM_TEST_CFLAGS)
tests_unit_test_shm_cache_LDADD = $(SHM_TEST_LIBS)
tests_unit_test_shm_crash_SOURCES = tests/unit/test_shm_crash.c $(SHM_SCENE)
tests_unit_test_shm_crash_CFLAGS = $(SHM_TEST_CFLAGS)
tests_unit_test_shm_crash_LDADD = $(SHM_TEST_LIBS)
tests_unit_test_shm_segment_SOURCES = tests/unit/test_shm_segment.c $(SHM_SCENE)
tests_unit_test_shm_segment_CFLAGS = $(SHM_TEST_CFLAGS)
tests_unit_test_shm_segment_LDADD = $(SHM_TEST_LIBS)
tests_unit_test_shm_metrics_SOURCES = tests/unit/test_shm_metrics.c $(SHM_SCENE)
tests_unit_test_shm_metrics_CFLAGS = $(SHM_TEST_CFLAGS)
tests_unit_test_shm_metrics_LDADD = $(SHM_TEST_LIBS)
check_SCRIPTS += tests/unit/test_optimax_check.sh
EXTRA_DIST += tests/unit/test_optimax_check.sh
check_SCRIPTS += tests/unit/test_eviction.sh
EXTRA_DIST += tests/unit/test_eviction.sh
check_SCRIPTS += tests/unit/test_cache_bytes.sh
EXTRA_DIST += tests/unit/test_cache_bytes.sh
