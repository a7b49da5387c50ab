/*
 * The files that a configuration names and whose text belongs to it: prompts and examples. They
 * are read with it, so that --check finds their faults and a reload takes all or nothing.
 */
#pragma once

#include "common/bytes.h"
#include "daemon/config.h"
#include "daemon/config_fault.h"

/* Fills the hidden keys of a configuration that has no faults. `folder` is the file's. */
void config_files_read(struct config *config, const char *folder, struct config_faults *faults);

/* A whole file of at most 1 MiB. 0 or -errno. */
int config_files_content(const char *path, struct buffer *content);
/* Names what the prompt texts are, for keys of the cache; hex. */
void config_files_version(const struct config *config, char ret_version[17]);
