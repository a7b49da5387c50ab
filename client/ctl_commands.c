#include "client/ctl.h"

#include <stdlib.h>
#include <string.h>

int ctl_show(
    struct ctl *ctl, const struct optimax_reply *reply, void (*people)(const msgpack_object *map))
{
	const msgpack_object *map = optimax_reply_value(reply);

	switch (ctl_format(ctl)) {
	case CTL_JSON:
		ctl_json_value(stdout, map);
		putchar('\n');
		break;
	case CTL_CSV:
		ctl_csv_flat(map);
		break;
	case CTL_PEOPLE:
		people(map);
		break;
	}
	return CTL_OK;
}

int ctl_simple(struct ctl *ctl, int (*connect)(struct ctl *ctl), const char *method,
    const struct ctl_pair *pairs, size_t pair_count, void (*people)(const msgpack_object *map),
    struct optimax_reply **ret_reply)
{
	struct optimax_reply *reply;
	msgpack_sbuffer params;
	int status = connect(ctl);

	if (status != CTL_OK)
		return status;
	msgpack_sbuffer_init(&params);
	if (pair_count > 0)
		ctl_pack_pairs(&params, pairs, pair_count, 0);
	status = ctl_request(ctl, method, pair_count > 0 ? &params : NULL, NULL, NULL, &reply);
	msgpack_sbuffer_destroy(&params);
	if (status != CTL_OK)
		return status;
	status = ctl_show(ctl, reply, people);
	if (ret_reply)
		*ret_reply = reply;
	else
		optimax_reply_free(reply);
	return status;
}

/* ---- ping, reload, flush ---- */

static void people_ping(const msgpack_object *map)
{
	char up[CTL_NUMBER];

	printf("optimaxd ");
	ctl_print_text(stdout, ctl_map_text(map, "version"));
	printf(", protocol %lld, instance ", (long long)ctl_map_integer(map, "protocol"));
	ctl_print_text(stdout, ctl_map_text(map, "instance"));
	printf(", up %s\n", ctl_seconds(up, ctl_map_integer(map, "uptime_s")));
}

static int run_ping(struct ctl *ctl)
{
	return ctl_simple(ctl, ctl_connect, "ping", NULL, 0, people_ping, NULL);
}

static void people_reload(const msgpack_object *map)
{
	size_t count;
	const msgpack_object *keys = ctl_map_list(map, "changed", &count);

	if (count == 0)
		printf("reloaded, nothing changed\n");
	for (size_t i = 0; i < count; i++) {
		printf("%s", i == 0 ? "reloaded, changed: " : ", ");
		if (keys[i].type == MSGPACK_OBJECT_STR)
			ctl_print_text(stdout, keys[i].via.str.ptr);
		if (i + 1 == count)
			printf("\n");
	}
}

static int run_reload(struct ctl *ctl)
{
	return ctl_simple(ctl, ctl_connect_control, "reload", NULL, 0, people_reload, NULL);
}

static void people_flush(const msgpack_object *map)
{
	char count[CTL_NUMBER];
	int64_t flushed = ctl_map_integer(map, "flushed");

	printf("%s cached %s flushed\n", ctl_count(count, flushed),
	    flushed == 1 ? "entry" : "entries");
}

static int run_flush(struct ctl *ctl)
{
	const struct ctl_pair pairs[] = {
	    {"type", ctl->type}, {"database", ctl->database}, {"table", ctl->table}};

	if (ctl->table && !ctl->database)
		return ctl_usage(ctl, "--table needs --database");
	return ctl_simple(ctl, ctl_connect_control, "flush", pairs, 3, people_flush, NULL);
}

/* ---- route and check ---- */

static void people_route(const msgpack_object *map)
{
	size_t count;

	ctl_map_list(map, "reasons", &count);
	ctl_print_text(stdout, ctl_map_text(map, "route"));
	printf(" (confidence %.2f)%s\n", ctl_map_number(map, "confidence"),
	    count > 0 ? ", because" : "");
	ctl_print_reasons(map);
}

static void people_learn(const msgpack_object *map)
{
	char count[CTL_NUMBER];
	int64_t corrections = ctl_map_integer(map, "corrections");

	printf("done; %s %s kept\n", ctl_count(count, corrections),
	    corrections == 1 ? "correction is" : "corrections are");
}

static int learn_route(struct ctl *ctl, const char *text)
{
	const struct ctl_pair pairs[] = {{"text", text},
	    {"route", ctl->forget ? "auto" : ctl->learn}, {"database", ctl->database}};

	return ctl_simple(ctl, ctl_connect_control, "learn", pairs, 3, people_learn, NULL);
}

static int run_route(struct ctl *ctl)
{
	struct ctl_pair pairs[] = {{"text", NULL}, {"database", ctl->database}};
	char *text;
	int status;

	if (ctl->learn && strcmp(ctl->learn, "sql") != 0 && strcmp(ctl->learn, "chat") != 0)
		return ctl_usage(ctl, "--learn takes sql or chat");
	if ((ctl->learn && ctl->forget) || (ctl->batch && (ctl->learn || ctl->forget)))
		return ctl_usage(ctl, "--learn, --forget and --batch do not go together");
	if (ctl->batch)
		return ctl_run_batch(ctl, "route", "text");
	status = ctl_text(ctl, &text);
	if (status != CTL_OK)
		return status;
	pairs[0].value = text;
	if (ctl->learn || ctl->forget)
		status = learn_route(ctl, text);
	else
		status = ctl_simple(ctl, ctl_connect, "route", pairs, 2, people_route, NULL);
	free(text);
	return status;
}

