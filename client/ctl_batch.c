/*
 * --batch: JSON lines in, JSON lines out in the same order, up to BATCH_WINDOW requests in flight.
 * A line is answered as soon as all before it are, even while the input's writer pauses.
 */
#include "client/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"

enum {
	BATCH_WINDOW = 256,
	BATCH_LINE_BYTES = 1 << 20,
	BATCH_IDLE_MS = DEFAULT_TIMEOUT_MS + 10 * 1000, /* the daemon hangs */
};

/* A line between being read and being printed. */
struct batch_line {
	char *id; /* its JSON */
	uint32_t msgid;
	bool sent;
	struct optimax_reply *reply;
	char error_code[32], error_message[256]; /* where it was not sent */
};

struct batch {
	struct ctl *ctl;
	const char *method, *key;
	struct batch_line lines[BATCH_WINDOW]; /* a ring */
	size_t first, count;
	unsigned long long line_number;
	bool input_ended, skipping; /* skipping: the rest of a line that is too long */
	bool some_failed;
	char *input;
	size_t input_size;
};

/* ---- out ---- */

static bool batch_line_done(const struct batch_line *line)
{
	return line->reply || !line->sent;
}

/* What the daemon worked on it. Up to BATCH_WINDOW lines wait for a worker, which is none of it. */
static void batch_print_micros(const msgpack_object *map)
{
	const msgpack_object *timing = optimax_get(map, "timing_us");
	const msgpack_object *micros = optimax_get(timing, "validate");

	if (!micros)
		micros = optimax_get(timing, "total");
	fputs(", \"micros\": ", stdout);
	if (micros)
		ctl_json_value(stdout, micros);
	else
		fputs("null", stdout);
}

static void batch_print_result(const msgpack_object *map)
{
	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object_kv *pair = &map->via.map.ptr[i];
		if (pair->key.type != MSGPACK_OBJECT_STR ||
		    strcmp(pair->key.via.str.ptr, "id") == 0)
			continue;
		fputs(", ", stdout);
		ctl_json_value(stdout, &pair->key);
		fputs(": ", stdout);
		ctl_json_value(stdout, &pair->val);
	}
	batch_print_micros(map);
}

static void batch_print(struct batch *batch, struct batch_line *line)
{
	bool failed = !line->reply || optimax_reply_error(line->reply);

	printf("{\"id\": %s", line->id ? line->id : "null");
	if (line->reply && failed) {
		fputs(", \"error\": ", stdout);
		ctl_json_value(stdout, optimax_reply_value(line->reply));
	} else if (failed) {
		fputs(", \"error\": {\"code\": ", stdout);
		ctl_json_string(stdout, line->error_code, strlen(line->error_code));
		fputs(", \"message\": ", stdout);
		ctl_json_string(stdout, line->error_message, strlen(line->error_message));
		fputs("}", stdout);
	} else {
		batch_print_result(optimax_reply_value(line->reply));
	}
	fputs("}\n", stdout);
	batch->some_failed |= failed;
}

static void batch_line_deinit(struct batch_line *line)
{
	optimax_reply_free(line->reply);
	free(line->id);
	*line = (struct batch_line){0};
}

static void batch_print_done(struct batch *batch)
{
	bool some = false;

	while (batch->count > 0 && batch_line_done(&batch->lines[batch->first])) {
		struct batch_line *line = &batch->lines[batch->first];
		batch_print(batch, line);
		batch_line_deinit(line);
		batch->first = (batch->first + 1) % BATCH_WINDOW;
		batch->count--;
		some = true;
	}
	if (some)
		fflush(stdout);
}

/* ---- in ---- */

static void batch_refuse(
    const struct batch *batch, struct batch_line *line, const char *code, const char *why)
{
	snprintf(line->error_code, sizeof(line->error_code), "%s", code);
	snprintf(line->error_message, sizeof(line->error_message), "line %llu: %s",
	    batch->line_number, why);
}

static void batch_send(struct batch *batch, struct batch_line *line, const json_t *object)
{
	const char *database = json_string_value(json_object_get(object, "database"));
	const char *text = json_string_value(json_object_get(object, batch->key));
	const struct ctl_pair pairs[] = {
	    {batch->key, text}, {"database", database ? database : batch->ctl->database}};
	msgpack_sbuffer params;
	char why[64];

	if (!text) {
		snprintf(why, sizeof(why), "'%s' is missing or no text", batch->key);
		batch_refuse(batch, line, "bad_request", why);
		return;
	}
	msgpack_sbuffer_init(&params);
	ctl_pack_pairs(&params, pairs, 2, 0);
	if (optimax_send(batch->ctl->client, batch->method, &params, &line->msgid) == 0)
		line->sent = true;
	else
		batch_refuse(batch, line, optimax_error(batch->ctl->client)->name,
		    optimax_error(batch->ctl->client)->message);
	msgpack_sbuffer_destroy(&params);
}

static struct batch_line *batch_add(struct batch *batch)
{
	return &batch->lines[(batch->first + batch->count++) % BATCH_WINDOW];
}

