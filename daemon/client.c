#include "daemon/client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/role.h"
#include "daemon/methods.h"
#include "daemon/router.h"
#include "shm/metrics.h"

enum { ACCEPTS_AT_ONCE = 64, RETRY_AFTER_MS = 1000, DRAIN_CHECK_MS = 10 };

struct client {
	LIST_ENTRY(client) link;
	struct client_set *set;
	struct channel *channel;
	int64_t number;
	bool control;
	LIST_HEAD(, pending) pending;
	size_t pending_count;
};

struct listener {
	struct client_set *set;
	struct event *event;
	bool control;
};

struct client_set {
	struct router *router;
	struct listener application, control;
	int spare_fd; /* given up for a moment to accept and refuse when descriptors are out */
	LIST_HEAD(, client) clients;
	size_t connected, in_flight;
	int64_t last_number;
	int64_t max_clients;
	bool draining;
	struct event *drain_check;
};

struct client_set *clients_new(struct router *router)
{
	struct client_set *set = must_zalloc(sizeof(*set));

	set->router = router;
	set->max_clients = 1;
	set->application = (struct listener){.set = set};
	set->control = (struct listener){.set = set, .control = true};
	set->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return set;
}

void clients_set_limit(struct client_set *set, int64_t max_clients)
{
	set->max_clients = max_clients;
}

size_t clients_connected(const struct client_set *set)
{
	return set->connected;
}

size_t clients_in_flight(const struct client_set *set)
{
	return set->in_flight;
}

struct router *client_router(const struct client *client)
{
	return client->set->router;
}

bool client_is_control(const struct client *client)
{
	return client->control;
}

int64_t client_number(const struct client *client)
{
	return client->number;
}

static void count_clients(struct client_set *set)
{
	metrics_set(set->router->metrics, METRIC_CLIENTS, (int64_t)set->connected);
	metrics_set(set->router->metrics, METRIC_IN_FLIGHT, (int64_t)set->in_flight);
}

/* While draining: whether every answer has been given and written. */
static void end_if_drained(evutil_socket_t fd, short what, void *argument)
{
	struct client_set *set = argument;
	const struct client *client;

	(void)fd;
	(void)what;
	if (set->in_flight > 0)
		return;
	LIST_FOREACH(client, &set->clients, link)
	if (channel_output_size(client->channel) > 0)
		return;
	child_exit(set->router->child);
}

/* ---- requests in flight ---- */

void client_pend(struct client *client, uint32_t msgid, struct pending *pending)
{
	pending->client = client;
	pending->msgid = msgid;
	LIST_INSERT_HEAD(&client->pending, pending, link);
	client->pending_count++;
	client->set->in_flight++;
	count_clients(client->set);
}

void client_unpend(struct pending *pending)
{
	struct client_set *set = pending->client->set;

	LIST_REMOVE(pending, link);
	pending->client->pending_count--;
	set->in_flight--;
	count_clients(set);
}

static struct pending *find_pending(struct client *client, uint32_t msgid)
{
	struct pending *pending;

	LIST_FOREACH(pending, &client->pending, link)
	if (pending->msgid == msgid)
		return pending;
	return NULL;
}

void client_answer(struct client *client, struct buffer *message)
{
	channel_send_buffer(client->channel, message);
}

bool client_is_behind(const struct client *client)
{
	return channel_output_size(client->channel) > 0;
}

void client_answer_error(struct client *client, uint32_t msgid, const struct error *error)
{
	struct buffer message = BUFFER_INIT;

	metrics_add(client->set->router->metrics, METRIC_REQUEST_ERRORS, 1);
	message_pack_error(&message, true, msgid, error);
	client_answer(client, &message);
}

static void cancel(struct client *client, uint32_t msgid)
{
	struct pending *pending = find_pending(client, msgid);
	struct error error;

	if (!pending)
		return;
	client_unpend(pending);
	pending->abandon(pending);
	error_set(&error, ERROR_CANCELLED, "the client cancelled the request");
	client_answer_error(client, msgid, &error);
}

/* Whether one more request may be taken; the error says why not. */
static bool may_take(struct client *client, uint32_t msgid, struct error *ret_error)
{
	struct client_set *set = client->set;

	if (find_pending(client, msgid)) {
		error_set(ret_error, ERROR_BAD_REQUEST,
		    "msgid %u is still in flight on this connection; use another", msgid);
	} else if (set->draining) {
		error_set(ret_error, ERROR_SHUTTING_DOWN, "OptimaX is stopping; connect again");
		ret_error->retry_after_ms = RETRY_AFTER_MS;
	} else if (client->pending_count >= LIMIT_CLIENT_REQUESTS ||
	           set->in_flight >= LIMIT_REQUESTS) {
		error_set(ret_error, ERROR_OVERLOADED,
		    "%zu requests are in flight; try again later",
		    client->pending_count >= LIMIT_CLIENT_REQUESTS ? client->pending_count
		                                                   : set->in_flight);
		ret_error->retry_after_ms = RETRY_AFTER_MS;
		metrics_add(set->router->metrics, METRIC_OVERLOADS, 1);
	} else {
		return true;
	}
	return false;
}

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct client *client = owner;
	struct error error;
	uint32_t msgid;

	(void)channel;
	if (message->type == RPC_REQUEST) {
		if (may_take(client, message->msgid, &error))
			methods_call(client, message);
		else
			client_answer_error(client, message->msgid, &error);
	} else if (message->type == RPC_NOTIFICATION &&
	           bytes_equal_string(message->method, "cancel") &&
	           rpc_cancel_msgid(message->params, &msgid)) {
		cancel(client, msgid);
	}
}

