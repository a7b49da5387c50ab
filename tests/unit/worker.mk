# tests/unit: tests of worker/

check_PROGRAMS += tests/unit/test_validate
tests_unit_test_validate_SOURCES = \
	tests/unit/test_validate.c tests/unit/validate_cases.h tests/unit/validate_schema.h
tests_unit_test_validate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_validate_LDADD = $(VALIDATE_LIBS) $(CMOCKA_LIBS)

# skips where OPTIMAX_SHARED_DATA names no folder with the sql-safety statements
check_PROGRAMS += tests/unit/test_validate_corpus
tests_unit_test_validate_corpus_SOURCES = \
	tests/unit/test_validate_corpus.c tests/unit/validate_schema.h
tests_unit_test_validate_corpus_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_validate_corpus_LDADD = $(VALIDATE_LIBS)
