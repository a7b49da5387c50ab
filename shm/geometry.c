#include "shm/shard.h"

#include <errno.h>

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static uint64_t power_of_two_below(uint64_t value)
{
	uint64_t power = 1;

	while (power <= value / 2)
		power *= 2;
	return power;
}

static uint64_t shards_offset(void)
{
	return round_up(sizeof(struct layout_header), LAYOUT_PAGE) +
	       round_up(sizeof(struct layout_database) * CACHE_DATABASES_MAX, LAYOUT_PAGE);
}

static uint64_t least_shard_size(uint64_t max_value)
{
	uint64_t size = max_value * LAYOUT_SHARD_VALUES;

	return round_up(size > LAYOUT_SHARD_MIN ? size : LAYOUT_SHARD_MIN, LAYOUT_PAGE);
}

uint64_t geometry_least_size(uint64_t max_value)
{
	uint64_t size = shards_offset() + least_shard_size(max_value);

	return size > LAYOUT_SIZE_MIN ? size : LAYOUT_SIZE_MIN;
}

/* What is left of a shard behind its buckets takes 32 bytes and two bits a grain. */
static void plan_shard(struct geometry *geometry)
{
	uint64_t offset = round_up(sizeof(struct layout_shard), 64);
	uint64_t left;

	geometry->bucket_count =
	    (uint32_t)power_of_two_below(geometry->shard_size / LAYOUT_BUCKET_BYTES);
	offset = round_up(offset + geometry->bucket_count * sizeof(uint64_t), 64);
	left = geometry->shard_size - offset - 2 * 64; /* for rounding the bitmaps up */
	geometry->grains = (uint32_t)(left * 8 / (8 * LAYOUT_GRAIN + 2) / 64 * 64);
	geometry->used_offset = offset;
	geometry->starts_offset = round_up(offset + geometry->grains / 8, 64);
	geometry->arena_offset = round_up(geometry->starts_offset + geometry->grains / 8, 64);
	geometry->slots_max = geometry->grains / 2 / 2 / LAYOUT_SLOT_BLOCK * LAYOUT_SLOT_BLOCK;
	geometry->entry_grains_max = geometry->grains / 4;
}

int geometry_plan(uint64_t size, uint64_t max_value, struct geometry *ret_geometry)
{
	struct geometry geometry = {.size = size, .max_value = max_value};
	uint64_t usable, fit;

	if (size < LAYOUT_SIZE_MIN || size > LAYOUT_SIZE_MAX || max_value == 0 ||
	    max_value > LAYOUT_SIZE_MAX)
		return -EINVAL;
	geometry.shards_offset = shards_offset();
	usable = size - geometry.shards_offset;
	fit = usable / least_shard_size(max_value);
	if (fit == 0)
		return -EINVAL;
	if (fit > LAYOUT_SHARDS_MAX)
		fit = LAYOUT_SHARDS_MAX;
	geometry.shard_count = (uint32_t)power_of_two_below(fit);
	geometry.shard_size = usable / geometry.shard_count / LAYOUT_PAGE * LAYOUT_PAGE;
	plan_shard(&geometry);
	*ret_geometry = geometry;
	return 0;
}

void geometry_plan_one_shard(uint64_t room, uint64_t max_value, struct geometry *ret_geometry)
{
	struct geometry geometry = {.max_value = max_value, .shard_count = 1};

	geometry.shards_offset = shards_offset();
	geometry.shard_size = round_up(sizeof(struct layout_shard) + room, LAYOUT_PAGE);
	do {
		geometry.shard_size += LAYOUT_PAGE;
		plan_shard(&geometry);
	} while ((uint64_t)geometry.grains * LAYOUT_GRAIN < room);
	geometry.size = geometry.shards_offset + geometry.shard_size;
	*ret_geometry = geometry;
}
