/*
 * Attach to a segment somebody damaged. The first byte says what is: the header of a whole
 * segment, which is refused or has not really changed; or a shard with its registry, which is
 * repaired as segment_prepare does it, and must then be whole. The rest are patches: three bytes
 * where, one how many, and the bytes.
 * A header is judged on a page of its own, so that a look beyond it is noticed, and because to
 * map 16 MiB takes a sanitizer milliseconds: one in WHOLE_EVERY inputs goes that way as well.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "shm/segment.h"
#include "tests/crash/tiny.h"
#include "tests/fuzz/fuzz.h"

enum { GRAINS = 512, KEYS = 24, TTL_MS = 600000, WHOLE_EVERY = 1024 };

static struct tiny tiny;
static void *filled;
static char instance[48];
static struct cache *whole;
static struct layout_header *page;
/* Behind it come only padding and the lock, and what glibc holds in a mutex is believed. */
enum { HEADER_SIZE = offsetof(struct layout_header, constants_hash) + sizeof(uint64_t) };

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void unlink_segments(void)
{
	segment_unlink(instance);
}

static void open_whole(void)
{
	const struct segment_geometry small = {
	    .cache_size_bytes = 16 << 20, .max_value_bytes = 1 << 20};
	struct segment_outcome outcome;
	char message[512];

	snprintf(instance, sizeof(instance), "test-fuzz-%d", (int)getpid());
	must(segment_prepare(instance, &small, &outcome, message, sizeof(message)) == 0, message);
	atexit(unlink_segments);
	must(segment_attach_cache(instance, &whole) == 0, "no segment");
	page = aligned_alloc(LAYOUT_PAGE, LAYOUT_PAGE);
	must(page != NULL, "no memory");
	memcpy(page, whole->header, LAYOUT_PAGE);
}

static void fill_tiny(void)
{
	tiny_open_with(&tiny, GRAINS);
	for (uint64_t key = 0; key < KEYS; key++)
		tiny_put(&tiny, key, 1, 24 + key * 5, TTL_MS);
	must(cache_database(&tiny.cache, bytes_of_string("one")) == 0, "no database");
	filled = tiny_keep(&tiny);
}

static void patch(char *memory, size_t size, const uint8_t *bytes, size_t left)
{
	while (left > 4) {
		size_t at = (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
		size_t count = bytes[3];

		bytes += 4;
		left -= 4;
		for (at %= size; count > 0 && left > 0 && at < size; count--, left--)
			memory[at++] = (char)*bytes++;
	}
}

static void attach_whole(const uint8_t *bytes, size_t size, bool is_same)
{
	struct cache *cache;
	int error;

	patch((char *)whole->header, HEADER_SIZE, bytes, size);
	error = segment_attach_cache(instance, &cache);
	must(error == (is_same ? 0 : -EUCLEAN), "attached otherwise than its header says");
	if (error == 0) {
		munmap(cache->header, cache->geometry.size);
		free(cache);
	}
	memcpy(whole->header, page, HEADER_SIZE);
}

static void attach_header(const uint8_t *bytes, size_t size)
{
	struct cache *cache;
	bool is_same;

	patch((char *)page, HEADER_SIZE, bytes, size);
	is_same = memcmp(page, whole->header, HEADER_SIZE) == 0;
	cache = segment_open(page, whole->geometry.size);
	must(is_same || !cache, "a header that was changed is believed");
	must(!is_same || cache, "a header that is as it was is refused");
	free(cache);
	memcpy(page, whole->header, HEADER_SIZE);
	if (XXH3_64bits(bytes, size) % WHOLE_EVERY == 0)
		attach_whole(bytes, size, is_same);
}

static void attach_shard(const uint8_t *bytes, size_t size)
{
	const size_t head = offsetof(struct layout_header, registry_lock);
	struct shard shard = tiny_shard(&tiny);
	const char *fault;

	tiny_put_back(&tiny, filled);
	tiny.cache.random = 4711;
	/* Mostly the shard: the registry is long and says little. */
	if (size > 1 && bytes[0] % 8 == 0)
		patch((char *)tiny.cache.header + head,
		    LAYOUT_PAGE + TINY_DATABASES * sizeof(struct layout_database) - head, bytes,
		    size);
	else
		patch((char *)shard.header, tiny.cache.geometry.shard_size, bytes, size);
	must(lock_init(&tiny.cache.header->registry_lock) == 0, "no lock");
	must(lock_init(&shard.header->lock) == 0, "no lock");
	shard_is_sound_locked(&shard, false);
	shard_repair_locked(&shard, false);
	must(shard_is_sound_locked(&shard, false), "the repair leaves it unsound");
	for (uint64_t key = 0; key < KEYS; key++)
		must(tiny_get(&tiny, key) != TINY_WRONG, "a wrong value");
	for (uint64_t key = 0; key < 8; key++)
		tiny_put(&tiny, 100 + key, 1, 24 + key * 40, TTL_MS);
	cache_database(&tiny.cache, bytes_of_string("two"));
	cache_touch(&tiny.cache, 0, 3);
	cache_verify(&tiny.cache, true);
	fault = judge_shard(&tiny);
	must(!fault, fault ? fault : "");
	must(tiny_put(&tiny, 200, 5, 100, TTL_MS) == CACHE_OK && tiny_get(&tiny, 200) == 5,
	    "it is of no use any more");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!whole) {
		open_whole();
		fill_tiny();
	}
	if (size == 0)
		return 0;
	if (bytes[0] % 4 == 0)
		attach_header(bytes + 1, size - 1);
	else
		attach_shard(bytes + 1, size - 1);
	return 0;
}
