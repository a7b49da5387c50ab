# common/: tables, wire code, clock, errors, logging, the skeleton of a child. Links libevent and msgpack-c.
noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/allow.c common/allow.h \
	common/bytes.c common/bytes.h \
	common/cache_types.def common/check_codes.def common/errors.def common/messages.def \
	common/metrics.def common/results.def common/roles.def common/limits.h \
	common/channel.c common/channel.h \
	common/child.c common/child.h \
	common/child_config.c common/child_config.h \
	common/clock.c common/clock.h \
	common/error.c common/error.h \
	common/log.c common/log.h \
	common/message.c common/message.h common/message_rows.c \
	common/msgpack_scan.c common/msgpack_scan.h \
	common/pack.c common/pack.h \
	common/pass_fd.c common/pass_fd.h \
	common/role.c common/role.h \
	common/rpc.c common/rpc.h
libcommon_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(MSGPACK_CFLAGS)
COMMON_LIBS = libcommon.a $(EVENT_LIBS) $(MSGPACK_LIBS)
