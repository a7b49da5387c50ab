# tests/unit: tests of text/

check_PROGRAMS += tests/unit/test_snapshot
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c
tests_unit_test_snapshot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_snapshot_LDADD = $(SNAPSHOT_LIBS) $(CMOCKA_LIBS)
# Normal form, tokens, identifiers, vocabulary, shape of SQL.
check_PROGRAMS += tests/unit/test_normalise tests/unit/test_tokens tests/unit/test_identifier \
	tests/unit/test_vocabulary tests/unit/test_sql_shape
text_test_libs = $(TEXT_LIBS) libcommon.a $(CMOCKA_LIBS)
tests_unit_test_normalise_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_normalise_LDADD = $(text_test_libs)
tests_unit_test_tokens_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tokens_LDADD = $(text_test_libs)
tests_unit_test_identifier_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_identifier_LDADD = $(text_test_libs)
tests_unit_test_vocabulary_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_vocabulary_LDADD = $(text_test_libs)
tests_unit_test_sql_shape_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sql_shape_LDADD = $(text_test_libs)
# schema linking
check_PROGRAMS += tests/unit/test_linking
tests_unit_test_linking_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_linking_LDADD = $(TEXT_LIBS) $(SNAPSHOT_LIBS) $(CMOCKA_LIBS)
check_SCRIPTS += tests/unit/test_link_eval.sh
EXTRA_DIST += tests/unit/test_link_eval.sh
