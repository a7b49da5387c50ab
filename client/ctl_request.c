#include "client/ctl.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"

enum {
	ANSWER_GRACE_MS = 10 * 1000, /* beyond the request's own time: then the daemon hangs */
	CANCEL_WAIT_MS = 2 * 1000, /* for the answer to a request that was cancelled */
};

enum ctl_format ctl_format(const struct ctl *ctl)
{
	return ctl->json ? CTL_JSON : ctl->csv ? CTL_CSV : CTL_PEOPLE;
}

/* ---- errors ---- */

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "optimaxctl: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nTry: optimaxctl %s%s--help\n", ctl->command ? ctl->command->word : "",
	    ctl->command ? " " : "");
	return CTL_USAGE;
}

int ctl_fail(struct ctl *ctl, int status, const char *code, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	fflush(stdout);
	fprintf(stderr, "optimaxctl: %s: ", code);
	ctl_print_text(stderr, message);
	fputc('\n', stderr);
	if (ctl->json) {
		fputs("{\"error\": {\"code\": ", stdout);
		ctl_json_string(stdout, code, strlen(code));
		fputs(", \"message\": ", stdout);
		ctl_json_string(stdout, message, strlen(message));
		fputs("}}\n", stdout);
	}
	return status;
}

int ctl_fail_client(struct ctl *ctl)
{
	const struct optimax_error *error = optimax_error(ctl->client);
	int status = error->code > 0 || error->code == -ENOMEM ? CTL_FAILED : CTL_NO_DAEMON;

	return ctl_fail(ctl, status, error->name, "%s", error->message);
}

/* The daemon's own error, with all that it says. */
static int request_fail(struct ctl *ctl, const struct optimax_reply *reply)
{
	const struct optimax_error *error = optimax_reply_error(reply);

	fflush(stdout);
	fprintf(stderr, "optimaxctl: ");
	ctl_print_text(stderr, error->name);
	fputs(": ", stderr);
	ctl_print_text(stderr, error->message);
	fputc('\n', stderr);
	if (*error->detail) {
		fputs("  detail: ", stderr);
		ctl_print_text(stderr, error->detail);
		fputc('\n', stderr);
	}
	if (*error->sqlstate) {
		fputs("  sqlstate: ", stderr);
		ctl_print_text(stderr, error->sqlstate);
		fputc('\n', stderr);
	}
	if (error->retry_after_ms > 0)
		fprintf(stderr, "  try again in %lld ms\n", (long long)error->retry_after_ms);
	if (ctl->explain && ctl_format(ctl) == CTL_PEOPLE)
		ctl_print_reasons(optimax_reply_value(reply));
	if (ctl->json) {
		fputs("{\"error\": ", stdout);
		ctl_json_value(stdout, optimax_reply_value(reply));
		fputs("}\n", stdout);
	}
	return CTL_FAILED;
}

/* ---- connect ---- */

/* What `path` or, where that cannot be seen, the folder it is in says about who may use it. */
static int connect_no_permission(struct ctl *ctl, const char *path, bool is_control)
{
	struct stat status;
	const struct group *group;
	const struct passwd *owner;
	char *shown = strdup(path), *slash;

	while (shown && stat(shown, &status) < 0 && (slash = strrchr(shown, '/')) && slash > shown)
		*slash = '\0';
	if (!shown || stat(shown, &status) < 0) {
		free(shown);
		return ctl_fail_client(ctl);
	}
	free(shown);
	group = getgrgid(status.st_gid);
	owner = getpwuid(status.st_uid);
	if (is_control || !(status.st_mode & S_IWGRP) || !group)
		return ctl_fail(ctl, CTL_NO_DAEMON, "no_permission",
		    "%s is for user '%s' alone; run this as that user: runuser -u %s -- optimaxctl "
		    "%s",
		    path, owner ? owner->pw_name : "?", owner ? owner->pw_name : "?",
		    ctl->command->word);
	return ctl_fail(ctl, CTL_NO_DAEMON, "no_permission",
	    "%s is for group '%s'; join it (usermod -aG %s USER) and log in again", path,
	    group->gr_name, group->gr_name);
}

static int connect_to(struct ctl *ctl, const char *path, bool is_control)
{
	int r = optimax_connect(ctl->client, path);

	if (r == 0)
		return CTL_OK;
	if (r == -EACCES)
		return connect_no_permission(ctl, path, is_control);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return ctl_fail(ctl, CTL_NO_DAEMON, "no_daemon",
		    "nothing listens on %s; start it (systemctl start optimaxd), or name its "
		    "socket by %s",
		    path, is_control ? "--control" : "-s or OPTIMAX_SOCKET");
	return ctl_fail_client(ctl);
}

