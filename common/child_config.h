/*
 * Collects the config_* messages of the control channel into a struct child_config.
 * Used by child.c alone.
 */
#pragma once

#include "common/child.h"

struct child_config *child_config_new(void);
void child_config_free(struct child_config *config);

/* Takes one config_* message into *config; config_begin replaces what was there.
 * 0, -EBADMSG where it does not fit its table, or 1 at config_end: the whole is there. */
int child_config_take(
    struct child_config **config, enum message_id id, struct bytes map, struct error *ret_error);