static void people_check(const msgpack_object *map)
{
	size_t count;
	const msgpack_object *tables = ctl_map_list(map, "tables", &count);
	const char *code = ctl_map_text(map, "code");
	const char *reason = ctl_map_text(map, "reason");

	ctl_print_text(stdout, ctl_map_text(map, "verdict"));
	if (*code) {
		printf(" (");
		ctl_print_text(stdout, code);
		printf(")");
	}
	if (*reason) {
		printf(": ");
		ctl_print_text(stdout, reason);
	}
	for (size_t i = 0; i < count && !*code; i++) {
		printf("%s", i == 0 ? ": reads " : ", ");
		if (tables[i].type == MSGPACK_OBJECT_STR)
			ctl_print_text(stdout, tables[i].via.str.ptr);
	}
	printf("\n");
}

static int run_check(struct ctl *ctl)
{
	struct ctl_pair pairs[] = {{"sql", NULL}, {"database", ctl->database}};
	struct optimax_reply *reply;
	char *text;
	int status;

	if (ctl->batch)
		return ctl_run_batch(ctl, "check", "sql");
	status = ctl_text(ctl, &text);
	if (status != CTL_OK)
		return status;
	pairs[0].value = text;
	status = ctl_simple(ctl, ctl_connect, "check", pairs, 2, people_check, &reply);
	free(text);
	if (status != CTL_OK)
		return status;
	if (strcmp(ctl_map_text(optimax_reply_value(reply), "verdict"), "allow") != 0)
		status = CTL_FAILED;
	optimax_reply_free(reply);
	return status;
}

/* ---- the table ---- */

const struct ctl_command ctl_commands[] = {
    {"ask", "WORDS...", 1, SIZE_MAX, false, CTL_ASK | CTL_ROUTE | CTL_HISTORY, ctl_run_ask,
        "Answer a question; - reads standard input",
        "optimaxctl ask top 5 customers by revenue --explain"},
    {"sql", "STATEMENT", 1, SIZE_MAX, false, CTL_ASK, ctl_run_sql,
        "Run one SELECT statement; - reads standard input",
        "optimaxctl sql 'SELECT * FROM orders' --limit 10 --csv"},
    {"route", "TEXT", 1, SIZE_MAX, true, CTL_BATCH | CTL_LEARN | CTL_FORGET, run_route,
        "Say whether a text asks for data (--learn, --forget)",
        "optimaxctl route 'how many orders are open?'"},
    {"check", "STATEMENT", 1, SIZE_MAX, true, CTL_BATCH, run_check,
        "Say whether a statement would be allowed",
        "optimaxctl check 'DELETE FROM orders' || echo refused"},
    {"prompt", "QUESTION", 1, SIZE_MAX, false, CTL_JOB | CTL_HISTORY, ctl_run_prompt,
        "Show what a model would be sent; none is asked",
        "optimaxctl prompt how many orders are open"},
    {"teach", "QUESTION SQL", 0, 2, false, CTL_FORGET | CTL_LIST, ctl_run_teach,
        "Say what SQL answers a question (--list, --forget)",
        "optimaxctl teach 'how many are open?' \"SELECT count(*) FROM orders WHERE status = "
        "'open'\""},
    {"schema", "[TABLE]", 0, 1, false, 0, ctl_run_schema, "List the tables, or the columns of one",
        "optimaxctl schema orders"},
    {"stats", "", 0, 0, false, CTL_WATCH | CTL_RESET | CTL_SEGMENT, ctl_run_stats,
        "Show what was counted (--watch, --reset, --segment)", "optimaxctl stats --watch"},
    {"cache", "verify|top", 1, 1, false, CTL_BY | CTL_TYPE | CTL_LIMIT, ctl_run_cache,
        "Check the cache, or list its entries (--by, --type)",
        "optimaxctl cache top --by cost --limit 5"},
    {"flush", "", 0, 0, false, CTL_TYPE | CTL_TABLE, run_flush,
        "Forget cached answers (--type, --database, --table)",
        "optimaxctl flush --database shop --table orders"},
    {"status", "", 0, 0, false, 0, ctl_run_status, "Show processes, databases and model providers",
        "optimaxctl status --json"},
    {"ping", "", 0, 0, false, 0, run_ping, "See whether the daemon answers", "optimaxctl ping"},
    {"reload", "", 0, 0, false, 0, run_reload, "Read the configuration again", "optimaxctl reload"},
    {0},
};

const struct ctl_command *ctl_command_find(const char *word)
{
	for (const struct ctl_command *command = ctl_commands; command->word; command++) {
		if (strcmp(command->word, word) == 0)
			return command;
	}
	return NULL;
}
