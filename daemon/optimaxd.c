/* The program optimaxd: options, then the supervisor. */
#include "daemon/optimaxd.h"

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/config_read.h"
#include "daemon/supervisor.h"

#define DEFAULT_CONFIG SYSCONFDIR "/optimax/optimax.yaml"

struct options {
	const char *config_file;
	bool check;
};

const char *argp_program_version = PACKAGE_STRING;

static const struct argp_option option_rows[] = {
    {"config", 'c', "FILE", 0, "Read FILE instead of " DEFAULT_CONFIG, 0},
    {"check", 'C', NULL, 0, "Say whether the configuration is good, and exit", 0},
    {0},
};

static const char help_text[] =
    "Answers questions and SQL over a Unix socket, from PostgreSQL and local models.\v"
    "Examples:\n"
    "  optimaxd --check --config ./optimax.yaml     find mistakes before a restart\n"
    "  optimaxd --config ./optimax.yaml             run here, as this user\n"
    "  systemctl start optimaxd                     run as the service\n"
    "  systemctl reload optimaxd                    read the file again\n"
    "\n"
    "It stays in the foreground, refuses to run as root, and stops at SIGTERM.\n"
    "Exit status: 0 stopped, 1 configuration or start failed, 2 usage,\n"
    "3 another optimaxd holds the instance. See optimaxd(8), optimax.yaml(5).";

static error_t take_option(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->config_file = value;
		return 0;
	case 'C':
		options->check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is not expected; name a file with --config", value);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_faults(const struct config_faults *faults)
{
	for (size_t i = 0; i < config_fault_lines(faults); i++)
		fprintf(stderr, "%s\n", faults->items[i].text);
	if (faults->count > CONFIG_FAULTS_MAX)
		fprintf(stderr, "%s:1: file: %zu more faults are not shown; correct these first\n",
		    faults->file, faults->count - CONFIG_FAULTS_MAX);
}

/* log_init knows one thing that it looks at: whether the journal reads along. */
static void set_log(const struct config *config)
{
	enum log_level level;

	if (strcmp(config->log_target, "stderr") == 0)
		unsetenv("JOURNAL_STREAM");
	else if (strcmp(config->log_target, "journal") == 0)
		setenv("JOURNAL_STREAM", "0:0", 0);
	log_init("optimaxd");
	if (log_level_from_name(config->log_level, &level))
		log_set_level(level);
}

static void refuse_root(const char *config_file)
{
	fprintf(stderr,
	    "optimaxd: refusing to run as root; start the service (systemctl start "
	    "optimaxd.service),\n"
	    "optimaxd: or run it as its user: runuser -u optimax -- optimaxd --config %s\n",
	    config_file);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = option_rows, .parser = take_option, .doc = help_text};
	struct options options = {.config_file = DEFAULT_CONFIG};
	struct config_faults faults;
	struct config *config;

	argp_err_exit_status = OPTIMAXD_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return OPTIMAXD_EXIT_USAGE;
	log_init("optimaxd");
	clock_init();
	config = config_read_file(options.config_file, &faults);
	print_faults(&faults);
	config_fault_deinit(&faults);
	if (!config)
		return OPTIMAXD_EXIT_FAILED;
	if (options.check) {
		printf("%s: ok\n", options.config_file);
		config_free(config);
		return OPTIMAXD_EXIT_OK;
	}
	if (geteuid() == 0) {
		refuse_root(options.config_file);
		config_free(config);
		return OPTIMAXD_EXIT_FAILED;
	}
	set_log(config);
	return supervisor_run(options.config_file, config);
}
