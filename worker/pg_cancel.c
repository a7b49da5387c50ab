#include "worker/pg_cancel.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/bytes.h"

enum { THREAD_STACK_BYTES = 256 * 1024 };

struct pg_cancel {
	atomic_int holders; /* the loop and the thread; the last one frees */
	PGcancel *request;
	int done_fd; /* readable once the thread is through */
	struct event *event;
	void (*done)(void *owner);
	void *owner;
};

static void release(struct pg_cancel *cancel)
{
	if (atomic_fetch_sub(&cancel->holders, 1) > 1)
		return;
	PQfreeCancel(cancel->request);
	close(cancel->done_fd);
	free(cancel);
}

static void *run(void *arg)
{
	struct pg_cancel *cancel = arg;
	char message[256];

	/* Failure shows as a statement that goes on, for which the owner has a deadline. */
	(void)PQcancel(cancel->request, message, sizeof(message));
	(void)eventfd_write(cancel->done_fd, 1);
	release(cancel);
	return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct pg_cancel *cancel = arg;

	(void)fd;
	(void)what;
	cancel->done(cancel->owner);
}

/* Signals stay with the event loop's thread. */
static int start_thread(struct pg_cancel *cancel)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attributes, run, cancel);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

struct pg_cancel *pg_cancel_start(
    struct event_base *base, PGconn *pg, void (*done)(void *owner), void *owner)
{
	PGcancel *request = PQgetCancel(pg);
	int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pg_cancel *cancel;

	if (!request || done_fd < 0) {
		PQfreeCancel(request);
		if (done_fd >= 0)
			close(done_fd);
		return NULL;
	}
	cancel = must_zalloc(sizeof(*cancel));
	*cancel = (struct pg_cancel){
	    .request = request, .done_fd = done_fd, .done = done, .owner = owner};
	atomic_init(&cancel->holders, 2);
	cancel->event = event_new(base, done_fd, EV_READ, on_done, cancel);
	if (!cancel->event || event_add(cancel->event, NULL) < 0)
		abort();
	if (start_thread(cancel) < 0) {
		atomic_store(&cancel->holders, 1);
		pg_cancel_free(cancel);
		return NULL;
	}
	return cancel;
}

void pg_cancel_free(struct pg_cancel *cancel)
{
	if (!cancel)
		return;
	event_free(cancel->event);
	release(cancel);
}
