# tests/unit: tests of common/
common_tests = tests/unit/test_msgpack_scan tests/unit/test_message tests/unit/test_channel
check_PROGRAMS += $(common_tests)
TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_test_msgpack_scan_CFLAGS = $(TEST_CFLAGS)
tests_unit_test_msgpack_scan_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_message_CFLAGS = $(TEST_CFLAGS)
tests_unit_test_message_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_channel_CFLAGS = $(TEST_CFLAGS)
tests_unit_test_channel_LDADD = $(COMMON_LIBS) $(CMOCKA_LIBS)
