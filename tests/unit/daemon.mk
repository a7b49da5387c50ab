# tests/unit: tests of daemon/

# The classification of texts.
check_PROGRAMS += tests/unit/test_classify
tests_unit_test_classify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_classify_LDADD = $(CLASSIFY_LIBS) libcommon.a $(CMOCKA_LIBS)
# the classification on saved and hostile inputs; script/fuzz-classify fuzzes for real
check_PROGRAMS += tests/fuzz/classify
tests_fuzz_classify_CFLAGS = $(AM_CFLAGS) -DFUZZ_MAIN
tests_fuzz_classify_LDADD = $(CLASSIFY_LIBS) libcommon.a
EXTRA_DIST += tests/fuzz/saved/classify script/fuzz-classify
# the classification on rows of our own
check_PROGRAMS += tests/unit/test_route_rows
EXTRA_DIST += tests/unit/route_rows.def
tests_unit_test_route_rows_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_route_rows_LDADD = $(CLASSIFY_LIBS) libcommon.a $(CMOCKA_LIBS)
# the threshold from evidence
check_PROGRAMS += tests/unit/test_threshold
tests_unit_test_threshold_SOURCES = tests/unit/test_threshold.c daemon/threshold.c
tests_unit_test_threshold_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_threshold_LDADD = $(CMOCKA_LIBS)
# configuration and supervisor
check_PROGRAMS += tests/unit/test_config tests/unit/test_config_compare \
	tests/unit/test_child_life tests/unit/test_children tests/unit/test_listen tests/unit/test_send_config
EXTRA_DIST += tests/unit/config_file.h
CONFIG_TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_test_config_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_LDADD = libconfig.a libcommon.a $(YAML_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
tests_unit_test_config_compare_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_compare_LDADD = libconfig.a libcommon.a $(YAML_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
tests_unit_test_child_life_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_child_life_LDADD = libsupervisor.a libcommon.a $(CMOCKA_LIBS)
tests_unit_test_listen_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_listen_LDADD = $(SUPERVISOR_LIBS) $(CMOCKA_LIBS)
tests_unit_test_send_config_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_send_config_LDADD = $(SUPERVISOR_LIBS) $(CMOCKA_LIBS)
tests_unit_test_children_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_children_LDADD = $(SUPERVISOR_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_supervisor
noinst_PROGRAMS += tests/unit/fake_child
tests_unit_test_supervisor_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_supervisor_LDADD = $(SUPERVISOR_LIBS) $(CMOCKA_LIBS)
tests_unit_fake_child_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_unit_fake_child_LDADD = $(COMMON_LIBS)
# the router's pools
check_PROGRAMS += tests/unit/test_pool
tests_unit_test_pool_SOURCES = tests/unit/test_pool.c daemon/pool.c daemon/flight.c \
	daemon/job.c daemon/permits.c daemon/refused_keys.c daemon/turns.c
tests_unit_test_pool_CFLAGS = $(TEST_CFLAGS)
tests_unit_test_pool_LDADD = $(SHM_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)
# prompts and examples
check_PROGRAMS += tests/unit/test_config_files
tests_unit_test_config_files_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_files_LDADD = libconfig.a libcommon.a $(YAML_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
# files of records in state_dir
check_PROGRAMS += tests/unit/test_state_records
tests_unit_test_state_records_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_state_records_LDADD = libsupervisor.a libcommon.a $(CMOCKA_LIBS)
# verified examples
check_PROGRAMS += tests/unit/test_examples
tests_unit_test_examples_SOURCES = tests/unit/test_examples.c daemon/examples.c
tests_unit_test_examples_CFLAGS = $(TEST_CFLAGS)
tests_unit_test_examples_LDADD = $(TEXT_LIBS) $(COMMON_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS) -lm
# who waits for which job
check_PROGRAMS += tests/unit/test_flight
tests_unit_test_flight_SOURCES = tests/unit/test_flight.c daemon/flight.c
tests_unit_test_flight_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_flight_LDADD = $(COMMON_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
# who may call which provider
check_PROGRAMS += tests/unit/test_permits
tests_unit_test_permits_SOURCES = tests/unit/test_permits.c daemon/permits.c daemon/turns.c
tests_unit_test_permits_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_permits_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
