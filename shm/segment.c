#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

#include "shm/layout_metrics.h"
#include "shm/segment_file.h"
#include "shm/shard.h"

static_assert(SEGMENT_LEAST >= sizeof(struct layout_header), "what is mapped has a header");

static bool name_is_fit(const char *instance)
{
	size_t size = strlen(instance);

	return size > 0 && size <= SEGMENT_INSTANCE_MAX &&
	       strspn(instance, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                        "0123456789_-.") == size;
}

static int segment_of_cache(const char *instance, struct segment_file *ret_segment)
{
	if (!name_is_fit(instance))
		return -EINVAL;
	*ret_segment = (struct segment_file){.mode = 0600, .purpose = "the cache"};
	snprintf(ret_segment->name, sizeof(ret_segment->name), "/optimax-%s", instance);
	return 0;
}

static int segment_of_metrics(const char *instance, struct segment_file *ret_segment)
{
	if (!name_is_fit(instance))
		return -EINVAL;
	*ret_segment = (struct segment_file){
	    .mode = 0640, .size = sizeof(struct layout_metrics), .purpose = "the metrics segment"};
	snprintf(ret_segment->name, sizeof(ret_segment->name), "/optimax-%s-metrics", instance);
	return 0;
}

enum { BOOT_ID_SIZE = sizeof(((struct layout_constants *)NULL)->boot_id) };

/* Without /proc all boots look alike; then it matters that /dev/shm does not outlive one. */
static const char *boot_id(void)
{
	static char id[BOOT_ID_SIZE];
	CLEAN(fd) int fd = -1;
	ssize_t size;

	if (id[0])
		return id; /* a process sees one boot only */
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return id;
	size = read(fd, id, sizeof(id) - 1);
	id[size > 0 ? strcspn(id, "\n") : 0] = '\0';
	return id;
}

/* Whatever changes where a byte of the cache segment lies or what it means. */
static uint64_t cache_layout_hash(void)
{
	static const char types[] =
#define CACHE_TYPE(id, name, group, ttl_key, writer) name "\n"
#include "common/cache_types.def"
#undef CACHE_TYPE
	    ;
	const uint64_t sizes[] = {
	    sizeof(struct layout_header),
	    sizeof(struct layout_database),
	    sizeof(struct layout_shard),
	    sizeof(struct layout_slot),
	    sizeof(struct layout_extent),
	    sizeof(struct lock),
	    offsetof(struct layout_header, flush_generation),
	    offsetof(struct layout_shard, counts),
	    offsetof(struct layout_slot, kind),
	    LAYOUT_GRAIN,
	    LAYOUT_SLOT_BLOCK,
	    LAYOUT_BUCKET_BYTES,
	    LAYOUT_SHARDS_MAX,
	    LAYOUT_SHARD_VALUES,
	    LAYOUT_SHARD_MIN,
	    LAYOUT_RELATION_CLOCKS,
	};

	return XXH3_64bits_withSeed(types, sizeof(types), XXH3_64bits(sizes, sizeof(sizes)));
}

static uint64_t constants_hash(const struct layout_constants *constants)
{
	return XXH3_64bits(constants, sizeof(*constants));
}

/* Whether the header is one of this program, boot and geometry; else why not. */
static bool header_holds(const struct layout_header *header, uint64_t size, struct text reason)
{
	const struct layout_constants *constants = &header->constants;

	if (WORDS_LOAD_ACQUIRE(header->magic) != LAYOUT_MAGIC)
		segment_say(reason, "it was not finished, or no cache of OptimaX");
	else if (constants->version != LAYOUT_VERSION)
		segment_say(reason, "its layout changed with the version of OptimaX");
	else if (header->constants_hash != constants_hash(constants))
		segment_say(reason, "its header was damaged");
	else if (constants->layout_hash != cache_layout_hash())
		segment_say(reason, "its layout changed with the version of OptimaX");
	else if (memcmp(constants->boot_id, boot_id(), BOOT_ID_SIZE) != 0)
		segment_say(reason, "the machine was restarted");
	else if (constants->size != size)
		segment_say(reason, "its header was of another size");
	else
		return true;
	return false;
}

static uint64_t random_word(void)
{
	uint64_t word = 0;

	if (getrandom(&word, sizeof(word), 0) != sizeof(word))
		word = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15);
	return word;
}

static struct cache *cache_new(void *memory, const struct geometry *geometry, uint64_t hash_seed)
{
	struct cache *cache = must_zalloc(sizeof(*cache));

