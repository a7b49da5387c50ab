#include "daemon/config_patterns.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/spawn.h"

enum { CHECK_TIME_S = 5, ANSWER_BYTES_MAX = 4 << 20 };

/* Where a pattern stands, in the order in which they are sent. */
struct place {
	char path[96];
};

struct places {
	size_t count;
	struct place *items;
};

static void add_list(struct places *places, const char *prefix, const struct config_list *patterns,
    struct buffer *buffer)
{
	for (size_t i = 0; i < patterns->count; i++) {
		const struct config_pattern *pattern = patterns->items[i];
		struct place *place;

		if (!pattern->regex)
			continue;
		places->items =
		    must_realloc(places->items, (places->count + 1) * sizeof(*places->items));
		place = &places->items[places->count++];
		snprintf(
		    place->path, sizeof(place->path), "%srouting.patterns[%zu].regex", prefix, i);
		buffer_append(buffer, pattern->regex, strlen(pattern->regex) + 1);
	}
}

static void add_all(const struct config *config, struct places *places, struct buffer *buffer)
{
	add_list(places, "", &config->patterns, buffer);
	for (size_t i = 0; i < config->databases.count; i++) {
		const struct config_database *database = config->databases.items[i];
		char prefix[40];

		snprintf(prefix, sizeof(prefix), "databases[%zu].", i);
		add_list(places, prefix, &database->patterns, buffer);
	}
}

static int send_all(int fd, const struct buffer *content)
{
	size_t done = 0;

	while (done < content->size) {
		ssize_t sent = send(fd, content->data + done, content->size - done, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -errno;
		done += (size_t)sent;
	}
	return shutdown(fd, SHUT_WR) == 0 ? 0 : -errno;
}

static int receive_all(int fd, struct buffer *answer)
{
	for (;;) {
		char piece[4096];
		ssize_t size = recv(fd, piece, sizeof(piece), 0);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (size == 0)
			return 0;
		if (answer->size + (size_t)size > ANSWER_BYTES_MAX)
			return -EMSGSIZE;
		buffer_append(answer, piece, (size_t)size);
	}
}

static int talk(int fd, const struct buffer *patterns, struct buffer *answer)
{
	const struct timeval limit = {.tv_sec = CHECK_TIME_S};
	int r;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	r = send_all(fd, patterns);
	return r == 0 ? receive_all(fd, answer) : r;
}

/* 0 and what the router said, or -errno. */
static int ask_router(const struct buffer *patterns, struct buffer *answer)
{
	struct spawn_request request;
	int ends[2], status, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	spawn_request_init(&request, ROLE_ROUTER);
	request.argv[0] = role_rows[ROLE_ROUTER].program;
	request.argv[1] = "--check-patterns";
	request.fds[CHILD_FD_CONTROL] = ends[1];
	r = spawn_program(&request, &pid);
	close(ends[1]);
	if (r == 0) {
		r = talk(ends[0], patterns, answer);
		if (r != 0)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			r = -ENOEXEC;
	}
	close(ends[0]);
	return r;
}

/* One text for each pattern, in their order: empty, or what is wrong. */
static void take_answer(const struct buffer *answer, const struct places *places,
    const struct config_node *root, struct config_faults *faults)
{
	const char *at = answer->data;
	size_t left = answer->size;

	for (size_t i = 0; i < places->count && left > 0; i++) {
		size_t size = strnlen(at, left);
		const char *path = places->items[i].path;

		if (size > 0)
			config_fault_add(faults, config_node_line(root, path), path,
			    "%.*s; write one that PCRE2 takes", (int)size, at);
		at += size + 1;
		left -= size + 1 > left ? left : size + 1;
	}
}

void config_patterns_check(
    const struct config *config, const struct config_node *root, struct config_faults *faults)
{
	CLEAN(buffer) struct buffer patterns = BUFFER_INIT;
	CLEAN(buffer) struct buffer answer = BUFFER_INIT;
	struct places places = {0};
	int r;

	add_all(config, &places, &patterns);
	if (places.count > 0) {
		r = ask_router(&patterns, &answer);
		if (r == 0)
			take_answer(&answer, &places, root, faults);
		else
			log_warning("the routing patterns were not checked: %s", strerror(-r));
	}
	free(places.items);
}
