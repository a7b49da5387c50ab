#include "daemon/refused_keys.h"

#include "common/clock.h"

void refused_keys_add(struct refused_keys *refused, uint64_t hash)
{
	unsigned slot = refused->next++ % REFUSED_KEYS;

	refused->keys[slot].hash = hash;
	refused->keys[slot].until_ms = clock_now_ms() + REFUSED_KEY_MS;
}

bool refused_keys_has(const struct refused_keys *refused, uint64_t hash)
{
	int64_t now_ms = clock_now_ms();

	for (unsigned i = 0; i < REFUSED_KEYS; i++)
		if (refused->keys[i].hash == hash && refused->keys[i].until_ms > now_ms)
			return true;
	return false;
}
