#include "worker/completion_cache.h"

#include "shm/cache.h"
#include "worker/completion.h"

static int cache_index(const struct provider *provider, const struct provider_call *call)
{
	return call->database.data ? cache_database(provider->cache, call->database)
	                           : CACHE_NO_DATABASE;
}

bool completion_cache_answer(
    const struct provider *provider, struct provider_call *call, struct bytes key)
{
	CLEAN(buffer) struct buffer completion = BUFFER_INIT;
	struct cache_hit hit;
	struct error error;

	if (!provider->cache || provider->ttl_llm_ms == 0 || call->max_age_ms == 0)
		return false;
	if (cache_get(provider->cache, CACHE_LLM, cache_index(provider, call), key,
	        call->max_age_ms, &completion, &hit) != CACHE_OK)
		return false;
	if (completion_read(call->job, bytes_of_buffer(&completion), &call->answer, &error) != 0)
		return false;
	call->age_ms = hit.age_ms;
	buffer_append_bytes(&call->cache_key, key);
	return true;
}

uint32_t completion_cache_generation(
    const struct provider *provider, const struct provider_call *call)
{
	if (!provider->cache)
		return 0;
	return cache_generation(provider->cache, CACHE_LLM, cache_index(provider, call));
}

void completion_cache_keep(const struct provider *provider, struct provider_call *call,
    uint32_t generation, struct bytes key, struct bytes completion, int64_t took_us)
{
	struct cache_put put = {
	    .type = CACHE_LLM,
	    .generation = generation,
	    .key = key,
	    .value = completion,
	    .ttl_ms = provider->ttl_llm_ms,
	    .cost_us = (uint64_t)(took_us + 1),
	};

	if (!provider->cache || completion.size == 0)
		return;
	put.database = cache_index(provider, call);
	if (cache_put(provider->cache, &put) == CACHE_OK)
		buffer_append_bytes(&call->cache_key, key);
}
