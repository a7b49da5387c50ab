/*
 * optimaxctl: what its files share. ctl.c reads the command line, ctl_commands.c has the table of
 * commands, ctl_request.c talks to the daemon, ctl_print.c and ctl_json.c write.
 * Handlers return the exit status.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "client/optimax.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NO_DAEMON = 3,
	CTL_INTERRUPTED = 130,
};

enum ctl_format { CTL_PEOPLE, CTL_JSON, CTL_CSV };

/* Options that not every command takes; command rows say which. */
enum ctl_option {
	CTL_ROUTE = 1 << 0,
	CTL_LIMIT = 1 << 1,
	CTL_MAX_AGE = 1 << 2,
	CTL_TIMEOUT = 1 << 3,
	CTL_NO_CACHE = 1 << 4,
	CTL_STREAM = 1 << 5,
	CTL_EXPLAIN = 1 << 6,
	CTL_HISTORY = 1 << 7,
	CTL_BATCH = 1 << 8,
	CTL_WATCH = 1 << 9,
	CTL_RESET = 1 << 10,
	CTL_TYPE = 1 << 11,
	CTL_TABLE = 1 << 12,
	CTL_SEGMENT = 1 << 14,
	CTL_BY = 1 << 15,
	CTL_LEARN = 1 << 16,
	CTL_FORGET = 1 << 17,
	CTL_LIST = 1 << 18,
	CTL_ANY = 1 << 13, /* every command takes it */
	CTL_JOB = 1 << 20,
	CTL_ASK = CTL_LIMIT | CTL_MAX_AGE | CTL_TIMEOUT | CTL_NO_CACHE | CTL_STREAM | CTL_EXPLAIN,
};

#define CTL_ABSENT INT64_MIN

struct ctl {
	/* from the command line */
	const struct ctl_command *command;
	const char *socket, *control, *database;
	bool json, csv, help, version;
	const char *route, *history, *type, *table, *segment, *by, *job, *learn;
	int64_t limit, max_age_ms, timeout_ms; /* CTL_ABSENT */
	bool no_cache, stream, explain, batch, watch, reset, forget, list;
	unsigned given; /* enum ctl_option */
	const char **words;
	size_t word_count;
	/* while it runs */
	struct optimax *client;
	int signal_fd; /* SIGINT, once a request can be cancelled; -1 before */
};

struct ctl_command {
	const char *word;
	const char *arguments; /* as the usage line shows them */
	size_t words_min, words_max;
	bool empty_with_batch; /* --batch stands for the words */
	unsigned options;
	int (*run)(struct ctl *ctl);
	const char *help;
	const char *example;
};

extern const struct ctl_command ctl_commands[];
const struct ctl_command *ctl_command_find(const char *word);
enum ctl_format ctl_format(const struct ctl *ctl);

/* ---- ctl_input.c ---- */

/* Integer and ms, s, m, h, d. False where it is none. */
bool ctl_duration(const char *text, int64_t *ret_ms);
/* The words joined by blanks, or standard input where the only word is "-". CTL_OK or says why. */
int ctl_text(struct ctl *ctl, char **ret_text);
/* The history file, where one is given, as a pair of the map that was begun. CTL_OK, or says what
 * is wrong with it. */
int ctl_pack_history(struct ctl *ctl, msgpack_packer *packer);

/* ---- ctl_request.c ---- */

int ctl_connect(struct ctl *ctl);
int ctl_connect_control(struct ctl *ctl);
/* `on_delta` may be NULL. CTL_OK, or the exit status, the error being printed. */
int ctl_request(struct ctl *ctl, const char *method, const msgpack_sbuffer *params,
    void (*on_delta)(void *owner, const msgpack_object *piece), void *owner,
    struct optimax_reply **ret_reply);