	cache->header = memory;
	cache->databases = (struct layout_database *)((char *)memory + LAYOUT_PAGE);
	cache->geometry = *geometry;
	cache->hash_seed = hash_seed;
	cache->random = random_word() | 1;
	return cache;
}

static int start_clean(struct segment_file *segment, const struct geometry *geometry)
{
	CLEAN(free)
	struct cache *cache = cache_new(segment->memory, geometry, random_word());
	struct layout_constants constants = {
	    .version = LAYOUT_VERSION,
	    .layout_hash = cache_layout_hash(),
	    .size = cache->geometry.size,
	    .max_value = cache->geometry.max_value,
	    .hash_seed = cache->hash_seed,
	};
	int error = lock_init(&cache->header->registry_lock);

	memcpy(constants.boot_id, boot_id(), BOOT_ID_SIZE);
	for (uint32_t i = 0; i < cache->geometry.shard_count && !error; i++) {
		struct shard shard = shard_at(cache, i);

		error = shard_init(&shard);
	}
	if (error)
		return error;
	cache->header->constants = constants;
	CRASH_POINT();
	cache->header->constants_hash = constants_hash(&constants);
	CRASH_POINT();
	WORDS_PUBLISH(cache->header->magic, LAYOUT_MAGIC);
	segment_file_drop(segment);
	return 0;
}

/* Nobody else is attached, so no lock is held by anyone who lives: all are made again. */
static int go_on(
    struct segment_file *segment, const struct geometry *geometry, struct segment_outcome *outcome)
{
	const struct layout_header *header = segment->memory;
	CLEAN(free)
	struct cache *cache = cache_new(segment->memory, geometry, header->constants.hash_seed);
	int error = lock_init(&cache->header->registry_lock);

	for (uint32_t i = 0; i < cache->geometry.shard_count && !error; i++) {
		struct shard shard = shard_at(cache, i);
		struct repair_outcome repair;
		bool clean;

		error = lock_init(&shard.header->lock);
		if (error)
			break;
		clean = shard_is_sound_locked(&shard, false);
		repair = shard_repair_locked(&shard, false);
		outcome->entries += repair.live;
		outcome->repaired += clean ? 0 : 1;
	}
	if (!error)
		cache_release_databases(cache);
	segment_file_drop(segment);
	return error;
}

static bool geometry_holds(
    const struct layout_header *header, const struct segment_geometry *wanted, struct text reason)
{
	if (header->constants.max_value == wanted->max_value_bytes)
		return true;
	segment_say(reason, "cache.max_value was %llu bytes, not %llu",
	    (unsigned long long)header->constants.max_value,
	    (unsigned long long)wanted->max_value_bytes);
	return false;
}

static int prepare_cache(const char *instance, const struct segment_geometry *wanted,
    struct segment_outcome *outcome, struct text message)
{
	struct text reason = {outcome->reason, sizeof(outcome->reason)};
	struct geometry geometry;
	struct segment_file segment;
	int opened;

	if (geometry_plan(wanted->cache_size_bytes, wanted->max_value_bytes, &geometry) < 0) {
		segment_say(message,
		    "a cache of %llu bytes cannot take values of %llu: make `cache.size` at least "
		    "%llu MiB (at most 64 GiB), or `cache.max_value` smaller",
		    (unsigned long long)wanted->cache_size_bytes,
		    (unsigned long long)wanted->max_value_bytes,
		    (unsigned long long)(geometry_least_size(wanted->max_value_bytes) + (1 << 20) -
		                         1) >>
		        20);
		return -EINVAL;
	}
	segment_of_cache(instance, &segment);
	segment.size = wanted->cache_size_bytes;
	opened = segment_file_find(&segment, reason, message);
	if (opened < 0)
		return opened;
	if (opened == SEGMENT_OPENED && header_holds(segment.memory, segment.size, reason) &&
	    geometry_holds(segment.memory, wanted, reason))
		return go_on(&segment, &geometry, outcome);
	segment_file_drop(&segment);
	outcome->created = true;
	opened = segment_file_create(&segment, message);
	return opened < 0 ? opened : start_clean(&segment, &geometry);
}

static bool metrics_hold(const struct layout_metrics *layout)
{
	return WORDS_LOAD_ACQUIRE(layout->magic) == METRICS_MAGIC &&
	       layout->version == METRICS_VERSION && layout->layout_hash == metrics_layout_hash();
}

