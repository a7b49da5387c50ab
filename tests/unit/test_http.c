/* HTTP where the name of a server is looked up and no answer comes. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>
#include <netdb.h>

#include "worker/http.h"

enum { PATIENCE_S = 20 }; /* a test that hangs has failed */

static sem_t asked, answer, answered;

/* In place of libc's: no answer before the test gives it. */
int getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict ret_list)
{
	(void)name;
	(void)service;
	(void)hints;
	*ret_list = NULL;
	sem_post(&asked);
	sem_wait(&answer);
	sem_post(&answered);
	return EAI_AGAIN;
}

struct asker {
	struct event_base *base;
	struct http *http;
	struct http_transfer *transfer;
	bool ended;
	enum http_end why;
};

static bool no_head(void *owner, const struct http_head *head)
{
	(void)owner;
	(void)head;
	return false;
}

static bool no_body(void *owner, struct bytes bytes)
{
	(void)owner;
	(void)bytes;
	return false;
}

static void on_ended(void *owner, enum http_end why, const char *message)
{
	struct asker *asker = owner;

	(void)message;
	asker->ended = true;
	asker->why = why;
	event_base_loopbreak(asker->base);
}

static const struct http_ops ops = {.head = no_head, .body = no_body, .ended = on_ended};

static void ask(struct asker *asker, int64_t connect_timeout_ms)
{
	struct http_request request = {.url = "http://model.test:1/",
	    .body = bytes_of_string("{}"),
	    .connect_timeout_ms = connect_timeout_ms};

	alarm(PATIENCE_S);
	*asker = (struct asker){.base = event_base_new()};
	asker->http = http_new(asker->base);
	asker->transfer = http_post(asker->http, &request, &ops, asker);
	assert_non_null(asker->transfer);
	while (sem_trywait(&asked) != 0)
		event_base_loop(asker->base, EVLOOP_NONBLOCK);
}

/* Only now does the name server answer, to nobody. */
static void leave(struct asker *asker)
{
	http_free(asker->http);
	sem_post(&answer);
	sem_wait(&answered);
	event_base_free(asker->base);
	alarm(0);
}

static void test_the_time_to_connect_is_that_of_the_look_up_too(void **state)
{
	struct asker asker;

	(void)state;
	ask(&asker, 50);
	event_base_dispatch(asker.base);
	assert_true(asker.ended);
	assert_int_not_equal(asker.why, HTTP_DONE);
	leave(&asker);
}

static void test_a_look_up_that_nobody_waits_for_holds_nobody_up(void **state)
{
	struct asker asker;

	(void)state;
	ask(&asker, PATIENCE_S * 1000);
	http_abort(asker.transfer);
	assert_false(asker.ended);
	leave(&asker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_time_to_connect_is_that_of_the_look_up_too),
	    cmocka_unit_test(test_a_look_up_that_nobody_waits_for_holds_nobody_up),
	};

	sem_init(&asked, 0, 0);
	sem_init(&answer, 0, 0);
	sem_init(&answered, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
