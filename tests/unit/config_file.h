/*
 * For tests of the configuration: a file with the given text, read and removed again.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config_read.h"

/* As config_read_file; faults name the file FILE. */
static inline struct config *config_from_text(
    const char *text, size_t size, struct config_faults *ret_faults)
{
	char path[] = "/tmp/optimax-config-XXXXXX";
	int fd = mkstemp(path);
	struct config *config;

	if (fd < 0 || write(fd, text, size) != (ssize_t)size)
		abort();
	close(fd);
	config = config_read_file(path, ret_faults);
	unlink(path);
	return config;
}

static inline struct config *config_must_read(const char *text)
{
	struct config_faults faults;
	struct config *config = config_from_text(text, strlen(text), &faults);

	for (size_t i = 0; i < config_fault_lines(&faults); i++)
		fprintf(stderr, "%s\n", faults.items[i].text);
	config_fault_deinit(&faults);
	return config;
}
