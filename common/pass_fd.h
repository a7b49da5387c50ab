/*
 * Descriptors that travel over Unix sockets beside bytes (SCM_RIGHTS).
 */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

/* Room for one descriptor; must outlive the sendmsg. */
struct pass_fd_control {
	_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

/* Makes the message carry a descriptor, which stays the caller's. */
void pass_fd_attach(struct msghdr *message, struct pass_fd_control *control, int fd);

/* recvmsg without waiting: what recv would return. Each descriptor that came is given to `take`,
 * close-on-exec, and is the taker's. */
ssize_t pass_fd_receive(
    int socket, char *data, size_t size, void (*take)(void *owner, int fd), void *owner);
