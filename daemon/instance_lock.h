/*
 * One optimaxd per instance: a flock on /dev/shm/optimax-INSTANCE.lock, named like the segments
 * that it guards, so that another runtime_dir does not get around it. Every child inherits the
 * descriptor (CHILD_FD_LOCK): whoever gets the lock knows that nobody is attached.
 */
#pragma once

#include <stddef.h>

enum { INSTANCE_LOCK_HELD = 1 };

/* 0; INSTANCE_LOCK_HELD or -errno with what to say in ret_message. Waits a bounded time for the
 * children of a supervisor that was killed. */
int instance_lock_take(const char *instance, int *ret_fd, char *ret_message, size_t message_size);

/* Removes the file and gives the lock up, after the last child has gone. */
void instance_lock_release(const char *instance, int fd);
