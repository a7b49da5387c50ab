/*
 * A model server that only answers: one fixed reply of ollama's to whatever is posted, after
 * a delay. model_stub DELAY_MS prints its port; at the end of its input, the most requests that
 * it had at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bytes.h"

enum { REQUEST_BYTES_MAX = 1 << 20 };

static const char reply[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 160\r\n\r\n"
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Fine\"},\"done\":false}\n"
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"eval_"
    "count"
    "\":1}\n";

static struct event_base *base;
static struct timeval delay;
static unsigned in_flight, most;

struct connection {
	int fd;
	struct event *readable, *timer;
	struct buffer request;
};

static void close_connection(struct connection *connection)
{
	event_free(connection->readable);
	event_free(connection->timer);
	close(connection->fd);
	buffer_deinit(&connection->request);
	free(connection);
}

static void answer(evutil_socket_t fd, short what, void *owner)
{
	const struct connection *connection = owner;

	(void)fd;
	(void)what;
	in_flight--;
	/* The reply is far smaller than a socket's buffer. */
	if (write(connection->fd, reply, sizeof(reply) - 1) < 0)
		perror("write");
}

/* True, and the request is taken, where it has come in whole. */
static bool is_whole(struct buffer *request)
{
	const char *text = buffer_string(request);
	const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
	size_t size;

	if (!end || !length)
		return false;
	size = (size_t)(end + 4 - text) + (size_t)strtoul(length + 16, NULL, 10);
	if (request->size < size)
		return false;
	buffer_consume(request, size);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *owner)
{
	struct connection *connection = owner;
	ssize_t size = read(fd, buffer_reserve(&connection->request, 65536), 65536);

	(void)what;
	if (size <= 0 || connection->request.size > REQUEST_BYTES_MAX) {
		close_connection(connection);
		return;
	}
	connection->request.size += (size_t)size;
	if (!is_whole(&connection->request))
		return;
	if (++in_flight > most)
		most = in_flight;
	if (delay.tv_sec == 0 && delay.tv_usec == 0)
		answer(fd, 0, connection);
	else
		evtimer_add(connection->timer, &delay);
}

static void on_connection(evutil_socket_t listener, short what, void *owner)
{
	struct connection *connection;
	int fd, on = 1;

	(void)what;
	(void)owner;
	while ((fd = accept4((int)listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		connection = must_zalloc(sizeof(*connection));
		connection->fd = fd;
		connection->readable =
		    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, connection);
		connection->timer = evtimer_new(base, answer, connection);
		event_add(connection->readable, NULL);
	}
}

static void on_input(evutil_socket_t fd, short what, void *owner)
{
	char byte;

	(void)what;
	(void)owner;
	if (read(fd, &byte, 1) <= 0)
		event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	long delay_ms = argc == 2 ? strtol(argv[1], NULL, 10) : -1;
	socklen_t size = sizeof(address);

	if (delay_ms < 0)
		return 2;
	delay = (struct timeval){delay_ms / 1000, delay_ms % 1000 * 1000};
	if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return 1;
	base = event_base_new();
	event_add(event_new(base, fd, EV_READ | EV_PERSIST, on_connection, NULL), NULL);
	event_add(event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL), NULL);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	event_base_dispatch(base);
	printf("%u\n", most);
	return 0;
}
