/*
 * The faults that were found in a configuration file, one line each, in the file's order:
 * FILE:LINE: KEY: what is wrong; what to write. Collected, so that one run shows them all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { CONFIG_FAULTS_MAX = 100 }; /* later ones are counted only */

struct config_fault {
	int line;
	char *text;
};

struct config_faults {
	const char *file; /* as it was named */
	size_t count; /* may be above CONFIG_FAULTS_MAX */
	struct config_fault items[CONFIG_FAULTS_MAX];
};

void config_fault_add(struct config_faults *faults, int line, const char *key, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
/* How many of the items hold a line. */
size_t config_fault_lines(const struct config_faults *faults);
void config_fault_deinit(struct config_faults *faults);
