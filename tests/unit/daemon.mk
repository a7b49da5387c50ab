# tests/unit: tests of daemon/

# The classification of texts.
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_classify
tests_unit_test_classify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_classify_LDADD = $(CLASSIFY_LIBS) libcommon.a $(CMOCKA_LIBS)
endif