static void batch_take_line(struct batch *batch, const char *text, size_t size)
{
	struct batch_line *line;
	json_error_t error;
	json_t *object;

	batch->line_number++;
	if (size == strspn(text, " \t\r"))
		return;
	line = batch_add(batch);
	object = json_loadb(text, size, 0, &error);
	if (!json_is_object(object)) {
		batch_refuse(batch, line, "bad_request", object ? "no JSON object" : error.text);
	} else {
		json_t *id = json_object_get(object, "id");
		line->id = id ? json_dumps(id, JSON_ENCODE_ANY) : NULL;
		batch_send(batch, line, object);
	}
	json_decref(object);
}

/* Takes lines while there is a place in the window. False: more must be read first. */
static bool batch_take_lines(struct batch *batch)
{
	size_t at = 0;
	bool hungry = true;

	while (batch->count < BATCH_WINDOW && optimax_fd(batch->ctl->client) >= 0) {
		char *end = memchr(batch->input + at, '\n', batch->input_size - at);
		if (!end && batch->input_ended && at < batch->input_size)
			end = batch->input + batch->input_size;
		if (!end)
			break;
		*end = '\0';
		if (!batch->skipping)
			batch_take_line(
			    batch, batch->input + at, (size_t)(end - (batch->input + at)));
		batch->skipping = false;
		at = (size_t)(end - batch->input) + 1;
		if (at > batch->input_size)
			at = batch->input_size;
	}
	hungry = batch->count < BATCH_WINDOW;
	memmove(batch->input, batch->input + at, batch->input_size - at);
	batch->input_size -= at;
	if (hungry && batch->input_size == BATCH_LINE_BYTES) {
		batch->input_size = 0;
		if (!batch->skipping) {
			batch->line_number++;
			batch_refuse(batch, batch_add(batch), "too_large", "longer than 1 MiB");
		}
		batch->skipping = true;
	}
	return hungry;
}

static void batch_read(struct batch *batch)
{
	ssize_t size = read(
	    STDIN_FILENO, batch->input + batch->input_size, BATCH_LINE_BYTES - batch->input_size);

	if (size > 0)
		batch->input_size += (size_t)size;
	else if (size == 0 || errno != EINTR)
		batch->input_ended = true;
}

/* ---- the loop ---- */

static void batch_match(struct batch *batch, struct optimax_reply *reply)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct batch_line *line = &batch->lines[(batch->first + i) % BATCH_WINDOW];
		if (line->sent && !line->reply && line->msgid == optimax_reply_msgid(reply) &&
		    !optimax_reply_is_delta(reply)) {
			line->reply = reply;
			return;
		}
	}
	optimax_reply_free(reply);
}

static int batch_receive(struct batch *batch)
{
	struct optimax_reply *reply;
	int r;

	while ((r = optimax_receive(batch->ctl->client, 0, &reply)) == 0)
		batch_match(batch, reply);
	return r == -ETIMEDOUT ? CTL_OK : ctl_fail_client(batch->ctl);
}

static int batch_interrupted(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct batch_line *line = &batch->lines[(batch->first + i) % BATCH_WINDOW];
		if (!batch_line_done(line))
			optimax_cancel(batch->ctl->client, line->msgid);
	}
	fprintf(stderr, "optimaxctl: interrupted\n");
	return CTL_INTERRUPTED;
}

/* Waits for the input, an answer or Ctrl-C, whichever comes. */
static int batch_wait(struct batch *batch, bool hungry)
{
	bool wants_input = hungry && !batch->input_ended;
	struct pollfd pollers[] = {
	    {.fd = optimax_fd(batch->ctl->client), .events = POLLIN},
	    {.fd = batch->ctl->signal_fd, .events = POLLIN},
	    {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
	};
	int r = poll(pollers, 3, batch->count > 0 ? BATCH_IDLE_MS : -1);

	if (r == 0)
		return ctl_fail(
		    batch->ctl, CTL_NO_DAEMON, "no_answer", "the daemon did not answer in time");
	if (r > 0 && (pollers[1].revents & POLLIN))
		return batch_interrupted(batch);
	if (r > 0 && pollers[2].revents)
		batch_read(batch);
	return CTL_OK;
}

static int batch_loop(struct batch *batch)
{
	for (;;) {
		bool hungry = batch_take_lines(batch);
		int status = batch_receive(batch);
		batch_print_done(batch);
		if (status != CTL_OK)
			return status;
		if (batch->input_ended && batch->input_size == 0 && batch->count == 0)
			return batch->some_failed ? CTL_FAILED : CTL_OK;
		/* Printing may have made room for lines that are here already. */
		if (!hungry && batch->count < BATCH_WINDOW)
			continue;
		status = batch_wait(batch, hungry);
		if (status != CTL_OK)
			return status;
	}
}

int ctl_run_batch(struct ctl *ctl, const char *method, const char *key)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	int status;

	if (!batch || !(batch->input = malloc(BATCH_LINE_BYTES + 1))) {
		free(batch);
		return ctl_fail(ctl, CTL_FAILED, "no_memory", "memory is out");
	}
	batch->ctl = ctl;
	batch->method = method;
	batch->key = key;
	status = ctl_connect(ctl);
	if (status == CTL_OK) {
		ctl_catch_interrupt(ctl);
		status = batch_loop(batch);
	}
	for (size_t i = 0; i < BATCH_WINDOW; i++)
		batch_line_deinit(&batch->lines[i]);
	free(batch->input);
	free(batch);
	return status;
}
