/* Events out of a stream of bytes, cut at every place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "worker/event_stream.h"

static const struct {
	const char *name;
	enum event_framing framing;
	const char *text;
	const char *events; /* each behind a | */
} cases[] = {
    {"lines", EVENT_LINES, "{\"a\":1}\n{\"b\":2}\n", "|{\"a\":1}|{\"b\":2}"},
    {"lines with CRLF and blank ones", EVENT_LINES, "a\r\n\r\n  \nb\r\n", "|a|b"},
    {"a last line without its end", EVENT_LINES, "a\nb", "|a|b"},
    {"no line", EVENT_LINES, "", ""},
    {"events", EVENT_SSE, "data: a\n\ndata: b\n\n", "|a|b"},
    {"events with CRLF", EVENT_SSE, "data: a\r\n\r\ndata: b\r\n\r\n", "|a|b"},
    {"events with CR", EVENT_SSE, "data: a\r\rdata: b\r\r", "|a|b"},
    {"no space behind the colon", EVENT_SSE, "data:a\n\ndata:  b\n\n", "|a| b"},
    {"comments", EVENT_SSE, ": ping\n\n:\n\ndata: a\n: in between\n\n", "|a"},
    {"other fields", EVENT_SSE, "event: x\nid: 1\nretry: 5\ndata: a\n\n", "|a"},
    {"data of two lines", EVENT_SSE, "data: a\ndata: b\n\n", "|a\nb"},
    {"empty data", EVENT_SSE, "data:\n\n", "|"},
    {"the last event without its blank line", EVENT_SSE, "data: a\n\ndata: b", "|a|b"},
    {"text that is no field", EVENT_SSE, "<html>\n\ndata\n\n", ""},
    {"a document", EVENT_DOCUMENT, "{\n\"a\":\n1}\n", "|{\n\"a\":\n1}\n"},
    {"a byte order mark", EVENT_SSE,
        "\xef\xbb\xbf"
        "data: a\n\n\xef\xbb\xbf"
        "data: b\n\n",
        "|a"},
    {"one before lines", EVENT_LINES, "\xef\xbb\xbf{}\n{}\n", "|{}|{}"},
    {"one before a document", EVENT_DOCUMENT, "\xef\xbb\xbf{}", "|{}"},
    {"bytes over 127", EVENT_SSE, "data: \xe2\x82\xac\n\n", "|\xe2\x82\xac"},
};

static bool note(void *owner, struct bytes event)
{
	buffer_append_string(owner, "|");
	buffer_append_bytes(owner, event);
	return true;
}

static void expect(const char *name, const struct buffer *seen, const char *events)
{
	if (!bytes_equal_string(bytes_of_buffer(seen), events))
		fail_msg("%s: \"%.*s\", not \"%s\"", name, (int)seen->size,
		    seen->data ? seen->data : "", events);
}

static void run_split(size_t row, size_t first, size_t second)
{
	CLEAN(buffer) struct buffer seen = BUFFER_INIT;
	size_t size = strlen(cases[row].text);
	struct event_stream stream = {
	    .framing = cases[row].framing, .limit = 64, .event = note, .owner = &seen};

	assert_int_equal(event_stream_feed(&stream, bytes_of(cases[row].text, first)), 0);
	assert_int_equal(
	    event_stream_feed(&stream, bytes_of(cases[row].text + first, second - first)), 0);
	assert_int_equal(
	    event_stream_feed(&stream, bytes_of(cases[row].text + second, size - second)), 0);
	assert_int_equal(event_stream_end(&stream), 0);
	expect(cases[row].name, &seen, cases[row].events);
	event_stream_deinit(&stream);
}

static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t first = 0; first <= strlen(cases[i].text); first++)
			for (size_t second = first; second <= strlen(cases[i].text); second++)
				run_split(i, first, second);
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEAN(buffer) struct buffer seen = BUFFER_INIT;
		struct event_stream stream = {
		    .framing = cases[i].framing, .limit = 64, .event = note, .owner = &seen};

		for (const char *at = cases[i].text; *at; at++)
			assert_int_equal(event_stream_feed(&stream, bytes_of(at, 1)), 0);
		assert_int_equal(event_stream_end(&stream), 0);
		expect(cases[i].name, &seen, cases[i].events);
		event_stream_deinit(&stream);
	}
}

static void test_limit(void **state)
{
	static const char line[] = "data: 0123456789";

	(void)state;
	for (int framing = EVENT_LINES; framing <= EVENT_DOCUMENT; framing++) {
		CLEAN(buffer) struct buffer seen = BUFFER_INIT;
		struct event_stream stream = {.framing = (enum event_framing)framing,
		    .limit = 15,
		    .event = note,
		    .owner = &seen};

		assert_int_equal(event_stream_feed(&stream, bytes_of(line, 15)), 0);
		assert_int_equal(event_stream_feed(&stream, bytes_of(line, 1)), -EMSGSIZE);
		event_stream_deinit(&stream);
	}
}

/* Many short lines of one event grow as one long line does. */
static void test_limit_of_an_event(void **state)
{
	CLEAN(buffer) struct buffer seen = BUFFER_INIT;
	struct event_stream stream = {
	    .framing = EVENT_SSE, .limit = 64, .event = note, .owner = &seen};
	int r = 0;

	(void)state;
	for (int i = 0; i < 100 && r == 0; i++)
		r = event_stream_feed(&stream, bytes_of_string("data: abc\n"));
	assert_int_equal(r, -EMSGSIZE);
	event_stream_deinit(&stream);
}

static bool refuse(void *owner, struct bytes event)
{
	(void)event;
	++*(int *)owner;
	return false;
}

static void test_ended_by_its_reader(void **state)
{
	int count = 0;
	struct event_stream stream = {
	    .framing = EVENT_LINES, .limit = 64, .event = refuse, .owner = &count};

	(void)state;
	assert_int_equal(event_stream_feed(&stream, bytes_of_string("a\nb\nc\n")), 1);
	assert_int_equal(count, 1);
	event_stream_deinit(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_byte_by_byte),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_limit_of_an_event),
	    cmocka_unit_test(test_ended_by_its_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
