# client/: liboptimax and optimaxctl. The library links msgpack-c alone; optimaxctl holds the
# library's objects themselves, so that it runs from a DESTDIR tree and before ldconfig.
noinst_LTLIBRARIES = liboptimax_objects.la
liboptimax_objects_la_SOURCES = \
	client/call.c \
	client/connection.c client/connection.h \
	client/format.c \
	client/frame.c client/frame.h \
	client/reply.c client/reply.h
liboptimax_objects_la_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS)
liboptimax_objects_la_LIBADD = $(MSGPACK_LIBS)

include_HEADERS += client/optimax.h
lib_LTLIBRARIES += liboptimax.la
liboptimax_la_SOURCES =
liboptimax_la_LIBADD = liboptimax_objects.la
liboptimax_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-export-symbols-regex '^optimax_'

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = client/optimax.pc
EXTRA_DIST += client/optimax.pc.in
CLEANFILES += client/optimax.pc
# msgpack-c's pkg-config name is another on Debian than upstream.
client/optimax.pc: client/optimax.pc.in Makefile
	$(AM_V_GEN)$(MKDIR_P) client && \
	msgpack=msgpack; if $(PKG_CONFIG) --exists msgpack-c; then msgpack=msgpack-c; fi; \
	sed -e 's|@prefix[@]|$(prefix)|' -e 's|@exec_prefix[@]|$(exec_prefix)|' \
	    -e 's|@libdir[@]|$(libdir)|' -e 's|@includedir[@]|$(includedir)|' \
	    -e 's|@PACKAGE_VERSION[@]|$(PACKAGE_VERSION)|' -e "s|@msgpack[@]|$$msgpack|" \
	    $(srcdir)/client/optimax.pc.in > $@.new && mv $@.new $@

bin_PROGRAMS += optimaxctl
optimaxctl_SOURCES = \
	client/ctl.c client/ctl.h \
	client/ctl_batch.c \
	client/ctl_commands.c client/ctl_reasons.c \
	client/ctl_prompt.c client/ctl_teach.c \
	client/ctl_input.c \
	client/ctl_json.c \
	client/ctl_print.c \
	client/ctl_reply.c \
	client/ctl_request.c \
	client/ctl_schema.c \
	client/ctl_segment.c \
	client/ctl_stats.c
optimaxctl_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
optimaxctl_LDFLAGS = $(AM_LDFLAGS) -static
optimaxctl_LDADD = liboptimax_objects.la $(MSGPACK_LIBS) $(JANSSON_LIBS) $(SMARTCOLS_LIBS)
