/*
 * Runs optimax-check: once before anybody attaches, and in the background after a child died
 * badly, one at a time. What it finds and repairs it logs itself.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/config.h"

struct checker {
	pid_t pid; /* 0: none runs */
	bool wants_verify, wants_checksums; /* when the one that runs has ended */
};

/* Waits for it. 0, or -EIO after it has said what is wrong. */
int checker_prepare(const struct config *config, int lock_fd);

/* A child that used the cache has died; `status` as waitpid gives it. */
void checker_child_died(
    struct checker *checker, const struct config *config, int lock_fd, int status);
/* False where the pid is not the checker's. */
bool checker_reaped(
    struct checker *checker, const struct config *config, int lock_fd, pid_t pid, int status);