/* Until then nothing is to be cancelled: SIGINT ends the process with CTL_INTERRUPTED. */
void ctl_exit_on_interrupt(void);
/* SIGINT becomes readable on ctl->signal_fd instead of ending the process. */
void ctl_catch_interrupt(struct ctl *ctl);
/* Prints an error as the contract has it; returns its exit status. */
int ctl_fail_client(struct ctl *ctl);
int ctl_fail(struct ctl *ctl, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* `optimaxctl: …` and where help is; CTL_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A params map of text pairs; NULL values are left out. more: pairs that the caller adds. */
struct ctl_pair {
	const char *key, *value;
};
void ctl_pack_pairs(
    msgpack_sbuffer *params, const struct ctl_pair *pairs, size_t count, size_t more);

/* ---- ctl_json.c ---- */

void ctl_json_value(FILE *file, const msgpack_object *value);
void ctl_json_string(FILE *file, const char *text, size_t size);
void ctl_csv_cell(FILE *file, const msgpack_object *value);
void ctl_csv_text(FILE *file, const char *text);
/* A result without rows: name,value lines, names of nested values joined by dots. */
void ctl_csv_flat(const msgpack_object *value);
bool ctl_json_pack(msgpack_packer *packer, const json_t *value);

/* ---- ctl_print.c ---- */

struct ctl_table;
enum ctl_align { CTL_LEFT, CTL_RIGHT };
struct ctl_table *ctl_table_new(void);
void ctl_table_free(struct ctl_table *table);
void ctl_table_column(struct ctl_table *table, const char *name, enum ctl_align align);
/* Starts a row; then one ctl_table_cell a column, from the left. NULL: an empty cell. */
void ctl_table_row(struct ctl_table *table);
void ctl_table_cell(struct ctl_table *table, const char *text);
void ctl_table_value(struct ctl_table *table, const msgpack_object *value);
void ctl_table_print(struct ctl_table *table);
/* The same, but record by record where the terminal is too narrow. */
void ctl_table_print_rows(struct ctl_table *table);

/* Text from elsewhere, its control characters made visible: a terminal obeys them. */
void ctl_print_text(FILE *file, const char *text);
enum { CTL_NUMBER = 48 };
const char *ctl_count(char text[static CTL_NUMBER], int64_t count);
const char *ctl_size(char text[static CTL_NUMBER], int64_t bytes);
const char *ctl_seconds(char text[static CTL_NUMBER], int64_t seconds);
const char *ctl_micros(char text[static CTL_NUMBER], int64_t micros);
/* Values of a map; 0, "" where absent. */
int64_t ctl_map_integer(const msgpack_object *map, const char *key);
double ctl_map_number(const msgpack_object *map, const char *key);
const char *ctl_map_text(const msgpack_object *map, const char *key);
/* The items of a list under a key; none where it is absent. */
const msgpack_object *ctl_map_list(const msgpack_object *map, const char *key, size_t *ret_count);

/* ---- ctl_segment.c ---- */

/* The figures of an instance from its shared memory, with the daemon hung or gone: what `stats`
 * answers, but for what only the router knows. CTL_OK, or says why not. */
int ctl_segment_read(struct ctl *ctl, struct optimax_reply **ret_reply);

/* ---- handlers ---- */

int ctl_run_ask(struct ctl *ctl);
int ctl_run_sql(struct ctl *ctl);
int ctl_run_batch(struct ctl *ctl, const char *method, const char *key);
int ctl_run_teach(struct ctl *ctl);
int ctl_run_prompt(struct ctl *ctl);
int ctl_run_schema(struct ctl *ctl);
int ctl_run_stats(struct ctl *ctl);
int ctl_run_cache(struct ctl *ctl);
int ctl_run_status(struct ctl *ctl);
/* A result that is one map: JSON, CSV, or `people` prints it. */
int ctl_show(
    struct ctl *ctl, const struct optimax_reply *reply, void (*people)(const msgpack_object *map));
/* Connects, asks, shows: commands whose parameters are texts. ret_reply may be NULL. */
int ctl_simple(struct ctl *ctl, int (*connect)(struct ctl *ctl), const char *method,
    const struct ctl_pair *pairs, size_t pair_count, void (*people)(const msgpack_object *map),
    struct optimax_reply **ret_reply);
void ctl_print_reasons(const msgpack_object *map);
