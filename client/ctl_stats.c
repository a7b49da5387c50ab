/* stats and status: what the daemon counts, and what it is made of. */
#include "client/ctl.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { WATCH_MS = 2000 };

/* A table of maps, one column a key. */
struct list_column {
	const char *key;
	enum {
		LIST_TEXT,
		LIST_COUNT,
		LIST_NUMBER,
		LIST_RATE,
		LIST_SIZE,
		LIST_SECONDS,
		LIST_MILLIS
	} kind;
	const char *heading;
};

static void list_cell(
    struct ctl_table *table, const msgpack_object *map, const struct list_column *column)
{
	const msgpack_object *value = optimax_get(map, column->key);
	char text[CTL_NUMBER];

	if (!value || value->type == MSGPACK_OBJECT_NIL)
		ctl_table_cell(table, NULL);
	else if (column->kind == LIST_COUNT)
		ctl_table_cell(table, ctl_count(text, ctl_map_integer(map, column->key)));
	else if (column->kind == LIST_RATE)
		ctl_table_cell(
		    table, ctl_count(text, (int64_t)(ctl_map_number(map, column->key) + 0.5)));
	else if (column->kind == LIST_SIZE)
		ctl_table_cell(table, ctl_size(text, ctl_map_integer(map, column->key)));
	else if (column->kind == LIST_SECONDS)
		ctl_table_cell(table, ctl_seconds(text, ctl_map_integer(map, column->key)));
	else if (column->kind == LIST_MILLIS)
		ctl_table_cell(table, ctl_seconds(text, ctl_map_integer(map, column->key) / 1000));
	else
		ctl_table_value(table, value);
}

static struct ctl_table *list_begin(const struct list_column *columns, size_t count)
{
	struct ctl_table *table = ctl_table_new();

	for (size_t i = 0; i < count; i++)
		ctl_table_column(
		    table, columns[i].heading, columns[i].kind == LIST_TEXT ? CTL_LEFT : CTL_RIGHT);
	return table;
}

static void list_end(struct ctl_table *table)
{
	ctl_table_print(table);
	ctl_table_free(table);
}

static void list_print(const msgpack_object *map, const char *key,
    const struct list_column *columns, size_t column_count)
{
	size_t count;
	const msgpack_object *items = ctl_map_list(map, key, &count);
	struct ctl_table *table;

	if (count == 0)
		return;
	table = list_begin(columns, column_count);
	for (size_t i = 0; i < count; i++) {
		ctl_table_row(table);
		for (size_t c = 0; c < column_count; c++)
			list_cell(table, &items[i], &columns[c]);
	}
	printf("\n");
	list_end(table);
}

#define LIST(map, key, columns) list_print(map, key, columns, sizeof(columns) / sizeof(columns[0]))

/* ---- stats ---- */

static void stats_figures(const msgpack_object *map)
{
	const msgpack_object *rules = optimax_get(map, "heuristic_routing");
	const msgpack_object *model = optimax_get(map, "model_routing");
	const msgpack_object *cache = optimax_get(map, "cache_stats");
	const msgpack_object *times = optimax_get(map, "response_times");
	const msgpack_object *repairs = optimax_get(map, "sql_repairs");
	char a[CTL_NUMBER], b[CTL_NUMBER];

	printf("requests        %s", ctl_count(a, ctl_map_integer(map, "total_requests")));
	if (optimax_get(map, "uptime_s"))
		printf(" in %s", ctl_seconds(b, ctl_map_integer(map, "uptime_s")));
	printf("\n");
	printf("routed          %s by heuristics (%.1f %%), ",
	    ctl_count(a, ctl_map_integer(rules, "hits")), ctl_map_number(rules, "percentage"));
	printf("%s by a model", ctl_count(a, ctl_map_integer(model, "hits")));
	if (ctl_map_integer(model, "asked") > 0)
		printf(", which agreed with the heuristics' lean %s of %s times",
		    ctl_count(a, ctl_map_integer(model, "agreed")),
		    ctl_count(b, ctl_map_integer(model, "asked")));
	printf("\n");
	if (ctl_map_integer(repairs, "asked") > 0)
		printf("sql repairs     %s asked of models, %s requests answered by them\n",
		    ctl_count(a, ctl_map_integer(repairs, "asked")),
		    ctl_count(b, ctl_map_integer(repairs, "mended")));
	printf("cache           %.1f %% hits", 100 * ctl_map_number(cache, "hit_rate"));
	if (optimax_get(cache, "bytes"))
		printf(", %s entries, %s", ctl_count(a, ctl_map_integer(cache, "total_entries")),
		    ctl_size(b, ctl_map_integer(cache, "bytes")));
	if (ctl_map_integer(cache, "repairs") > 0)
		printf(", %s repairs", ctl_count(a, ctl_map_integer(cache, "repairs")));
	printf("\nresponse times  average %.2f ms, p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, "
	       "p99.9 %.2f ms\n",
	    ctl_map_number(times, "average_ms"), ctl_map_number(times, "p50_ms"),
	    ctl_map_number(times, "p90_ms"), ctl_map_number(times, "p99_ms"),
	    ctl_map_number(times, "p999_ms"));
}

