# tests/unit: tests of text/

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_snapshot
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c
tests_unit_test_snapshot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_snapshot_LDADD = $(SNAPSHOT_LIBS) $(CMOCKA_LIBS)
endif
