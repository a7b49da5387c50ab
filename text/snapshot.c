#include "text/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One block of an arena; the newest is the one that is being filled. */
struct arena_block {
	struct arena_block *next;
	size_t used, capacity;
	max_align_t memory[];
};

enum { ARENA_BLOCK_BYTES = 64 * 1024 };

/* 10,000 tables of 20 columns are about 10 MiB. */
static const size_t SNAPSHOT_BYTES_MAX = 64 << 20;

/* Without these whoever sent the descriptor could change or cut the bytes while we read. */
enum { SEALS_NEEDED = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK };

struct snapshot *snapshot_new(const char *database)
{
	struct snapshot *snapshot = must_zalloc(sizeof(*snapshot));

	snapshot->database = snapshot_string(snapshot, database, strlen(database));
	return snapshot;
}

static struct arena_block *arena_grow(struct snapshot *snapshot, size_t size)
{
	size_t capacity = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
	struct arena_block *block = must_zalloc(sizeof(*block) + capacity);

	block->next = snapshot->arena;
	block->capacity = capacity;
	snapshot->arena = block;
	return block;
}

void *snapshot_alloc(struct snapshot *snapshot, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = snapshot->arena;
	char *memory;

	size = (size + align - 1) / align * align;
	if (!block || block->capacity - block->used < size)
		block = arena_grow(snapshot, size);
	memory = (char *)block->memory + block->used;
	block->used += size;
	return memory;
}

const char *snapshot_string(struct snapshot *snapshot, const char *data, size_t size)
{
	char *copy = snapshot_alloc(snapshot, size + 1);

	if (size)
		memcpy(copy, data, size);
	return copy;
}

void snapshot_free(struct snapshot *snapshot)
{
	struct arena_block *next;

	if (!snapshot)
		return;
	for (struct arena_block *block = snapshot->arena; block; block = next) {
		next = block->next;
		free(block);
	}
	free(snapshot);
}

static int write_all(int fd, struct bytes bytes)
{
	while (bytes.size) {
		ssize_t written = write(fd, bytes.data, bytes.size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes.data += written;
		bytes.size -= (size_t)written;
	}
	return 0;
}

int snapshot_to_fd(struct bytes encoded, int *ret_fd)
{
	CLEAN(fd) int fd = memfd_create("optimax-schema", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, encoded);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, SEALS_NEEDED | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int snapshot_from_fd(int fd, struct snapshot **ret_snapshot)
{
	struct stat status;
	void *mapped;
	size_t size;
	int seals, r;

	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 && errno != EINVAL) /* EINVAL: a file that can have no seals */
		return -errno;
	if (seals < 0 || (seals & SEALS_NEEDED) != SEALS_NEEDED)
		return -EBADMSG;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || (uintmax_t)status.st_size > SNAPSHOT_BYTES_MAX)
		return -EBADMSG;
	size = (size_t)status.st_size;
	mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	r = snapshot_decode(bytes_of(mapped, size), ret_snapshot);
	munmap(mapped, size);
	return r;
}

struct table_name {
	const char *schema, *name;
};

static int table_compare_name(const void *key, const void *member)
{
	const struct table_name *wanted = key;
	const struct snapshot_table *table = member;
	int order = strcmp(wanted->schema, table->schema);

	return order ? order : strcmp(wanted->name, table->name);
}

static const struct snapshot_table *find_in_schema(
    const struct snapshot *snapshot, const char *schema, const char *name)
{
	struct table_name wanted = {schema, name};

	if (!snapshot->table_count)
		return NULL;
	return bsearch(&wanted, snapshot->tables, snapshot->table_count, sizeof(*snapshot->tables),
	    table_compare_name);
}

const struct snapshot_table *snapshot_find_table(
    const struct snapshot *snapshot, const char *schema, const char *name)
{
	const struct snapshot_table *table;

	if (schema)
		return find_in_schema(snapshot, schema, name);
	for (size_t i = 0; i < snapshot->schema_count; i++) {
		table = find_in_schema(snapshot, snapshot->schemas[i], name);
		if (table)
			return table;
	}
	return NULL;
}

int snapshot_find_column(const struct snapshot_table *table, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return (int)i;
	return -1;
}

const struct snapshot_object *snapshot_find_object(
    const struct snapshot_objects *objects, const char *name)
{
	size_t low = 0, high = objects->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(objects->items[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == objects->count || strcmp(objects->items[low].name, name) != 0)
		return NULL;
	return &objects->items[low];
}

const struct snapshot_object *snapshot_next_object(
    const struct snapshot_objects *objects, const struct snapshot_object *object)
{
	const struct snapshot_object *next = object + 1;

	if (next == objects->items + objects->count || strcmp(next->name, object->name) != 0)
		return NULL;
	return next;
}

static int compare_string_to(const void *key, const void *member)
{
	return strcmp(key, *(const char *const *)member);
}

bool snapshot_is_open(const struct snapshot_table *table)
{
	return table->readable && !table->refusal;
}

bool snapshot_is_catalog_call(const struct snapshot *snapshot, const char *name)
{
	return snapshot->catalog_call_count &&
	       bsearch(name, snapshot->catalog_calls, snapshot->catalog_call_count,
	           sizeof(*snapshot->catalog_calls), compare_string_to);
}

bool snapshot_is_in_key(const struct snapshot_table *table, size_t column)
{
	for (size_t i = 0; i < table->primary_key_count; i++)
		if (table->primary_key[i] == column)
			return true;
	for (size_t i = 0; i < table->foreign_key_count; i++)
		for (size_t k = 0; k < table->foreign_keys[i].column_count; k++)
			if (table->foreign_keys[i].columns[k] == column)
				return true;
	return false;
}