static void stats_caches(const msgpack_object *cache)
{
	static const char *const types[] = {"route", "chat", "sql", "llm"};
	static const struct list_column columns[] = {
	    {"hits", LIST_COUNT, "hits"},
	    {"misses", LIST_COUNT, "misses"},
	    {"entries", LIST_COUNT, "entries"},
	    {"bytes", LIST_SIZE, "size"},
	    {"evictions", LIST_COUNT, "evicted"},
	    {"expired", LIST_COUNT, "expired"},
	    {"stale", LIST_COUNT, "stale"},
	    {"lost", LIST_COUNT, "lost"},
	    {"dropped", LIST_COUNT, "dropped"},
	};
	const size_t count = sizeof(columns) / sizeof(columns[0]);
	struct ctl_table *table = ctl_table_new();

	ctl_table_column(table, "cache", CTL_LEFT);
	for (size_t c = 0; c < count; c++)
		ctl_table_column(table, columns[c].heading, CTL_RIGHT);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const msgpack_object *type = optimax_get(cache, types[i]);
		if (!type)
			continue;
		ctl_table_row(table);
		ctl_table_cell(table, types[i]);
		for (size_t c = 0; c < count; c++)
			list_cell(table, type, &columns[c]);
	}
	printf("\n");
	list_end(table);
}

static void people_stats(const msgpack_object *map)
{
	static const struct list_column workers[] = {
	    {"role", LIST_TEXT, "role"},
	    {"database", LIST_TEXT, "database"},
	    {"pid", LIST_NUMBER, "pid"},
	    {"state", LIST_TEXT, "state"},
	    {"restarts", LIST_COUNT, "restarts"},
	    {"in_flight", LIST_COUNT, "in flight"},
	};

	stats_figures(map);
	stats_caches(optimax_get(map, "cache_stats"));
	LIST(map, "workers", workers);
}

static int stats_reset(struct ctl *ctl)
{
	struct optimax_reply *reply;
	int status = ctl_connect_control(ctl);

	if (status == CTL_OK)
		status = ctl_request(ctl, "reset_stats", NULL, NULL, NULL, &reply);
	if (status != CTL_OK)
		return status;
	if (ctl_format(ctl) == CTL_PEOPLE)
		printf("counting from zero\n");
	else if (ctl_format(ctl) == CTL_JSON)
		printf("{}\n");
	optimax_reply_free(reply);
	return CTL_OK;
}

/* True where Ctrl-C came. */
static bool stats_pause(struct ctl *ctl)
{
	struct pollfd poller = {.fd = ctl->signal_fd, .events = POLLIN};

	fflush(stdout);
	return poll(&poller, 1, WATCH_MS) > 0;
}

