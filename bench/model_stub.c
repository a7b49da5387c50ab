/*
 * A model server that only answers: one reply of ollama's to whatever is posted, whose text is
 * the time at which it was written (common/clock.h, in us). model_stub DELAY_MS [REST_MS]
 * answers after a delay (-1: never), and ends the answer later still.
 * It prints its port; "asked TIME" for each request that is never answered, "left TIME" for each
 * client that leaves before the end; at the end of its input, the most requests at once.
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
#include "common/clock.h"

enum { REQUEST_BYTES_MAX = 1 << 20 };

static const char first_format[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n";
static const char token_format[] = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\","
                                   "\"content\":\"%016lld\"},\"done\":false}\n";
static const char rest[] = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":"
                           "\"\"},\"done\":true,\"eval_count\":1}\n";

static struct event_base *base;
static long delay_ms, rest_ms;
static unsigned in_flight, most;

/* ASKED → BEGUN → IDLE; without REST_MS from ASKED to IDLE. */
enum state { IDLE, ASKED, BEGUN };

struct connection {
	int fd;
	enum state state;
	struct event *readable, *timer;
	struct buffer request;
};

static void tell(const char *what)
{
	printf("%s %lld\n", what, (long long)clock_now_us());
	fflush(stdout);
}

static void close_connection(struct connection *connection)
{
	if (connection->state != IDLE) {
		in_flight--;
		tell("left");
	}
	event_free(connection->readable);
	event_free(connection->timer);
	close(connection->fd);
	buffer_deinit(&connection->request);
	free(connection);
}

static void wait_for(const struct connection *connection, long wait_ms)
{
	struct timeval wait = {wait_ms / 1000, wait_ms % 1000 * 1000};

	if (wait_ms >= 0)
		evtimer_add(connection->timer, &wait);
}

/* Each reply is far smaller than a socket's buffer. */
static void send_text(const struct connection *connection, const char *text, size_t size)
{
	if (write(connection->fd, text, size) < 0)
		perror("write");
}

static void begin(struct connection *connection)
{
	char token[256], text[1024];
	int token_size = snprintf(token, sizeof(token), token_format, (long long)clock_now_us());
	int size =
	    snprintf(text, sizeof(text), first_format, (size_t)token_size + sizeof(rest) - 1);

	memcpy(text + size, token, (size_t)token_size);
	size += token_size;
	if (rest_ms == 0) {
		memcpy(text + size, rest, sizeof(rest) - 1);
		size += (int)sizeof(rest) - 1;
	}
	send_text(connection, text, (size_t)size);
}

static void answer(evutil_socket_t fd, short what, void *owner)
{
	struct connection *connection = owner;

	(void)fd;
	(void)what;
	if (connection->state == ASKED) {
		begin(connection);
		connection->state = BEGUN;
		if (rest_ms > 0) {
			wait_for(connection, rest_ms);
			return;
		}
	} else {
		send_text(connection, rest, sizeof(rest) - 1);
	}
	connection->state = IDLE;
	in_flight--;
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
	connection->state = ASKED;
	if (++in_flight > most)
		most = in_flight;
	if (delay_ms < 0)
		tell("asked");
	if (delay_ms == 0)
		answer(fd, 0, connection);
	else
		wait_for(connection, delay_ms);
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
	socklen_t size = sizeof(address);

	if (argc < 2)
		return 2;
	clock_init();
	delay_ms = strtol(argv[1], NULL, 10);
	rest_ms = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
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
