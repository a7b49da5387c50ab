/*
 * The latest schema of each database, as the descriptor of a sealed memfd that its watcher
 * sent. Kept so that a child that is started again gets it at once; never mapped here.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

struct snapshot_record {
	char *database, *version;
	int fd;
};
struct snapshots {
	size_t count;
	struct snapshot_record *items;
};

/* Takes the descriptor; replaces an earlier one. The record is valid until the next change. */
const struct snapshot_record *snapshots_set(
    struct snapshots *snapshots, const char *database, struct bytes version, int fd);
void snapshots_drop(struct snapshots *snapshots, const char *database);
void snapshots_deinit(struct snapshots *snapshots);