static int stats_once(struct ctl *ctl)
{
	struct optimax_reply *reply;
	int status = ctl->segment ? ctl_segment_read(ctl, &reply)
	                          : ctl_request(ctl, "stats", NULL, NULL, NULL, &reply);

	if (status != CTL_OK)
		return status;
	if (ctl->watch && ctl_format(ctl) == CTL_PEOPLE && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J");
	ctl_show(ctl, reply, people_stats);
	optimax_reply_free(reply);
	return CTL_OK;
}

int ctl_run_stats(struct ctl *ctl)
{
	int status = CTL_OK;

	if (ctl->reset && ctl->segment)
		return ctl_usage(ctl, "--reset and --segment exclude each other");
	if (ctl->reset)
		return stats_reset(ctl);
	if (ctl->segment)
		ctl_catch_interrupt(ctl);
	else
		status = ctl_connect(ctl);
	while (status == CTL_OK) {
		status = stats_once(ctl);
		if (status != CTL_OK || !ctl->watch)
			break;
		if (stats_pause(ctl))
			return CTL_INTERRUPTED;
		if (ctl_format(ctl) == CTL_PEOPLE)
			printf("\n");
	}
	return status;
}

/* ---- cache ---- */

static void people_verify(const msgpack_object *map)
{
	char a[CTL_NUMBER], b[CTL_NUMBER];
	int64_t repaired = ctl_map_integer(map, "repaired");
	int64_t skipped = ctl_map_integer(map, "skipped");

	printf("verified %s entries (%s) and their checksums in %lld shards: ",
	    ctl_count(a, ctl_map_integer(map, "entries")),
	    ctl_size(b, ctl_map_integer(map, "bytes")), (long long)ctl_map_integer(map, "shards"));
	if (repaired == 0)
		printf("all sound\n");
	else
		printf("%lld repaired, %s entries lost\n", (long long)repaired,
		    ctl_count(a, ctl_map_integer(map, "lost")));
	if (skipped > 0)
		printf("%lld shards were busy and not looked at\n", (long long)skipped);
}

static void people_top(const msgpack_object *map)
{
	static const struct list_column entries[] = {
	    {"type", LIST_TEXT, "type"},
	    {"database", LIST_TEXT, "database"},
	    {"bytes", LIST_SIZE, "size"},
	    {"age_ms", LIST_MILLIS, "age"},
	    {"left_ms", LIST_MILLIS, "expires in"},
	    {"cost_ms", LIST_NUMBER, "cost ms"},
	    {"uses", LIST_COUNT, "uses"},
	};
	char total[CTL_NUMBER], size[CTL_NUMBER];
	size_t count;

	ctl_map_list(map, "entries", &count);
	printf("%zu of %s entries (%s) by %s\n", count,
	    ctl_count(total, ctl_map_integer(map, "total_entries")),
	    ctl_size(size, ctl_map_integer(map, "total_bytes")), ctl_map_text(map, "by"));
	LIST(map, "entries", entries);
}

static void pack_text(msgpack_packer *packer, const char *text)
{
	msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* The parameters of cache_top; what was not given is the daemon's choice. */
static void pack_top(const struct ctl *ctl, msgpack_sbuffer *params)
{
	bool limited = ctl->limit != CTL_ABSENT;
	msgpack_packer packer;

	msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
	msgpack_pack_map(&packer, (size_t)(ctl->by != NULL) + (ctl->type != NULL) + limited);
	if (ctl->by) {
		pack_text(&packer, "by");
		pack_text(&packer, ctl->by);
	}
	if (ctl->type) {
		pack_text(&packer, "type");
		pack_text(&packer, ctl->type);
	}
	if (limited) {
		pack_text(&packer, "limit");
		msgpack_pack_int64(&packer, ctl->limit);
	}
}

int ctl_run_cache(struct ctl *ctl)
{
	bool top = strcmp(ctl->words[0], "top") == 0;
	struct optimax_reply *reply;
	msgpack_sbuffer params;
	int status;

	if (!top && strcmp(ctl->words[0], "verify") != 0)
		return ctl_usage(ctl, "cache: '%s' is neither verify nor top", ctl->words[0]);
	if (!top && (ctl->given & (CTL_BY | CTL_TYPE | CTL_LIMIT)))
		return ctl_usage(ctl, "cache verify takes no --by, --type or --limit");
	status = ctl_connect_control(ctl);
	if (status != CTL_OK)
		return status;
	msgpack_sbuffer_init(&params);
	if (top)
		pack_top(ctl, &params);
	status = ctl_request(
	    ctl, top ? "cache_top" : "cache_verify", top ? &params : NULL, NULL, NULL, &reply);
	msgpack_sbuffer_destroy(&params);
	if (status != CTL_OK)
		return status;
	status = ctl_show(ctl, reply, top ? people_top : people_verify);
	optimax_reply_free(reply);
	return status;
}

/* ---- status ---- */

static void people_status(const msgpack_object *map)
{
	static const struct list_column children[] = {
	    {"role", LIST_TEXT, "role"},
	    {"database", LIST_TEXT, "database"},
	    {"pid", LIST_NUMBER, "pid"},
	    {"state", LIST_TEXT, "state"},
	    {"restarts", LIST_COUNT, "restarts"},
	    {"uptime_s", LIST_SECONDS, "up"},
	    {"last_death", LIST_TEXT, "last death"},
	};
	static const struct list_column databases[] = {
	    {"name", LIST_TEXT, "database"},
	    {"state", LIST_TEXT, "state"},
	    {"reason", LIST_TEXT, "reason"},
	};
	static const struct list_column providers[] = {
	    {"name", LIST_TEXT, "provider"},
	    {"state", LIST_TEXT, "state"},
	    {"calls", LIST_COUNT, "calls"},
	    {"concurrency", LIST_COUNT, "at most"},
	    {"waiting", LIST_COUNT, "waiting"},
	    {"latency_ms", LIST_COUNT, "latency ms"},
	    {"tokens_per_s", LIST_RATE, "tokens/s"},
	    {"last_error", LIST_TEXT, "last error"},
	};

	printf("instance ");
	ctl_print_text(stdout, ctl_map_text(map, "instance"));
	printf(": ");
	ctl_print_text(stdout, ctl_map_text(map, "state"));
	printf(", supervisor pid %lld\n", (long long)ctl_map_integer(map, "supervisor_pid"));
	LIST(map, "children", children);
	LIST(map, "databases", databases);
	LIST(map, "providers", providers);
}

int ctl_run_status(struct ctl *ctl)
{
	struct optimax_reply *reply;
	int status = ctl_connect_control(ctl);

	if (status == CTL_OK)
		status = ctl_request(ctl, "status", NULL, NULL, NULL, &reply);
	if (status != CTL_OK)
		return status;
	status = ctl_show(ctl, reply, people_status);
	optimax_reply_free(reply);
	return status;
}
