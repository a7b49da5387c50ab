# daemon/: what it builds and what that links

# the router: no password, no key, no network
optimaxlibexec_PROGRAMS += optimax-router
optimax_router_SOURCES = \
	daemon/ask.c daemon/ask.h daemon/ask_call.c daemon/ask_route.c daemon/repair.c daemon/repair.h \
	daemon/client.c daemon/client.h \
	daemon/control.c daemon/control.h \
	daemon/databases.c daemon/databases.h \
	daemon/inspect.c \
	daemon/entry.c daemon/entry.h \
	daemon/keys.c daemon/keys.h \
	daemon/methods.c daemon/methods.h \
	daemon/pool.c daemon/pool.h \
	daemon/refused_keys.c daemon/refused_keys.h \
	daemon/reply.c daemon/reply.h \
	daemon/request.c daemon/request.h \
	daemon/router.c daemon/router.h \
	daemon/schema_reply.c daemon/schema_reply.h \
	daemon/figures.c daemon/figures.h \
	daemon/stats_reply.c \
	daemon/threshold.c daemon/threshold.h
optimax_router_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
optimax_router_LDADD = $(CLASSIFY_LIBS) $(TEXT_LIBS) $(SNAPSHOT_LIBS) $(SHM_LIBS) $(COMMON_LIBS)
# optimax-check: prepares the segments at start, verifies and repairs them later.
optimaxlibexec_PROGRAMS += optimax-check
optimax_check_SOURCES = daemon/check.c daemon/figures.c daemon/figures.h
optimax_check_LDADD = $(SHM_LIBS) $(MSGPACK_LIBS)
# optimaxd: configuration and supervisor. No client's bytes, no segment.
noinst_LIBRARIES += libconfig.a libsupervisor.a
libconfig_a_SOURCES = \
	common/config_keys.def \
	daemon/config.c daemon/config.h daemon/config_compare.c \
	daemon/config_check.c daemon/config_check.h \
	daemon/config_fault.c daemon/config_fault.h \
	daemon/config_patterns.c daemon/config_patterns.h \
	daemon/spawn.c daemon/spawn.h \
	daemon/config_read.c daemon/config_read.h \
	daemon/config_value.c daemon/config_value.h \
	daemon/config_yaml.c daemon/config_yaml.h
libconfig_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS) $(XXHASH_CFLAGS)
libsupervisor_a_SOURCES = \
	daemon/checker.c daemon/checker.h \
	daemon/child_life.c daemon/child_life.h \
	daemon/children.c daemon/children.h \
	daemon/inspection.c daemon/inspection.h \
	daemon/corrections.c daemon/corrections.h \
	daemon/instance_lock.c daemon/instance_lock.h \
	daemon/listen.c daemon/listen.h \
	daemon/watchdog.c daemon/watchdog.h \
	daemon/reload.c daemon/relay.c daemon/wiring.c daemon/supervisor_parts.h \
	daemon/send_config.c daemon/send_config.h \
	daemon/snapshots.c daemon/snapshots.h \
	daemon/supervisor.c daemon/supervisor.h daemon/supervisor_stop.c
libsupervisor_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(SYSTEMD_CFLAGS) $(XXHASH_CFLAGS)
SUPERVISOR_LIBS = libsupervisor.a libconfig.a $(COMMON_LIBS) $(YAML_LIBS) $(SYSTEMD_LIBS) $(XXHASH_LIBS)

sbin_PROGRAMS += optimaxd
optimaxd_SOURCES = daemon/optimaxd.c daemon/optimaxd.h
optimaxd_LDADD = $(SUPERVISOR_LIBS)
# The classification of texts, which the router links.
noinst_LIBRARIES += libclassify.a
libclassify_a_SOURCES = \
	daemon/classify.c daemon/classify.h \
	daemon/classify_phrases.def daemon/classify_signals.def daemon/classify_words.def \
	daemon/classify_kin.def daemon/classify_kin.c daemon/classify_kin.h \
	daemon/classify_check.c daemon/classify_check.h \
	daemon/classify_corrections.c daemon/classify_corrections.h \
	daemon/classify_rules.c \
	daemon/classify_signals.c daemon/classify_signals.h
libclassify_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) $(XXHASH_CFLAGS)
CLASSIFY_LIBS = libclassify.a $(TEXT_LIBS) $(PCRE2_LIBS) -lm

# the files that a configuration names: prompts and examples
libconfig_a_SOURCES += common/prompts.def daemon/config_files.c daemon/config_files.h

# the router: verified examples for prompts
optimax_router_SOURCES += daemon/examples.c daemon/examples.h

# what the daemon learns: files of records in state_dir
libsupervisor_a_SOURCES += daemon/state_records.c daemon/state_records.h
# the router: who waits for which job
optimax_router_SOURCES += daemon/flight.c daemon/flight.h

# what is taught
libsupervisor_a_SOURCES += daemon/taught.c daemon/taught.h
optimax_router_SOURCES += daemon/teach.c daemon/teach.h
# the router: who may call which provider
optimax_router_SOURCES += daemon/job.c daemon/job.h daemon/permits.c daemon/permits.h daemon/turns.c daemon/turns.h
