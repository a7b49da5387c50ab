# worker/: what it builds and what that links

# the SQL validator: PostgreSQL's grammar and allowlists
noinst_LIBRARIES += libvalidate.a
libvalidate_a_SOURCES = \
	worker/allowed_casts.def worker/allowed_catalogs.def worker/allowed_functions.def \
	worker/allowed_nodes.def worker/allowed_operators.def \
	worker/validate.c worker/validate.h \
	worker/validate_names.c \
	worker/validate_reply.c worker/validate_reply.h \
	worker/validate_tree.c worker/validate_tree.h
libvalidate_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
# libpg_query has XXH symbols of its own: xxhash, in SNAPSHOT_LIBS, must come before it.
VALIDATE_LIBS = libvalidate.a $(SNAPSHOT_LIBS) $(JANSSON_LIBS) $(PG_QUERY_LIBS)
