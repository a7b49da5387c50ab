#include "daemon/snapshots.h"

#include <stdlib.h>
#include <unistd.h>

static void record_deinit(struct snapshot_record *record)
{
	free(record->database);
	free(record->version);
	close(record->fd);
}

void snapshots_drop(struct snapshots *snapshots, const char *database)
{
	for (size_t i = 0; i < snapshots->count; i++) {
		if (strcmp(snapshots->items[i].database, database) != 0)
			continue;
		record_deinit(&snapshots->items[i]);
		snapshots->items[i] = snapshots->items[--snapshots->count];
		return;
	}
}

const struct snapshot_record *snapshots_set(
    struct snapshots *snapshots, const char *database, struct bytes version, int fd)
{
	struct snapshot_record *record;

	snapshots_drop(snapshots, database);
	snapshots->items =
	    must_realloc(snapshots->items, (snapshots->count + 1) * sizeof(*snapshots->items));
	record = &snapshots->items[snapshots->count++];
	*record = (struct snapshot_record){must_strdup(database), bytes_to_string(version), fd};
	return record;
}

void snapshots_deinit(struct snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->count; i++)
		record_deinit(&snapshots->items[i]);
	free(snapshots->items);
	*snapshots = (struct snapshots){0};
}
