#include "worker/http.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "worker/retry.h"

enum {
	KEPT_CONNECTIONS = 1024,
	IDLE_HANDLES = 16,
	RECEIVE_BYTES = 8 * 1024, /* of each transfer: tokens are small, and there are many */
	HEADER_BYTES_MAX = 64 * 1024,
};

struct http {
	CURLM *multi;
	struct event_base *base;
	struct event *timer;
	int active; /* transfers whose end curl has not told yet */
	/* Making one takes longer than a call of curl's otherwise does. */
	CURL *idle[IDLE_HANDLES];
	size_t idle_count;
};

/* A socket that curl wants to be told of. */
struct http_socket {
	struct event event;
};

struct http_transfer {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	const struct http_ops *ops;
	void *owner;
	size_t header_bytes;
	bool headed; /* head was called */
	bool stopped;
	char message[CURL_ERROR_SIZE];
};

/* ---- curl and the event loop ---- */

static void remove_handle(struct http_transfer *transfer)
{
	curl_multi_remove_handle(transfer->http->multi, transfer->easy);
	transfer->http->active--;
}

static void transfer_free(struct http_transfer *transfer)
{
	struct http *http = transfer->http;

	if (http->idle_count < IDLE_HANDLES) {
		curl_easy_reset(transfer->easy);
		http->idle[http->idle_count++] = transfer->easy;
	} else {
		curl_easy_cleanup(transfer->easy);
	}
	curl_slist_free_all(transfer->headers);
	free(transfer);
}

static enum http_end end_of(const struct http_transfer *transfer, CURLcode code)
{
	if (code == CURLE_OK)
		return HTTP_DONE;
	if (transfer->stopped)
		return HTTP_STOPPED;
	return code == CURLE_COULDNT_CONNECT ? HTTP_NOT_CONNECTED : HTTP_BROKEN;
}

static bool give_head(struct http_transfer *transfer);

static void end_transfer(CURL *easy, CURLcode code)
{
	struct http_transfer *transfer;
	enum http_end why;
	const char *message;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
	if (code == CURLE_OK && !give_head(transfer))
		code = CURLE_WRITE_ERROR;
	remove_handle(transfer);
	why = end_of(transfer, code);
	message = transfer->message[0] ? transfer->message : curl_easy_strerror(code);
	transfer->ops->ended(transfer->owner, why, message);
	transfer_free(transfer);
}

static void take_ended(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			end_transfer(message->easy_handle, message->data.result);
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
	struct http *http = owner;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(http);
}

static int set_timer(CURLM *multi, long timeout_ms, void *owner)
{
	const struct http *http = owner;
	struct timeval wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		evtimer_del(http->timer);
	else
		evtimer_add(http->timer, &wait);
	return 0;
}

static void on_socket(evutil_socket_t fd, short what, void *owner)
{
	struct http *http = owner;
	int action =
	    (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(http->multi, fd, action, &running);
	take_ended(http);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_owner)
{
	struct http *http = owner;
	struct http_socket *watched = socket_owner;
	short events = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watched)
			event_del(&watched->event);
		curl_multi_assign(http->multi, fd, NULL);
		free(watched);
		return 0;
	}
	events = (short)(events | (what & CURL_POLL_IN ? EV_READ : 0) |
	                 (what & CURL_POLL_OUT ? EV_WRITE : 0));
	if (watched) {
		event_del(&watched->event);
	} else {
		watched = must_zalloc(sizeof(*watched));
		curl_multi_assign(http->multi, fd, watched);
	}
	event_assign(&watched->event, http->base, fd, events, on_socket, http);
	event_add(&watched->event, NULL);
	return 0;
}

