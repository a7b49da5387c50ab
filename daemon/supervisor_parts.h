/*
 * The parts of the supervisor that act on all of it, each in a file of its own: what children
 * are told (wiring.c), what they say (relay.c), reload.c, and stopping (supervisor_stop.c).
 */
#pragma once

#include "common/error.h"
#include "daemon/supervisor.h"

/* wiring.c */
void wiring_spawned(void *supervisor, struct child_record *child);
void wiring_changed(void *supervisor, struct child_record *child);
void wiring_send_config(struct supervisor *supervisor, struct child_record *child);
/* To all whom the schema of that database concerns. */
void wiring_send_snapshot(struct supervisor *supervisor, const struct snapshot_record *snapshot);

/* relay.c */
void relay_message(void *supervisor, struct child_record *child, struct rpc_message *message);

/* reload.c: reads the file again and applies what it can. 0 and the encoded list of changed
 * keys, or ERROR_BAD_REQUEST with the first fault; then nothing has changed. */
int supervisor_reload(
    struct supervisor *supervisor, struct buffer *ret_changed, struct error *ret_error);

/* supervisor_stop.c */
void supervisor_stop(struct supervisor *supervisor);
void supervisor_child_gone(void *supervisor, struct child_record *child);
