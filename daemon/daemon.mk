# daemon/: what it builds and what that links

# the router: no password, no key, no network
optimaxlibexec_PROGRAMS += optimax-router
optimax_router_SOURCES = \
	daemon/ask.c \
	daemon/client.c daemon/client.h \
	daemon/control.c daemon/control.h \
	daemon/databases.c daemon/databases.h \
	daemon/inspect.c \
	daemon/keys.c daemon/keys.h \
	daemon/methods.c daemon/methods.h \
	daemon/pool.c daemon/pool.h \
	daemon/reply.c daemon/reply.h \
	daemon/request.c daemon/request.h \
	daemon/router.c daemon/router.h \
	daemon/schema_reply.c daemon/schema_reply.h \
	daemon/stats_reply.c
optimax_router_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
optimax_router_LDADD = $(CLASSIFY_LIBS) $(TEXT_LIBS) $(SNAPSHOT_LIBS) $(SHM_LIBS) $(COMMON_LIBS)
# optimax-check: prepares the segments at start, verifies and repairs them later.
optimaxlibexec_PROGRAMS += optimax-check
optimax_check_SOURCES = daemon/check.c
optimax_check_LDADD = $(SHM_LIBS)
