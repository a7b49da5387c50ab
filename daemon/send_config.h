/*
 * What each child is told of the configuration: only what it needs. Connection strings go to
 * that database's own workers and watcher, addresses and key files to inference workers,
 * words, patterns and client limits to the router.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"
#include "common/role.h"
#include "daemon/config.h"
#include "daemon/state_records.h"

struct config_receiver {
	enum role role;
	unsigned index;
	const char *database; /* NULL where the role has none */
	int64_t started_ms; /* the supervisor's */
	int64_t supervisor_pid;
	const struct state_records *corrections; /* NULL: none; for the router */
	const struct state_records *taught; /* the same */
};

/* Appends whole messages, config_begin to config_end. */
void send_config_pack(
    const struct config *config, const struct config_receiver *receiver, struct buffer *buffer);
