#include "common/pass_fd.h"

#include <string.h>

enum { RECEIVED_AT_ONCE = 4 };

void pass_fd_attach(struct msghdr *message, struct pass_fd_control *control, int fd)
{
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = sizeof(control->bytes);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

static void give_fds(const struct cmsghdr *header, void (*take)(void *owner, int fd), void *owner)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
		take(owner, fd);
	}
}

ssize_t pass_fd_receive(
    int socket, char *data, size_t size, void (*take)(void *owner, int fd), void *owner)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(RECEIVED_AT_ONCE * sizeof(int))];
	struct iovec piece = {data, size};
	struct msghdr message = {
	    .msg_iov = &piece,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (received < 0)
		return received;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
	     header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
			give_fds(header, take, owner);
	return received;
}
