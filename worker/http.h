/*
 * POST requests to one server, thousands at once on the event loop (libcurl's multi interface).
 * Owns connections, which are used again. No redirects, no proxies, no protocol but http and
 * https. What is sent and what an answer means is its callers'; limits on time, but for
 * connecting, and on size are, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

struct event_base;
struct http;
struct http_transfer;

struct http_request {
	const char *url;
	const char *socket_path; /* of a Unix socket; NULL: TCP */
	struct bytes body; /* JSON; stays the caller's until the end */
	const char *bearer; /* NULL: none; copied */
	const char *ca_file; /* NULL: the system's */
	int64_t connect_timeout_ms;
};

struct http_head {
	long status;
	const char *content_type; /* "" where absent */
	int64_t retry_after_ms; /* -1: absent */
};

enum http_end {
	HTTP_DONE, /* the answer is whole */
	HTTP_NOT_CONNECTED, /* nothing was sent */
	HTTP_BROKEN, /* while sending or receiving */
	HTTP_STOPPED, /* a callback returned false */
};

/* None is called after http_abort; head and body must not abort, but may return false. */
struct http_ops {
	bool (*head)(void *owner, const struct http_head *head);
	bool (*body)(void *owner, struct bytes bytes);
	/* Once, last. The message says why, but for HTTP_DONE and HTTP_STOPPED. */
	void (*ended)(void *owner, enum http_end why, const char *message);
};

struct http *http_new(struct event_base *base);
/* No transfer may be left. */
void http_free(struct http *http);

/* NULL where memory or descriptors are out. `ended` is called later, never from here. */
struct http_transfer *http_post(
    struct http *http, const struct http_request *request, const struct http_ops *ops, void *owner);
/* Closes its connection at once. */
void http_abort(struct http_transfer *transfer);
