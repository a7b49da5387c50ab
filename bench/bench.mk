# bench/: what it builds and what that links

# Accuracy and cost of the classification on labelled texts; fit_route.py fits its weights.
noinst_PROGRAMS += bench/route_eval
bench_route_eval_SOURCES = bench/route_eval.c bench/eval_json.c bench/eval_json.h
bench_route_eval_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
bench_route_eval_LDADD = $(CLASSIFY_LIBS) libcommon.a $(JANSSON_LIBS)
EXTRA_DIST += bench/fit_route.py

# Eviction on the real code against LRU; eviction_traces runs it on workload.py's traces.
noinst_PROGRAMS += bench/eviction
bench_eviction_SOURCES = bench/eviction.c bench/eviction_policies.c bench/eviction_policies.h \
	bench/eviction_trace.c bench/eviction_trace.h
bench_eviction_LDADD = $(SHM_LIBS) -lm
EXTRA_DIST += bench/eviction_traces
# How often schema linking finds the tables that a question needs, and how fast.
noinst_PROGRAMS += bench/link_eval
bench_link_eval_SOURCES = bench/link_eval.c bench/link_questions.c bench/link_questions.h \
	bench/eval_json.c bench/eval_json.h
bench_link_eval_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
bench_link_eval_LDADD = $(TEXT_LIBS) $(SNAPSHOT_LIBS) $(JANSSON_LIBS)
# Its weights, judged on databases that they were not fitted to.
noinst_PROGRAMS += bench/link_fit
bench_link_fit_SOURCES = bench/link_fit.c bench/link_questions.c bench/link_questions.h \
	bench/eval_json.c bench/eval_json.h
bench_link_fit_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
bench_link_fit_LDADD = $(TEXT_LIBS) $(SNAPSHOT_LIBS) $(JANSSON_LIBS) -lm

# What the inference worker adds to a call: gateway drives it, the stub answers, curl is the floor.
noinst_PROGRAMS += bench/curl_floor bench/model_stub
bench_curl_floor_SOURCES = bench/curl_floor.c
bench_curl_floor_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
bench_curl_floor_LDADD = $(COMMON_LIBS) $(CURL_LIBS)
bench_model_stub_SOURCES = bench/model_stub.c
bench_model_stub_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
bench_model_stub_LDADD = $(COMMON_LIBS)
EXTRA_DIST += bench/gateway bench/gateway_clients
# What the cache costs, on a segment of its own.
noinst_PROGRAMS += bench/cache
bench_cache_SOURCES = bench/cache.c
bench_cache_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
bench_cache_LDADD = $(SHM_LIBS) -lm
# The validator: time by size, and each layer's share.
noinst_PROGRAMS += bench/validate
bench_validate_SOURCES = bench/validate.c
bench_validate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
bench_validate_LDADD = $(VALIDATE_LIBS) $(JANSSON_LIBS)

# A hit through the daemon, at few and at many entries: bench/hit runs it.
noinst_PROGRAMS += bench/hit_loop
bench_hit_loop_SOURCES = bench/hit_loop.c
bench_hit_loop_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS)
bench_hit_loop_LDFLAGS = $(AM_LDFLAGS) -static
bench_hit_loop_LDADD = liboptimax_objects.la $(SHM_LIBS) $(MSGPACK_LIBS)
EXTRA_DIST += bench/hit bench/README.md
