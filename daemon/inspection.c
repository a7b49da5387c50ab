#include "daemon/inspection.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "daemon/spawn.h"

enum { RETRY_AFTER_MS = 1000 };

/* The words of the command line, their memory lasting as long as the request. */
struct words {
	char by[16], type[16], limit[24], index[12];
};

static void copy_word(char *to, size_t size, struct bytes text)
{
	snprintf(to, size, "%.*s", (int)text.size, text.data);
}

static void build_request(const struct config *config, int lock_fd, int report_fd, int index,
    const struct inspect_cache_params *params, struct words *words, struct spawn_request *request)
{
	size_t count = 0;

	spawn_request_init(request, ROLE_CHECK);
	request->argv[count++] = role_rows[ROLE_CHECK].program;
	request->argv[count++] = "--instance";
	request->argv[count++] = config->instance;
	if (bytes_equal_string(params->job, "verify")) {
		request->argv[count++] = "--verify";
		request->argv[count++] = "--checksums";
		request->argv[count++] = "--report";
		snprintf(words->index, sizeof(words->index), "%d", index);
		request->argv[count++] = "--index";
		request->argv[count++] = words->index;
	} else {
		copy_word(words->by, sizeof(words->by), params->by);
		request->argv[count++] = "--top";
		request->argv[count++] = words->by;
		if (params->type.data) {
			copy_word(words->type, sizeof(words->type), params->type);
			request->argv[count++] = "--type";
			request->argv[count++] = words->type;
		}
		snprintf(words->limit, sizeof(words->limit), "%lld", (long long)params->limit);
		request->argv[count++] = "--limit";
		request->argv[count++] = words->limit;
	}
	request->fds[CHILD_FD_CONTROL] = report_fd;
	request->fds[CHILD_FD_LOCK] = lock_fd;
}

static struct inspection *find(struct inspections *inspections, pid_t pid)
{
	for (int i = 0; i < INSPECTIONS_MAX; i++)
		if (inspections->items[i].pid == pid)
			return &inspections->items[i];
	return NULL;
}

int inspections_start(struct inspections *inspections, const struct config *config, int lock_fd,
    const struct inspect_cache_params *params, pid_t router, uint32_t msgid,
    struct error *ret_error)
{
	struct inspection *inspection = find(inspections, 0);
	struct spawn_request request;
	struct words words;
	int fds[2], r;

	if (!inspection) {
		error_set(ret_error, ERROR_OVERLOADED, "the cache is being looked at already");
		ret_error->retry_after_ms = RETRY_AFTER_MS;
		return ERROR_OVERLOADED;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set(ret_error, ERROR_INTERNAL, "no pipe: %s", strerror(errno));
	/* The checker that looks after a death (checker.c) has number 0. */
	build_request(config, lock_fd, fds[1], 1 + (int)(inspection - inspections->items), params,
	    &words, &request);
	r = spawn_program(&request, &inspection->pid);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return error_set(
		    ret_error, ERROR_INTERNAL, "optimax-check cannot be started: %s", strerror(-r));
	}
	inspection->fd = fds[0];
	inspection->router = router;
	inspection->msgid = msgid;
	return 0;
}

static void read_report(int fd, struct buffer *report)
{
	enum { PIECE = 4096 };
	ssize_t size;

	do {
		size = read(fd, buffer_reserve(report, PIECE), PIECE);
		if (size > 0)
			report->size += (size_t)size;
	} while (size > 0 || (size < 0 && errno == EINTR));
}

static void pack_answer(
    const struct inspection *inspection, struct bytes report, int status, struct buffer *message)
{
	struct inspect_cache_result result = {.pairs = report};
	struct error error;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && report.size > 0) {
		message_pack_response(
		    message, inspection->msgid, &inspect_cache_result_row, &result);
		return;
	}
	error_set(&error, ERROR_INTERNAL,
	    "optimax-check did not end well (%s %d); the log says why",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	message_pack_error(message, true, inspection->msgid, &error);
}

bool inspections_reaped(
    struct inspections *inspections, struct children *children, pid_t pid, int status)
{
	CLEAN(buffer) struct buffer report = BUFFER_INIT, message = BUFFER_INIT;
	struct inspection *inspection = find(inspections, pid);

	if (!inspection)
		return false;
	read_report(inspection->fd, &report);
	close(inspection->fd);
	pack_answer(inspection, bytes_of_buffer(&report), status, &message);
	for (struct child_record *child = children->first; child; child = child->next)
		if (child->role == ROLE_ROUTER && child->pid == inspection->router &&
		    child->control)
			channel_send(child->control, bytes_of_buffer(&message));
	inspection->pid = 0;
	return true;
}

void inspections_end(struct inspections *inspections)
{
	for (int i = 0; i < INSPECTIONS_MAX; i++) {
		struct inspection *inspection = &inspections->items[i];

		if (inspection->pid == 0)
			continue;
		kill(inspection->pid, SIGKILL);
		waitpid(inspection->pid, NULL, 0);
		close(inspection->fd);
		inspection->pid = 0;
	}
}
