# tests/unit: tests of client/

check_PROGRAMS += tests/unit/test_optimax_client tests/unit/test_optimax_format
tests_unit_test_optimax_client_SOURCES = tests/unit/test_optimax_client.c
tests_unit_test_optimax_client_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_optimax_client_LDADD = liboptimax_objects.la $(MSGPACK_LIBS) $(CMOCKA_LIBS) -lpthread
tests_unit_test_optimax_format_SOURCES = tests/unit/test_optimax_format.c
tests_unit_test_optimax_format_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_optimax_format_LDADD = liboptimax_objects.la $(MSGPACK_LIBS) $(CMOCKA_LIBS)

check_SCRIPTS += tests/checks/manual.sh
EXTRA_DIST += tests/checks/manual.sh tests/checks/manual_matches_tables.py \
	tests/system/test_optimaxctl.py