/* ---- connections ---- */

static void client_free(struct client *client)
{
	struct client_set *set = client->set;
	struct pending *pending;

	while ((pending = LIST_FIRST(&client->pending))) {
		client_unpend(pending);
		pending->abandon(pending);
	}
	LIST_REMOVE(client, link);
	set->connected--;
	count_clients(set);
	channel_free(client->channel);
	free(client);
}

static void on_ended(struct channel *channel, void *owner, enum channel_end why)
{
	(void)channel;
	(void)why;
	client_free(owner);
}

static bool is_busy(void *owner)
{
	const struct client *client = owner;

	return client->pending_count > 0;
}

static void on_drained(struct channel *channel, void *owner)
{
	struct client *client = owner;
	struct pending *pending;

	(void)channel;
	LIST_FOREACH(pending, &client->pending, link)
	if (pending->drained)
		pending->drained(pending);
}

static const struct channel_ops client_ops = {
    .message = on_message, .ended = on_ended, .is_busy = is_busy, .drained = on_drained};

static struct client *client_new(struct client_set *set, int fd, bool control)
{
	static const struct channel_options options = {
	    .trust = CHANNEL_CLIENT,
	    .message_limit = LIMIT_CLIENT_MESSAGE_BYTES,
	    .output_limit = LIMIT_CLIENT_OUTPUT_BYTES,
	    .timed = true,
	    .peer = "client",
	};
	struct client *client = must_zalloc(sizeof(*client));

	client->set = set;
	client->control = control;
	client->number = ++set->last_number;
	LIST_INIT(&client->pending);
	client->channel = channel_new(set->router->child->base, fd, &options, &client_ops, client);
	LIST_INSERT_HEAD(&set->clients, client, link);
	set->connected++;
	count_clients(set);
	return client;
}

/* One client too many gets to know it, at once. */
static void refuse_connection(int fd, const char *why)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct error error;

	error_set(&error, ERROR_OVERLOADED, "%s; try again later", why);
	error.retry_after_ms = RETRY_AFTER_MS;
	message_pack_error(&message, false, 0, &error);
	if (send(fd, message.data, message.size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("a refused client had gone already");
	close(fd);
}

/* Without a descriptor to accept with, the connection would wake the loop for ever. */
static void refuse_without_descriptors(struct client_set *set, int listen_fd)
{
	int fd;

	log_limited(
	    LOG_LEVEL_ERROR, "out of file descriptors: refusing clients; raise LimitNOFILE=");
	close(set->spare_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		refuse_connection(fd, "the daemon is out of file descriptors");
	set->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool accept_one(struct listener *listener, int listen_fd)
{
	struct client_set *set = listener->set;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse_without_descriptors(set, listen_fd);
		return false;
	}
	/* An administrator must get in however many clients there are. */
	if (!listener->control && (int64_t)set->connected >= set->max_clients) {
		metrics_add(set->router->metrics, METRIC_OVERLOADS, 1);
		refuse_connection(fd, "listen.max_clients is reached");
	} else {
		client_new(set, fd, listener->control);
	}
	return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *argument)
{
	(void)what;
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++)
		if (!accept_one(argument, fd))
			return;
}

static void listen_on(struct listener *listener, int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	listener->event = event_new(
	    listener->set->router->child->base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
	event_add(listener->event, NULL);
}

void clients_listen(struct client_set *set)
{
	listen_on(&set->application, CHILD_FD_LISTEN);
	listen_on(&set->control, CHILD_FD_LISTEN_CONTROL);
}

static void stop_listening(struct listener *listener)
{
	if (listener->event)
		event_free(listener->event);
	listener->event = NULL;
}

void clients_drain(struct client_set *set)
{
	const struct timeval interval = {.tv_usec = DRAIN_CHECK_MS * 1000};

	if (set->draining)
		return;
	set->draining = true;
	stop_listening(&set->application);
	stop_listening(&set->control);
	set->drain_check =
	    event_new(set->router->child->base, -1, EV_PERSIST | EV_TIMEOUT, end_if_drained, set);
	event_add(set->drain_check, &interval);
	event_active(set->drain_check, EV_TIMEOUT, 0);
}

void clients_free(struct client_set *set)
{
	struct client *client;

	if (set->drain_check)
		event_free(set->drain_check);
	stop_listening(&set->application);
	stop_listening(&set->control);
	while ((client = LIST_FIRST(&set->clients)))
		client_free(client);
	close(set->spare_fd);
	free(set);
}
