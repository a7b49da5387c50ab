# shm/: the cache and metrics segments. Links xxhash, and of common/ the bytes, clock and roles.
noinst_LIBRARIES += libshm.a
libshm_a_SOURCES = \
	shm/cache.c shm/cache.h \
	shm/crash_point.c shm/crash_point.h \
	shm/evict.c \
	shm/freshness.c \
	shm/geometry.c \
	shm/layout.h shm/layout_metrics.h \
	shm/lock.c shm/lock.h \
	shm/metrics.c shm/metrics.h \
	shm/repair.c \
	shm/room.c \
	shm/segment.c shm/segment.h \
	shm/segment_file.c shm/segment_file.h \
	shm/shard.c shm/shard.h \
	shm/survey.c \
	shm/words.h
libshm_a_CFLAGS = $(AM_CFLAGS) $(XXHASH_CFLAGS)
SHM_LIBS = libshm.a libcommon.a $(XXHASH_LIBS)