static int prepare_metrics(
    const char *instance, struct segment_outcome *outcome, struct text message)
{
	struct text reason = {outcome->metrics_reason, sizeof(outcome->metrics_reason)};
	struct segment_file segment;
	struct layout_metrics *layout;
	int opened, error;

	segment_of_metrics(instance, &segment);
	opened = segment_file_find(&segment, reason, message);
	if (opened < 0)
		return opened;
	if (opened == SEGMENT_OPENED && !metrics_hold(segment.memory)) {
		segment_say(
		    reason, "its layout changed with the version of OptimaX, or it is no metrics");
		opened = SEGMENT_UNFIT;
	}
	if (opened == SEGMENT_UNFIT) {
		segment_file_drop(&segment);
		error = segment_file_create(&segment, message);
		if (error)
			return error;
	}
	layout = segment.memory;
	error = metrics_init(layout);
	metrics_release_slots(layout, METRICS_SLOTS_KEPT);
	layout->version = METRICS_VERSION;
	CRASH_POINT();
	layout->layout_hash = metrics_layout_hash();
	CRASH_POINT();
	if (!error)
		WORDS_PUBLISH(layout->magic, METRICS_MAGIC);
	segment_file_drop(&segment);
	return error;
}

int segment_prepare(const char *instance, const struct segment_geometry *geometry,
    struct segment_outcome *ret_outcome, char *ret_message, size_t message_size)
{
	struct text message = {ret_message, message_size};
	struct segment_outcome outcome = {0};
	int error;

	if (!name_is_fit(instance)) {
		segment_say(message,
		    "instance name \"%.80s\" is unfit: use up to %d letters, digits, `_`, `-`, `.`",
		    instance, SEGMENT_INSTANCE_MAX);
		return -EINVAL;
	}
	segment_say(message, "cannot make the locks in shared memory");
	error = prepare_metrics(instance, &outcome, message);
	if (!error)
		error = prepare_cache(instance, geometry, &outcome, message);
	if (error)
		return error;
	segment_say(message, "%s", "");
	*ret_outcome = outcome;
	return 0;
}

/* A handle lives as long as its mapping, which is as long as the process; whoever attached may
 * forget it. */
static void *keep(void *handle)
{
	static void **kept;
	static size_t count;

	kept = must_realloc(kept, (count + 1) * sizeof(*kept));
	return kept[count++] = handle;
}

struct cache *segment_open(void *memory, uint64_t size)
{
	const struct layout_header *header = memory;
	struct geometry geometry;
	char why[128];

	if (!header_holds(header, size, (struct text){why, sizeof(why)}) ||
	    geometry_plan(size, header->constants.max_value, &geometry) < 0)
		return NULL;
	return cache_new(memory, &geometry, header->constants.hash_seed);
}

int segment_attach_cache(const char *instance, struct cache **ret_cache)
{
	struct segment_file segment;
	struct cache *cache;
	int error = segment_of_cache(instance, &segment);

	if (!error)
		error = segment_file_attach(&segment, true);
	if (error)
		return error;
	cache = segment_open(segment.memory, segment.size);
	if (!cache) {
		segment_file_drop(&segment);
		return -EUCLEAN;
	}
	*ret_cache = keep(cache);
	return 0;
}

int segment_attach_metrics(const char *instance, bool writable, struct metrics **ret_metrics)
{
	struct segment_file segment;
	int error = segment_of_metrics(instance, &segment);

	if (!error)
		error = segment_file_attach(&segment, writable);
	if (error)
		return error;
	if (!metrics_hold(segment.memory)) {
		segment_file_drop(&segment);
		return -EUCLEAN;
	}
	*ret_metrics = keep(metrics_new(segment.memory));
	return 0;
}

const char *segment_attach_fault(int error)
{
	switch (-error) {
	case ENOENT:
		return "it is gone; restart optimaxd, which makes it again";
	case EUCLEAN:
		return "it is no longer what optimaxd made; restart that, so that it is made again";
	default:
		return strerror(-error);
	}
}

int segment_unlink(const char *instance)
{
	struct segment_file segment;
	int error = segment_of_cache(instance, &segment);

	if (error)
		return error;
	if (shm_unlink(segment.name) < 0 && errno != ENOENT)
		error = -errno;
	segment_of_metrics(instance, &segment);
	if (shm_unlink(segment.name) < 0 && errno != ENOENT && !error)
		error = -errno;
	return error;
}
