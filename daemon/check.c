/*
 * optimax-check: prepares the shared-memory segments of an instance before anybody attaches,
 * or verifies and repairs the live one after a child died badly. For people it lists the
 * cache's entries, and prints the figures of an instance whose router does not answer.
 * Runs and exits.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pack.h"
#include "common/role.h"
#include "daemon/figures.h"
#include "shm/cache.h"
#include "shm/segment.h"

enum { TOP_MAX = 100, TIME_MAX_S = 300 /* whoever waits for a report has gone by then */ };

enum job { JOB_PREPARE, JOB_VERIFY, JOB_TOP, JOB_STATS, JOB_COUNT };

struct options {
	const char *instance;
	struct segment_geometry geometry;
	enum job job;
	bool checksums;
	bool report; /* as a MessagePack map: to the control descriptor, stats to standard output */
	enum cache_order order;
	unsigned type_mask;
	size_t limit;
	unsigned index; /* of its slot of the metrics */
};

static const struct argp_option option_rows[] = {
    {"instance", 'i', "NAME", 0, "The instance whose segments are meant", 0},
    {"size", 's', "BYTES", 0, "cache.size", 0},
    {"max-value", 'm', "BYTES", 0, "cache.max_value", 0},
    {"verify", 'v', NULL, 0, "Verify and repair the live segment, instead of preparing it", 0},
    {"checksums", 'c', NULL, 0, "Check every entry's checksum too", 0},
    {"report", 'r', NULL, 0, "Write what was found to descriptor 3", 0},
    {"top", 't', "ORDER", 0, "List entries by size, use or cost, to descriptor 3", 0},
    {"type", 'y', "TYPE", 0, "List only route, chat, sql or llm", 0},
    {"limit", 'l', "N", 0, "List so many entries (20)", 0},
    {"index", 'n', "N", 0, "Count repairs as the checker of this number (0)", 0},
    {"stats", 'S', NULL, 0, "Write the instance's figures to standard output", 0},
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

static unsigned type_argument(const char *text, struct argp_state *state)
{
	static const char *const group_of_type[CACHE_TYPE_COUNT] = {
#define CACHE_TYPE(id, name, group, ttl_key, writer) [CACHE_##id] = #group,
#include "common/cache_types.def"
#undef CACHE_TYPE
	};
	unsigned mask = 0;

	for (int type = 0; type < CACHE_TYPE_COUNT; type++)
		if (strcasecmp(text, group_of_type[type]) == 0)
			mask |= 1u << type;
	if (mask == 0)
		argp_error(state, "--type is route, chat, sql or llm");
	return mask;
}

static const char *const order_names[] = {
    [CACHE_BY_SIZE] = "size", [CACHE_BY_USE] = "use", [CACHE_BY_COST] = "cost"};

static enum cache_order order_argument(const char *text, struct argp_state *state)
{
	for (int order = CACHE_BY_SIZE; order <= CACHE_BY_COST; order++)
		if (strcmp(text, order_names[order]) == 0)
			return (enum cache_order)order;
	argp_error(state, "--top is size, use or cost");
	return CACHE_BY_SIZE;
}

static void check_options(const struct options *options, struct argp_state *state)
{
	bool sized =
	    options->geometry.cache_size_bytes > 0 && options->geometry.max_value_bytes > 0;

	if (!options->instance || (options->job == JOB_PREPARE && !sized))
		argp_error(state, "--instance, --size and --max-value are needed");
	if (options->limit < 1 || options->limit > TOP_MAX)
		argp_error(state, "--limit is 1 to %d", TOP_MAX);
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
		options->job = JOB_VERIFY;
		return 0;
	case 'c':
		options->checksums = true;
		return 0;
	case 'r':
		options->report = true;
		return 0;
	case 't':
		options->job = JOB_TOP;
		options->order = order_argument(argument, state);
		return 0;
	case 'y':
		options->type_mask = type_argument(argument, state);
		return 0;
	case 'l':
		options->limit = strtoul(argument, NULL, 10);
		return 0;
	case 'n':
		options->index = (unsigned)strtoul(argument, NULL, 10);
		return 0;
	case 'S':
		options->job = JOB_STATS;
		return 0;
	case ARGP_KEY_END:
		check_options(options, state);
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
		log_error("cache: cannot attach /dev/shm/optimax-%s: %s", options->instance,
		    segment_attach_fault(error));
	return error;
}

static int write_report(int fd, const struct buffer *report)
{
	for (size_t at = 0; at < report->size;) {
		ssize_t size = write(fd, report->data + at, report->size - at);

		if (size < 0 && errno != EINTR)
			return -errno;
		at += size > 0 ? (size_t)size : 0;
	}
	return 0;
}

static int report_verified(
    struct cache *cache, const struct cache_verified *verified, bool checksums)
{
	CLEAN(buffer) struct buffer report = BUFFER_INIT;
	struct cache_usage usage;
	uint64_t entries = 0, bytes = 0;

	cache_usage(cache, &usage);
	for (int type = 0; type < CACHE_TYPE_COUNT; type++) {
		entries += usage.entries[type];
		bytes += usage.bytes[type];
	}
	pack_map(&report, 7);
	pack_pair_int(&report, "shards", (int64_t)verified->shards);
	pack_pair_int(&report, "repaired", (int64_t)verified->repaired);
	pack_pair_int(&report, "skipped", (int64_t)verified->skipped);
	pack_pair_int(&report, "lost", (int64_t)verified->lost);
	pack_pair_int(&report, "entries", (int64_t)entries);
	pack_pair_int(&report, "bytes", (int64_t)bytes);
	pack_pair_bool(&report, "checksums", checksums);
	return write_report(CHILD_FD_CONTROL, &report);
}

/* A slot of the metrics has one writer: the supervisor gives those that may run at once different
 * numbers. */
static void count_in_metrics(const struct options *options, struct cache *cache)
{
	struct metrics *metrics;

	if (segment_attach_metrics(options->instance, true, &metrics) == 0 &&
	    metrics_claim(metrics, ROLE_CHECK, "", options->index) == 0)
		cache_count_in(cache, metrics);
}

static int verify(const struct options *options)
{
	struct cache_verified verified;
	struct cache *cache;
	int error = attach(options, &cache);

	if (error)
		return error;
	count_in_metrics(options, cache);
	cache_verify_all(cache, options->checksums, &verified);
	say_what_was_found(
	    "verified", cache_count(cache, ~0u, CACHE_NO_DATABASE), verified.repaired);
	if (verified.skipped > 0)
		log_warning("cache: %llu of %llu shards were not verified: a writer holds each for "
		            "longer than a second",
		    (unsigned long long)verified.skipped, (unsigned long long)verified.shards);
	return options->report ? report_verified(cache, &verified, options->checksums) : 0;
}

static void pack_listed(
    const struct cache *cache, const struct cache_listed *listed, struct buffer *report)
{
	static const char *const type_names[CACHE_TYPE_COUNT] = {
#define CACHE_TYPE(id, name, group, ttl_key, writer) [CACHE_##id] = name,
#include "common/cache_types.def"
#undef CACHE_TYPE
	};
	struct bytes database = cache_database_name(cache, listed->database);

	pack_map(report, 6u + (database.size > 0));
	pack_pair_string(report, "type", type_names[listed->type]);
	if (database.size > 0)
		pack_pair_text(report, "database", database);
	pack_pair_int(report, "bytes", (int64_t)listed->bytes);
	pack_pair_int(report, "age_ms", listed->age_ms);
	pack_pair_int(report, "left_ms", listed->left_ms);
	pack_pair_float(report, "cost_ms", (double)listed->cost_us / 1000);
	pack_pair_int(report, "uses", listed->uses);
}

static int top(const struct options *options)
{
	CLEAN(buffer) struct buffer report = BUFFER_INIT;
	struct cache_listed entries[TOP_MAX];
	struct cache_top found;
	struct cache *cache;
	int error = attach(options, &cache);

	if (error)
		return error;
	cache_top(cache, options->type_mask, options->order, options->limit, entries, &found);
	pack_map(&report, 4);
	pack_pair_string(&report, "by", order_names[options->order]);
	pack_pair_int(&report, "total_entries", (int64_t)found.entries);
	pack_pair_int(&report, "total_bytes", (int64_t)found.bytes);
	pack_string(&report, "entries");
	pack_array(&report, found.listed);
	for (size_t i = 0; i < found.listed; i++)
		pack_listed(cache, &entries[i], &report);
	return write_report(CHILD_FD_CONTROL, &report);
}

/* The metrics may be read by a group that must not see the cache itself. */
static int stats(const struct options *options)
{
	CLEAN(buffer) struct buffer report = BUFFER_INIT;
	struct metrics *metrics;
	struct cache *cache = NULL;
	struct cache_usage usage;
	struct metrics_sum sum;
	int error = segment_attach_metrics(options->instance, false, &metrics);

	if (error) {
		log_error("there are no figures to read in /dev/shm/optimax-%s-metrics: %s",
		    options->instance, strerror(-error));
		return error;
	}
	metrics_read(metrics, &sum);
	if (segment_attach_cache(options->instance, &cache) == 0)
		cache_usage(cache, &usage);
	pack_map(&report, FIGURES_PAIRS);
	figures_pack(&sum, cache ? &usage : NULL, &report);
	return write_report(STDOUT_FILENO, &report);
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
	if (outcome.metrics_reason[0] != '\0')
		log_notice("metrics: started clean: %s", outcome.metrics_reason);
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
	static int (*const jobs[JOB_COUNT])(const struct options *options) = {
	    [JOB_PREPARE] = prepare, [JOB_VERIFY] = verify, [JOB_TOP] = top, [JOB_STATS] = stats};
	struct options options = {.type_mask = ~0u, .limit = 20};

	argp_err_exit_status = 1;
	log_init("check");
	clock_init();
	argp_parse(&parser, argc, argv, 0, NULL, &options);
	if (options.job != JOB_PREPARE)
		alarm(TIME_MAX_S);
	return jobs[options.job](&options) ? 1 : 0;
}
