/*
 * The two listening sockets: made, or taken over from systemd, with mode and group. Replaces a
 * socket file that nobody listens on, refuses one that is served. Accepts nothing: the router
 * does, on the same descriptors.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"

struct listener {
	int fd; /* -1: none */
	char *path;
	bool is_ours; /* made here, so removed here */
};
struct listeners {
	struct listener application, control;
};
#define LISTENERS_INIT ((struct listeners){.application = {.fd = -1}, .control = {.fd = -1}})

/* 0, or -errno with what is wrong and what to do in ret_message; nothing is left open then. */
int listeners_open(const struct config *config, struct listeners *ret_listeners, char *ret_message,
    size_t message_size);
/* Closes both and removes the files that were made here. */
void listeners_close(struct listeners *listeners);
