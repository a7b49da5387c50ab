# tests/unit: tests of worker/

check_PROGRAMS += tests/unit/test_validate
tests_unit_test_validate_SOURCES = \
	tests/unit/test_validate.c tests/unit/validate_cases.h tests/unit/validate_schema.h
tests_unit_test_validate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_validate_LDADD = $(VALIDATE_LIBS) $(CMOCKA_LIBS)

# tests/corpus, and sql-safety where OPTIMAX_SHARED_DATA names its folder
check_PROGRAMS += tests/unit/test_validate_corpus tests/unit/test_validate_fuzz
tests_unit_test_validate_corpus_SOURCES = tests/unit/test_validate_corpus.c \
	tests/unit/validate_corpus.h tests/unit/validate_schema.h
tests_unit_test_validate_corpus_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_validate_corpus_LDADD = $(VALIDATE_LIBS) $(JANSSON_LIBS)
tests_unit_test_validate_fuzz_SOURCES = tests/unit/test_validate_fuzz.c \
	tests/unit/validate_corpus.h tests/unit/validate_schema.h
tests_unit_test_validate_fuzz_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_validate_fuzz_LDADD = $(VALIDATE_LIBS) $(JANSSON_LIBS)
EXTRA_DIST += tests/corpus/attacks.jsonl tests/corpus/benign.jsonl tests/corpus/catalog_calls.txt

# what the database worker and the watcher are made of; no server is needed
check_PROGRAMS += tests/unit/test_encode_rows tests/unit/test_pg_session tests/unit/test_schema_build
tests_unit_test_encode_rows_SOURCES = tests/unit/test_encode_rows.c
tests_unit_test_encode_rows_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PQ_CFLAGS)
tests_unit_test_encode_rows_LDADD = libpgworker.a $(COMMON_LIBS) $(PQ_LIBS) $(CMOCKA_LIBS)
tests_unit_test_pg_session_SOURCES = tests/unit/test_pg_session.c
tests_unit_test_pg_session_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XXHASH_CFLAGS)
tests_unit_test_pg_session_LDADD = libpgworker.a $(COMMON_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
tests_unit_test_schema_build_SOURCES = tests/unit/test_schema_build.c
tests_unit_test_schema_build_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PQ_CFLAGS) $(XXHASH_CFLAGS)
tests_unit_test_schema_build_LDADD = libpgworker.a $(SNAPSHOT_LIBS) $(PQ_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_builtin
tests_unit_test_builtin_SOURCES = tests/unit/test_builtin.c tests/unit/builtin_schema.h
tests_unit_test_builtin_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_builtin_LDADD = $(BUILTIN_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_generation
tests_unit_test_generation_SOURCES = tests/unit/test_generation.c tests/unit/builtin_schema.h \
	worker/generation.c worker/provider.c worker/provider_builtin.c
tests_unit_test_generation_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_generation_LDADD = $(MODEL_LIBS) libshm.a $(CMOCKA_LIBS)

# the gateway to model servers: what needs no server
check_PROGRAMS += tests/unit/test_event_stream tests/unit/test_model_rules
tests_unit_test_event_stream_SOURCES = tests/unit/test_event_stream.c
tests_unit_test_event_stream_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_event_stream_LDADD = libmodel.a $(COMMON_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_thoughts
tests_unit_test_thoughts_SOURCES = tests/unit/test_thoughts.c
tests_unit_test_thoughts_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_thoughts_LDADD = libmodel.a $(COMMON_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_http
tests_unit_test_http_SOURCES = tests/unit/test_http.c
tests_unit_test_http_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_test_http_LDADD = $(MODEL_LIBS) $(CMOCKA_LIBS)
tests_unit_test_model_rules_SOURCES = tests/unit/test_model_rules.c tests/unit/builtin_schema.h
tests_unit_test_model_rules_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_model_rules_LDADD = $(MODEL_LIBS) $(CMOCKA_LIBS)

# the limit around a statement
check_PROGRAMS += tests/unit/test_limit_sql
tests_unit_test_limit_sql_SOURCES = tests/unit/test_limit_sql.c \
	worker/limit_sql.c worker/limit_sql.h
tests_unit_test_limit_sql_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_limit_sql_LDADD = $(VALIDATE_LIBS) $(CMOCKA_LIBS)
# what a statement weighs before the grammar runs
check_PROGRAMS += tests/unit/test_sql_weight
tests_unit_test_sql_weight_SOURCES = tests/unit/test_sql_weight.c
tests_unit_test_sql_weight_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sql_weight_LDADD = $(VALIDATE_LIBS) $(CMOCKA_LIBS)

# what models are sent
check_PROGRAMS += tests/unit/test_prompt
tests_unit_test_prompt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_test_prompt_LDADD = $(PROMPT_LIBS) $(CMOCKA_LIBS)

# for tests/system/test_sql_safety.py
noinst_PROGRAMS += tests/system/send_statements
tests_system_send_statements_SOURCES = tests/system/send_statements.c
tests_system_send_statements_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS)
tests_system_send_statements_LDADD = $(JANSSON_LIBS) $(PQ_LIBS)
