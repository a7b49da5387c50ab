#include "client/ctl.h"

#include <argp.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ---- */

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_COUNT, OPTION_DURATION };

struct option_row {
	const char *name;
	int key; /* a letter, or above 255 */
	const char *argument;
	enum option_kind kind;
	size_t offset; /* in struct ctl */
	unsigned bit;
	const char *help;
};

#define IN(member) offsetof(struct ctl, member)

static const struct option_row option_rows[] = {
    {"socket", 's', "SOCKET", OPTION_TEXT, IN(socket), CTL_ANY, "the daemon's socket"},
    {"control", 256, "SOCKET", OPTION_TEXT, IN(control), CTL_ANY, "its control socket"},
    {"database", 'd', "NAME", OPTION_TEXT, IN(database), CTL_ANY,
        "a database other than the first one"},
    {"json", 257, NULL, OPTION_FLAG, IN(json), CTL_ANY, "one JSON object a line"},
    {"csv", 258, NULL, OPTION_FLAG, IN(csv), CTL_ANY, "comma-separated values"},
    {"help", 'h', NULL, OPTION_FLAG, IN(help), CTL_ANY, "this"},
    {"version", 'V', NULL, OPTION_FLAG, IN(version), CTL_ANY, "the program's version"},
    {"route", 259, "R", OPTION_TEXT, IN(route), CTL_ROUTE, "auto, sql or chat"},
    {"limit", 260, "N", OPTION_COUNT, IN(limit), CTL_LIMIT, "rows, or entries, at most"},
    {"max-age", 261, "D", OPTION_DURATION, IN(max_age_ms), CTL_MAX_AGE,
        "no cached answer that is older, as in 30s, 5m, 2h"},
    {"timeout", 262, "D", OPTION_DURATION, IN(timeout_ms), CTL_TIMEOUT, "give up after this"},
    {"no-cache", 263, NULL, OPTION_FLAG, IN(no_cache), CTL_NO_CACHE, "do not read the cache"},
    {"stream", 264, NULL, OPTION_FLAG, IN(stream), CTL_STREAM, "show the answer as it comes"},
    {"explain", 265, NULL, OPTION_FLAG, IN(explain), CTL_EXPLAIN, "say why it was done so"},
    {"history", 266, "FILE", OPTION_TEXT, IN(history), CTL_HISTORY,
        "earlier turns: a JSON list of {role, content}"},
    {"batch", 267, NULL, OPTION_FLAG, IN(batch), CTL_BATCH,
        "JSON lines in, JSON lines out, in the same order"},
    {"watch", 268, NULL, OPTION_FLAG, IN(watch), CTL_WATCH, "again every 2 seconds"},
    {"reset", 269, NULL, OPTION_FLAG, IN(reset), CTL_RESET, "count from zero"},
    {"segment", 272, "NAME", OPTION_TEXT, IN(segment), CTL_SEGMENT,
        "read the figures of this instance from shared memory"},
    {"by", 273, "ORDER", OPTION_TEXT, IN(by), CTL_BY, "size, use or cost"},
    {"type", 270, "T", OPTION_TEXT, IN(type), CTL_TYPE, "only route, chat, sql or llm"},
    {"learn", 274, "R", OPTION_TEXT, IN(learn), CTL_LEARN,
        "sql or chat is right for this text, from now on"},
    {"forget", 275, NULL, OPTION_FLAG, IN(forget), CTL_FORGET, "what was learnt of this text"},
    {"list", 276, NULL, OPTION_FLAG, IN(list), CTL_LIST, "what was taught, and other examples"},
    {"table", 271, "T", OPTION_TEXT, IN(table), CTL_TABLE,
        "only results that read this table; needs --database"},
    {"job", 280, "J", OPTION_TEXT, IN(job), CTL_JOB, "sql, route or chat"},
};

enum { OPTION_ROWS = sizeof(option_rows) / sizeof(option_rows[0]) };

static const struct option_row *option_find(int key)
{
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (option_rows[i].key == key)
			return &option_rows[i];
	}
	return NULL;
}

static int64_t option_count(const char *text)
{
	char *end;
	long long count;

	errno = 0;
	count = strtoll(text, &end, 10);
	return errno || end == text || *end || count < 0 ? CTL_ABSENT : count;
}

static void option_set(struct ctl *ctl, const struct option_row *row, const char *argument)
{
	void *place = (char *)ctl + row->offset;
	int64_t number = CTL_ABSENT;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)place = true;
		return;
	case OPTION_TEXT:
		*(const char **)place = argument;
		return;
	case OPTION_COUNT:
		number = option_count(argument);
		if (number == CTL_ABSENT)
			exit(ctl_usage(ctl, "--%s: '%s' is no number", row->name, argument));
		break;
	case OPTION_DURATION:
		if (!ctl_duration(argument, &number))
			exit(ctl_usage(ctl,
			    "--%s: '%s' is no duration; write a number and ms, s, m, h or d",
			    row->name, argument));
		break;
	}
	*(int64_t *)place = number;
}

