/*
 * The life of the two shared-memory segments of an instance: /optimax-<instance> (the cache,
 * 0600) and /optimax-<instance>-metrics (0640). optimax-check prepares them before any other
 * process attaches; everybody else only attaches. The supervisor owns when; nobody unmaps.
 * Guarded by the instance's flock (a descriptor every process inherits), taken by the supervisor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;
struct metrics;

struct segment_geometry {
	uint64_t cache_size_bytes; /* the whole segment: 16 MiB to 64 GiB */
	uint64_t max_value_bytes;
};

/* What segment_prepare found and did, for the log. */
struct segment_outcome {
	bool created;
	char reason[128]; /* why it started clean; empty where it went on */
	char metrics_reason[128]; /* the same of the metrics */
	uint64_t entries; /* live entries kept */
	uint64_t repaired; /* shards that were not clean */
};

/* optimax-check only: attaches or makes both segments, repairs every shard. 0 or -errno;
 * on failure `ret_message` says what is wrong and what to do (owner, ENOSPC, mode). */
int segment_prepare(const char *instance, const struct segment_geometry *geometry,
    struct segment_outcome *ret_outcome, char *ret_message, size_t message_size);

/* Maps the prepared segments. 0 or -errno: -ENOENT where nobody prepared them, -EPERM where
 * another user owns them, -EUCLEAN where they are not what this program, boot or file size
 * says. The mappings last as long as the process. For reading, the metrics may be another's. */
int segment_attach_cache(const char *instance, struct cache **ret_cache);
int segment_attach_metrics(const char *instance, bool writable, struct metrics **ret_metrics);
/* Why not, and what to do, for the log. */
const char *segment_attach_fault(int error);

/* Removes both names, for tests and for a clean uninstall. 0 or -errno. */
int segment_unlink(const char *instance);
