/*
 * optimax-check: prepares the shared-memory segments of an instance before anybody attaches,
 * or verifies and repairs the live one after a child died badly. Runs and exits.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "shm/cache.h"
#include "shm/segment.h"

struct options {
	const char *instance;
	struct segment_geometry geometry;
	bool verify, checksums;
};

static const struct argp_option option_rows[] = {
    {"instance", 'i', "NAME", 0, "The instance whose segments are meant", 0},
    {"size", 's', "BYTES", 0, "cache.size", 0},
    {"max-value", 'm', "BYTES", 0, "cache.max_value", 0},
    {"verify", 'v', NULL, 0, "Verify and repair the live segment, instead of preparing it", 0},
    {"checksums", 'c', NULL, 0, "Check every entry's checksum too", 0},
    {0},
};

static uint64_t bytes_argument(const char *text, const char *option, struct argp_state *state)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-')
		argp_error(state, "--%s takes a number of bytes, not \"%s\"", option, text);
	return value;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'i':
		options->instance = argument;
		return 0;
	case 's':
		options->geometry.cache_size_bytes = bytes_argument(argument, "size", state);
		return 0;
	case 'm':
		options->geometry.max_value_bytes = bytes_argument(argument, "max-value", state);
		return 0;
	case 'v':
		options->verify = true;
		return 0;
	case 'c':
		options->checksums = true;
		return 0;
	case ARGP_KEY_END:
		if (!options->instance || options->geometry.cache_size_bytes == 0 ||
		    options->geometry.max_value_bytes == 0)
			argp_error(state, "--instance, --size and --max-value are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "1,234,567": a large count is read at a glance. */
static const char *grouped(uint64_t value, char text[static 32])
{
	char digits[24];
	size_t size = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	size_t at = 0;

	for (size_t i = 0; i < size; i++) {
		if (i > 0 && (size - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

static void say_what_was_found(const char *verb, uint64_t entries, uint64_t repaired)
{
	char kept[32], shards[32];

	log_notice("cache: %s %s %s, %s %s repaired", verb, grouped(entries, kept),
	    entries == 1 ? "entry" : "entries", repaired ? grouped(repaired, shards) : "no",
	    repaired == 1 || repaired == 0 ? "shard" : "shards");
}

static int attach(const struct options *options, struct cache **ret_cache)
{
	int error = segment_attach_cache(options->instance, ret_cache);

	if (error)
		log_error("cache: cannot attach /dev/shm/optimax-%s: %s; restart optimaxd, which "
		          "makes it again",
		    options->instance, strerror(-error));
	return error;
}

static int verify(const struct options *options)
{
	struct cache_usage usage;
	struct cache *cache;
	uint64_t repaired, entries = 0;
	int error = attach(options, &cache);

	if (error)
		return error;
	repaired = cache_verify(cache, options->checksums);
	cache_usage(cache, &usage);
	for (int type = 0; type < CACHE_TYPE_COUNT; type++)
		entries += usage.entries[type];
	say_what_was_found("verified", entries, repaired);
	return 0;
}

static int prepare(const struct options *options)
{
	struct segment_outcome outcome;
	struct cache *cache;
	char message[512];
	int error = segment_prepare(
	    options->instance, &options->geometry, &outcome, message, sizeof(message));

	if (error) {
		log_error("cache: %s", message);
		return error;
	}
	if (outcome.created) {
		log_notice("cache: started clean: %s", outcome.reason);
		return 0;
	}
	if (options->checksums) {
		error = attach(options, &cache);
		if (error)
			return error;
		outcome.repaired += cache_verify(cache, true);
	}
	say_what_was_found("went on with", outcome.entries, outcome.repaired);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp parser = {
	    .options = option_rows,
	    .parser = parse_option,
	    .doc = "Prepares, or with --verify checks and repairs, the shared-memory segments of "
	           "an OptimaX instance. Run by optimaxd.",
	};
	struct options options = {0};

	argp_err_exit_status = 1;
	log_init("check");
	clock_init();
	argp_parse(&parser, argc, argv, 0, NULL, &options);
	return (options.verify ? verify(&options) : prepare(&options)) ? 1 : 0;
}