struct http *http_new(struct event_base *base)
{
	struct http *http = must_zalloc(sizeof(*http));

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	http->base = base;
	http->timer = evtimer_new(base, on_timer, http);
	http->multi = curl_multi_init();
	if (!http->timer || !http->multi)
		abort();
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	for (size_t i = 0; i < http->idle_count; i++)
		curl_easy_cleanup(http->idle[i]);
	curl_multi_cleanup(http->multi);
	event_free(http->timer);
	curl_global_cleanup();
	free(http);
}

/* ---- one transfer ---- */

/* Once, before the first byte of the body, or at an end without one. */
static bool give_head(struct http_transfer *transfer)
{
	struct curl_header *header;
	struct http_head head = {.content_type = "", .retry_after_ms = -1};
	const char *content_type = NULL;

	if (transfer->headed)
		return true;
	transfer->headed = true;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &head.status);
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &content_type);
	if (content_type)
		head.content_type = content_type;
	if (curl_easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) ==
	    CURLHE_OK)
		head.retry_after_ms = retry_after_parse(header->value, time(NULL));
	transfer->stopped = !transfer->ops->head(transfer->owner, &head);
	return !transfer->stopped;
}

static size_t on_body(char *data, size_t one, size_t size, void *owner)
{
	struct http_transfer *transfer = owner;

	(void)one;
	if (!give_head(transfer))
		return 0;
	transfer->stopped = !transfer->ops->body(transfer->owner, bytes_of(data, size));
	return transfer->stopped ? 0 : size;
}

/* curl keeps all headers: they are bounded like everything else. */
static size_t on_header(char *data, size_t one, size_t size, void *owner)
{
	struct http_transfer *transfer = owner;

	(void)data;
	(void)one;
	transfer->header_bytes += size;
	return transfer->header_bytes > HEADER_BYTES_MAX ? 0 : size;
}

static void set_headers(struct http_transfer *transfer, const struct http_request *request)
{
	/* No Expect: a server that doesn't know it would cost a second. */
	static const char *const always[] = {"Content-Type: application/json",
	    "Accept: application/json, text/event-stream", "Expect:"};
	CLEAN(buffer) struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		transfer->headers = curl_slist_append(transfer->headers, always[i]);
	if (request->bearer) {
		buffer_printf(&line, "Authorization: Bearer %s", request->bearer);
		transfer->headers = curl_slist_append(transfer->headers, buffer_string(&line));
		explicit_bzero(line.data, line.size);
	}
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_address(CURL *easy, const struct http_request *request)
{
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* Empty: none, whatever the environment says. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (request->socket_path)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket_path);
	if (request->ca_file) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
	/* A name is looked up by a thread. Without this the loop would stand still until it has an
	 * answer, when the time to connect is over or nobody waits any more. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

static void set_body(struct http_transfer *transfer, const struct http_request *request)
{
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
	/* Asks for none, since packing holds tokens back; undoes what a proxy has packed all the
	 * same. */
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->message);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

/* Without waiting for the timer that curl has set. An end that comes of it is told later. */
static void send_now(struct http *http)
{
	static const struct timeval at_once = {0, 0};
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	if (running < http->active)
		evtimer_add(http->timer, &at_once);
}

struct http_transfer *http_post(
    struct http *http, const struct http_request *request, const struct http_ops *ops, void *owner)
{
	struct http_transfer *transfer = must_zalloc(sizeof(*transfer));

	transfer->http = http;
	transfer->ops = ops;
	transfer->owner = owner;
	transfer->easy = http->idle_count > 0 ? http->idle[--http->idle_count] : curl_easy_init();
	if (!transfer->easy) {
		free(transfer);
		return NULL;
	}
	curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
	/* One answer a connection: aborting one must not end others. */
	curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	set_address(transfer->easy, request);
	set_headers(transfer, request);
	set_body(transfer, request);
	if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK) {
		transfer_free(transfer);
		return NULL;
	}
	http->active++;
	send_now(http);
	return transfer;
}

void http_abort(struct http_transfer *transfer)
{
	remove_handle(transfer);
	transfer_free(transfer);
}
