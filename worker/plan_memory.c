#include "worker/plan_memory.h"

#include <xxhash.h>

static XXH128_hash_t hash_of(struct bytes sql)
{
	XXH128_hash_t hash = XXH3_128bits(sql.data, sql.size);

	/* An empty slot is all zero. */
	hash.high64 |= hash.low64 == 0;
	return hash;
}

bool plan_memory_knows(const struct plan_memory *memory, struct bytes sql)
{
	XXH128_hash_t hash = hash_of(sql);
	size_t slot = hash.low64 % PLAN_MEMORY_SLOTS;

	return memory->slots[slot].low == hash.low64 && memory->slots[slot].high == hash.high64;
}

void plan_memory_add(struct plan_memory *memory, struct bytes sql)
{
	XXH128_hash_t hash = hash_of(sql);
	size_t slot = hash.low64 % PLAN_MEMORY_SLOTS;

	memory->slots[slot].low = hash.low64;
	memory->slots[slot].high = hash.high64;
}

void plan_memory_clear(struct plan_memory *memory)
{
	*memory = (struct plan_memory){0};
}
