/*
 * Starts a program of ours: fork and exec with the descriptors of common/role.h, a clean
 * environment, and death with the parent. Knows where programs are; nothing of a child's life.
 */
#pragma once

#include <sys/types.h>

#include "common/role.h"

enum { SPAWN_ARGUMENTS_MAX = 12 };

struct spawn_request {
	enum role role;
	const char *argv[SPAWN_ARGUMENTS_MAX]; /* [0] is what ps shows; ends with NULL */
	int fds[CHILD_FD_COUNT]; /* by CHILD_FD_…; below 3 unused; -1: closed in the child */
};

/* No descriptor but the standard ones. */
void spawn_request_init(struct spawn_request *ret_request, enum role role);

/* 0, or -errno when there can be no process. A program that can't be run exits at once. */
int spawn_program(const struct spawn_request *request, pid_t *ret_pid);