static const char *connect_path(const struct ctl *ctl)
{
	const char *path = ctl->socket ? ctl->socket : getenv("OPTIMAX_SOCKET");

	return path && *path ? path : "/run/optimax/optimax.sock";
}

int ctl_connect(struct ctl *ctl)
{
	return connect_to(ctl, connect_path(ctl), false);
}

int ctl_connect_control(struct ctl *ctl)
{
	static const char name[] = "control.sock";
	const char *beside = connect_path(ctl);
	const char *slash = strrchr(beside, '/');
	char path[4096];

	if (ctl->control)
		return connect_to(ctl, ctl->control, true);
	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - beside + 1) : 0, beside, name);
	return connect_to(ctl, path, true);
}

/* ---- one request ---- */

static void request_exit(int signal)
{
	(void)signal;
	_exit(CTL_INTERRUPTED);
}

/* Whether SIGINT reaches this process: a shell's background job ignores it, and so it stays. */
static bool request_can_interrupt(void)
{
	struct sigaction action;

	return sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

void ctl_exit_on_interrupt(void)
{
	if (request_can_interrupt())
		signal(SIGINT, request_exit);
}

void ctl_catch_interrupt(struct ctl *ctl)
{
	sigset_t set;

	if (ctl->signal_fd >= 0 || !request_can_interrupt())
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ctl->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Asks the daemon to stop, and waits a moment so that it has when this process ends. */
static int request_interrupted(struct ctl *ctl, uint32_t msgid)
{
	struct optimax_reply *reply = NULL;

	fflush(stdout);
	if (optimax_cancel(ctl->client, msgid) == 0)
		optimax_wait(ctl->client, msgid, CANCEL_WAIT_MS, &reply);
	optimax_reply_free(reply);
	fprintf(stderr, "optimaxctl: interrupted\n");
	return CTL_INTERRUPTED;
}

static int request_timeout_ms(const struct ctl *ctl)
{
	int64_t own_ms = ctl->timeout_ms == CTL_ABSENT ? DEFAULT_TIMEOUT_MS : ctl->timeout_ms;

	return (int)(own_ms < LIMIT_TIMEOUT_MS ? own_ms : LIMIT_TIMEOUT_MS) + ANSWER_GRACE_MS;
}

int ctl_request(struct ctl *ctl, const char *method, const msgpack_sbuffer *params,
    void (*on_delta)(void *owner, const msgpack_object *piece), void *owner,
    struct optimax_reply **ret_reply)
{
	struct optimax_reply *reply;
	uint32_t msgid;
	int r;

	ctl_catch_interrupt(ctl);
	if (optimax_send(ctl->client, method, params, &msgid) != 0)
		return ctl_fail_client(ctl);
	for (;;) {
		struct pollfd pollers[2] = {
		    {.fd = optimax_fd(ctl->client), .events = POLLIN},
		    {.fd = ctl->signal_fd, .events = POLLIN},
		};
		r = optimax_receive(ctl->client, 0, &reply);
		if (r == -ETIMEDOUT) {
			r = poll(pollers, 2, request_timeout_ms(ctl));
			if (r > 0 && (pollers[1].revents & POLLIN))
				return request_interrupted(ctl, msgid);
			if (r == 0)
				return ctl_fail_client(ctl);
			continue;
		}
		if (r != 0)
			return ctl_fail_client(ctl);
		if (!optimax_reply_is_delta(reply))
			break;
		if (on_delta)
			on_delta(owner, optimax_reply_value(reply));
		optimax_reply_free(reply);
	}
	if (optimax_reply_error(reply)) {
		r = request_fail(ctl, reply);
		optimax_reply_free(reply);
		return r;
	}
	*ret_reply = reply;
	return CTL_OK;
}

void ctl_pack_pairs(
    msgpack_sbuffer *params, const struct ctl_pair *pairs, size_t count, size_t more)
{
	msgpack_packer packer;
	size_t present = more;

	for (size_t i = 0; i < count; i++)
		present += pairs[i].value != NULL;
	msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
	msgpack_pack_map(&packer, present);
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].value)
			continue;
		msgpack_pack_str_with_body(&packer, pairs[i].key, strlen(pairs[i].key));
		msgpack_pack_str_with_body(&packer, pairs[i].value, strlen(pairs[i].value));
	}
}