static error_t option_parse(int key, char *argument, struct argp_state *state)
{
	struct ctl *ctl = state->input;
	const struct option_row *row = option_find(key);

	if (row) {
		option_set(ctl, row, argument);
		ctl->given |= row->bit;
		return 0;
	}
	/* getopt says what is wrong; argp would add a hint at --usage, which is not there. */
	if (key == ARGP_KEY_INIT)
		state->err_stream = NULL;
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (ctl->command) {
		ctl->words[ctl->word_count++] = argument;
		return 0;
	}
	ctl->command = ctl_command_find(argument);
	if (!ctl->command)
		exit(ctl_usage(ctl, "'%s' is no command", argument));
	return 0;
}

/* ---- help ---- */

static void help_options(unsigned bits)
{
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *row = &option_rows[i];
		char left[64], letter[8] = "    ";
		if (!(row->bit & bits))
			continue;
		if (row->key < 256)
			snprintf(letter, sizeof(letter), "-%c, ", row->key);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name,
		    row->argument ? " " : "", row->argument ? row->argument : "");
		printf("  %-22s %s\n", left, row->help);
	}
}

static void help_command(const struct ctl_command *command)
{
	printf("Usage: optimaxctl %s%s%s [OPTIONS]\n%s.\n\n", command->word,
	    *command->arguments ? " " : "", command->arguments, command->help);
	help_options(command->options);
	if (command->options)
		printf("\n");
	help_options(CTL_ANY);
	printf("\nExample: %s\n", command->example);
}

static void help_all(void)
{
	printf("Usage: optimaxctl [OPTIONS] COMMAND ...   (COMMAND --help says more)\n\n");
	for (const struct ctl_command *command = ctl_commands; command->word; command++) {
		char left[64];
		snprintf(left, sizeof(left), "%s %s", command->word, command->arguments);
		printf("  %-22s %s\n", left, command->help);
	}
	printf("\n");
	help_options(CTL_ANY);
	printf("Example: optimaxctl ask how many orders were placed in 2024 --json\n");
}

/* ---- start ---- */

static int ctl_check(struct ctl *ctl)
{
	const struct ctl_command *command = ctl->command;
	bool batch = command->empty_with_batch && ctl->batch;

	for (size_t i = 0; i < OPTION_ROWS; i++) {
		unsigned bit = option_rows[i].bit;
		if (bit != CTL_ANY && (ctl->given & bit) && !(command->options & bit))
			return ctl_usage(
			    ctl, "%s takes no --%s", command->word, option_rows[i].name);
	}
	if (ctl->json && ctl->csv)
		return ctl_usage(ctl, "--json and --csv exclude each other");
	if (batch && ctl->word_count > 0)
		return ctl_usage(
		    ctl, "--batch reads standard input; leave out '%s'", ctl->words[0]);
	if (!batch && ctl->word_count < command->words_min)
		return ctl_usage(ctl, "%s: %s is missing", command->word, command->arguments);
	if (ctl->word_count > command->words_max)
		return ctl_usage(
		    ctl, "%s: '%s' is too much", command->word, ctl->words[command->words_max]);
	return CTL_OK;
}

/* Everything is UTF-8 on the wire, whatever the locale says; without this libsmartcols shows
 * every letter beyond ASCII as bytes where LANG is not set. */
static void ctl_locale(void)
{
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

static void ctl_parse(struct ctl *ctl, int argc, char **argv)
{
	struct argp_option options[OPTION_ROWS + 1] = {{0}};
	const struct argp argp = {.options = options, .parser = option_parse};

	for (size_t i = 0; i < OPTION_ROWS; i++) {
		options[i].name = option_rows[i].name;
		options[i].key = option_rows[i].key;
		options[i].arg = option_rows[i].argument;
	}
	if (argc > 0)
		argv[0] = program_invocation_short_name;
	/* ARGP_IN_ORDER: options after words too, even under POSIXLY_CORRECT. */
	if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_IN_ORDER, NULL, ctl) == 0)
		return;
	fprintf(stderr, "Try: optimaxctl --help (behind -- everything is a word)\n");
	exit(CTL_USAGE);
}

static int ctl_run(struct ctl *ctl)
{
	int status;

	if (ctl->version) {
		printf("optimaxctl %s\n", PACKAGE_VERSION);
		return CTL_OK;
	}
	if (ctl->help) {
		if (ctl->command)
			help_command(ctl->command);
		else
			help_all();
		return CTL_OK;
	}
	if (!ctl->command)
		return ctl_usage(ctl, "a command is missing");
	status = ctl_check(ctl);
	return status == CTL_OK ? ctl->command->run(ctl) : status;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {
	    .limit = CTL_ABSENT,
	    .max_age_ms = CTL_ABSENT,
	    .timeout_ms = CTL_ABSENT,
	    .signal_fd = -1,
	};
	int status;

	ctl_locale();
	ctl_exit_on_interrupt();
	ctl.words = calloc((size_t)argc + 1, sizeof(*ctl.words));
	ctl.client = optimax_new();
	if (!ctl.words || !ctl.client)
		return ctl_fail(&ctl, CTL_FAILED, "no_memory", "memory is out");
	ctl_parse(&ctl, argc, argv);
	status = ctl_run(&ctl);
	optimax_free(ctl.client);
	free(ctl.words);
	if (ctl.signal_fd >= 0)
		close(ctl.signal_fd);
	if (fflush(stdout) != 0 && status == CTL_OK) {
		fprintf(stderr, "optimaxctl: standard output: %s\n", strerror(errno));
		status = CTL_FAILED;
	}
	return status;
}
