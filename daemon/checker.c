#include "daemon/checker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/log.h"
#include "daemon/spawn.h"

static int spawn_checker(
    const struct config *config, int lock_fd, const char *mode, const char *option, pid_t *ret_pid)
{
	char size[32], max_value[32];
	struct spawn_request request;
	size_t count = 0;

	snprintf(size, sizeof(size), "%lld", (long long)config->cache_size);
	snprintf(max_value, sizeof(max_value), "%lld", (long long)config->max_value);
	spawn_request_init(&request, ROLE_CHECK);
	request.argv[count++] = role_rows[ROLE_CHECK].program;
	request.argv[count++] = "--instance";
	request.argv[count++] = config->instance;
	request.argv[count++] = "--size";
	request.argv[count++] = size;
	request.argv[count++] = "--max-value";
	request.argv[count++] = max_value;
	if (mode)
		request.argv[count++] = mode;
	if (option)
		request.argv[count++] = option;
	request.fds[CHILD_FD_LOCK] = lock_fd;
	return spawn_program(&request, ret_pid);
}

int checker_prepare(const struct config *config, int lock_fd)
{
	int status, r;
	pid_t pid;

	r = spawn_checker(config, lock_fd, NULL, NULL, &pid);
	if (r < 0) {
		log_error("optimax-check cannot be started: %s", strerror(-r));
		return -EIO;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -EIO;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	log_error("the shared-memory segment could not be prepared (optimax-check: %s %d); not "
	          "starting",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return -EIO;
}

/* Such a process may have written anywhere before it died. */
static bool may_have_scribbled(int signal_number)
{
	return signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGABRT ||
	       signal_number == SIGILL;
}

static void run_wanted(struct checker *checker, const struct config *config, int lock_fd)
{
	const char *option = checker->wants_checksums ? "--checksums" : NULL;
	int r;

	if (checker->pid != 0 || !checker->wants_verify)
		return;
	checker->wants_verify = checker->wants_checksums = false;
	r = spawn_checker(config, lock_fd, "--verify", option, &checker->pid);
	if (r < 0)
		log_error("optimax-check cannot be started: %s; the cache repairs itself as it "
		          "is used",
		    strerror(-r));
}

void checker_child_died(
    struct checker *checker, const struct config *config, int lock_fd, int status)
{
	if (!WIFSIGNALED(status))
		return;
	checker->wants_verify = true;
	if (may_have_scribbled(WTERMSIG(status)))
		checker->wants_checksums = true;
	run_wanted(checker, config, lock_fd);
}

bool checker_reaped(
    struct checker *checker, const struct config *config, int lock_fd, pid_t pid, int status)
{
	if (checker->pid == 0 || checker->pid != pid)
		return false;
	checker->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		log_warning("optimax-check did not end well (%s %d)",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	run_wanted(checker, config, lock_fd);
	return true;
}
