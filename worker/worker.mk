# worker/: what it builds and what that links

# the SQL validator: PostgreSQL's grammar and allowlists
noinst_LIBRARIES += libvalidate.a
libvalidate_a_SOURCES = \
	worker/allowed_casts.def worker/allowed_catalogs.def worker/allowed_functions.def \
	worker/allowed_nodes.def worker/allowed_operators.def worker/tree_members.def \
	worker/parse_tree.c worker/parse_tree.h \
	worker/parser_stack.c worker/parser_stack.h \
	worker/policy.c worker/policy.h \
	worker/sql_places.c worker/sql_places.h \
	worker/sql_tokens.c worker/sql_tokens.h \
	worker/sql_weight.c worker/sql_weight.def worker/sql_weight.h \
	worker/validate.c worker/validate.h \
	worker/validate_cacheable.c worker/validate_growth.c worker/validate_names.c \
	worker/validate_relations.c worker/validate_views.c \
	worker/validate_reply.c worker/validate_reply.h \
	worker/validate_tree.c worker/validate_tree.h
libvalidate_a_CFLAGS = $(AM_CFLAGS)
# libpg_query has XXH symbols of its own: xxhash, in SNAPSHOT_LIBS, must come before it.
VALIDATE_LIBS = libvalidate.a $(SNAPSHOT_LIBS) $(PG_QUERY_LIBS)
# one connection to PostgreSQL, and what a reply and a schema are made of
noinst_LIBRARIES += libpgworker.a
libpgworker_a_SOURCES = \
	worker/backoff.c worker/backoff.h \
	worker/encode_rows.c worker/encode_rows.h \
	worker/own_database.c worker/own_database.h \
	worker/pg_cancel.c worker/pg_cancel.h \
	worker/pg_connection.c worker/pg_connection.h \
	worker/pg_linger.c worker/pg_linger.h \
	worker/pg_role.c worker/pg_role.h \
	worker/pg_session.c worker/pg_session.h \
	worker/plan_memory.c worker/plan_memory.h \
	worker/schema_build.c worker/schema_build.h worker/schema_queries.c \
	worker/schema_outside.c worker/schema_take.h \
	worker/type_names.c worker/type_names.h
libpgworker_a_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(EVENT_CFLAGS) $(XXHASH_CFLAGS)

# optimax-database: VALIDATE_LIBS has the snapshot, xxhash before libpg_query, and jansson
optimaxlibexec_PROGRAMS += optimax-database
optimax_database_SOURCES = worker/database.c \
	worker/execute.c worker/execute.h \
	worker/limit_sql.c worker/limit_sql.h \
	worker/query_job.c worker/query_job.h
optimax_database_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(XXHASH_CFLAGS)
optimax_database_LDADD = libpgworker.a libshm.a $(VALIDATE_LIBS) $(JANSSON_LIBS) $(PQ_LIBS)

# optimax-watcher
optimaxlibexec_PROGRAMS += optimax-watcher
optimax_watcher_SOURCES = worker/watcher.c worker/introspect.c worker/introspect.h
optimax_watcher_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(EVENT_CFLAGS) $(XXHASH_CFLAGS)
optimax_watcher_LDADD = libpgworker.a $(VALIDATE_LIBS) $(PQ_LIBS)

# the provider builtin: questions to SQL without a model
noinst_LIBRARIES += libbuiltin.a
libbuiltin_a_SOURCES = \
	worker/builtin/builtin.c worker/builtin/builtin.h \
	worker/builtin/dates.c worker/builtin/dates.h \
	worker/builtin/grammar.c worker/builtin/grammar.h worker/builtin/grammar.def \
	worker/builtin/link.c worker/builtin/link.h \
	worker/builtin/query.c worker/builtin/query.h \
	worker/builtin/query_write.c worker/builtin/query_write.h worker/builtin/reserved.def \
	worker/builtin/read_date.c worker/builtin/read_filter.c \
	worker/builtin/read_ranking.c worker/builtin/read_request.c worker/builtin/read_tail.c \
	worker/builtin/reading.h worker/builtin/resolve.c \
	worker/builtin/words.c worker/builtin/words.h
BUILTIN_LIBS = libbuiltin.a $(TEXT_LIBS) $(SNAPSHOT_LIBS)

# optimax-inference
optimaxlibexec_PROGRAMS += optimax-inference
optimax_inference_SOURCES = worker/inference.c \
	worker/generation.c worker/generation.h \
	worker/provider.c worker/provider.h worker/provider_builtin.c
optimax_inference_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
optimax_inference_LDADD = $(MODEL_LIBS)

# the gateway to model servers, in optimax-inference
noinst_LIBRARIES += libmodel.a
libmodel_a_SOURCES = \
	worker/provider_job.c worker/provider_job.h \
	worker/breaker.c worker/breaker.h \
	worker/completion.c worker/completion.h \
	worker/completion_cache.c worker/completion_cache.h \
	worker/event_stream.c worker/event_stream.h \
	worker/failures.c worker/failures.h \
	worker/hardness.c worker/hardness.h \
	worker/http.c worker/http.h \
	worker/key_file.c worker/key_file.h \
	worker/model.c worker/model.h \
	worker/model_answer.c worker/model_answer.h \
	worker/model_prompt.c worker/model_prompt.h worker/model_wire.h \
	worker/provider_ollama.c worker/provider_openai.c \
	worker/retry.c worker/retry.h \
	worker/thoughts.c worker/thoughts.h
libmodel_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(CURL_CFLAGS)
MODEL_LIBS = libmodel.a libprompt.a libshm.a $(BUILTIN_LIBS) $(JANSSON_LIBS) $(CURL_LIBS)

# what models are sent
noinst_LIBRARIES += libprompt.a
libprompt_a_SOURCES = common/prompts.def \
	worker/prompt.c worker/prompt.h \
	worker/prompt_fence.c worker/prompt_fence.h \
	worker/prompt_schema.c worker/prompt_schema.h \
	worker/prompt_template.c worker/prompt_template.h
libprompt_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
PROMPT_LIBS = libprompt.a $(BUILTIN_LIBS)
# The built-in prompts as strings, in the order of common/prompts.def.
PROMPT_FILES = etc/prompts/sql.txt etc/prompts/route.txt etc/prompts/chat.txt etc/prompts/repair.txt
worker/prompt_texts.inc: $(PROMPT_FILES)
	$(AM_V_GEN)$(MKDIR_P) worker && for file in $(PROMPT_FILES); do \
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' \
			$(top_srcdir)/$$file && echo ,; \
	done >$@.new && mv $@.new $@
worker/libprompt_a-prompt_template.$(OBJEXT): worker/prompt_texts.inc
CLEANFILES += worker/prompt_texts.inc
EXTRA_DIST += $(PROMPT_FILES)
optimax_inference_SOURCES += worker/compose_reply.c worker/compose_reply.h
libmodel_a_SOURCES += worker/model_address.c worker/model_address.h

# follow-ups, for the provider builtin; the turns before, also for prompts
libbuiltin_a_SOURCES += worker/history.c worker/history.h \
	worker/builtin/follow_up.c worker/builtin/follow_up.h
