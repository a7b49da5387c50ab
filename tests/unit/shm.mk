# tests/unit: tests of shm/
shm_tests = tests/unit/test_shm_cache
check_PROGRAMS += $(shm_tests)
SHM_SCENE = tests/unit/shm_scene.c tests/unit/shm_scene.h
SHM_TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XXHASH_CFLAGS)
SHM_TEST_LIBS = $(SHM_LIBS) $(CMOCKA_LIBS)
tests_unit_test_shm_cache_SOURCES = tests/unit/test_shm_cache.c $(SHM_SCENE)
tests_unit_test_shm_cache_CFLAGS = $(SHM_TEST_CFLAGS)
tests_unit_test_shm_cache_LDADD = $(SHM_TEST_LIBS)
