# text/: what it builds and what that links

# the schema snapshot: one struct, its bytes, its sealed descriptor
noinst_LIBRARIES += libsnapshot.a
libsnapshot_a_SOURCES = text/snapshot.c text/snapshot_codec.c text/snapshot.h
libsnapshot_a_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
SNAPSHOT_LIBS = libsnapshot.a $(COMMON_LIBS) $(XXHASH_LIBS)
