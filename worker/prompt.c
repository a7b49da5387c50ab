#include "worker/prompt.h"

#include <string.h>

#include "worker/history.h"
#include "worker/prompt_fence.h"
#include "worker/prompt_template.h"

enum { TURN_BYTES_MAX = 2048 };

/* What the placeholders stand for, and the turns that stand by themselves. */
struct filling {
	const struct prompt_request *request;
	struct prompt_template template;
	struct buffer values[PLACEHOLDER_COUNT];
	size_t turn_count;
	struct said turns[PROMPT_HISTORY_TURNS];
	size_t left; /* bytes that may still be used */
};

/* Views into `text` are made when it has stopped growing: until then, offsets. */
struct composing {
	struct prompt *prompt;
	size_t starts[PROMPT_MESSAGES_MAX];
};

/* ---- the conversation ---- */

/* Keeps the latest ones, within the limits; the router has checked the list. */
static void read_history(struct filling *filling, size_t max_bytes)
{
	struct history_walk walk = history_begin(filling->request->history);
	struct said turn;
	size_t bytes = 0, first = 0;

	while (history_next(&walk, &turn)) {
		if (filling->turn_count == PROMPT_HISTORY_TURNS) {
			memmove(filling->turns, filling->turns + 1,
			    (PROMPT_HISTORY_TURNS - 1) * sizeof(turn));
			filling->turn_count--;
		}
		turn.content = bytes_cut(turn.content, TURN_BYTES_MAX);
		filling->turns[filling->turn_count++] = turn;
	}
	for (first = filling->turn_count; first > 0; first--) {
		bytes += filling->turns[first - 1].content.size;
		if (bytes > max_bytes)
			break;
	}
	filling->turn_count -= first;
	memmove(filling->turns, filling->turns + first, filling->turn_count * sizeof(turn));
}

static void write_history(struct filling *filling, struct buffer *buffer)
{
	if (filling->turn_count == 0)
		return;
	buffer_append_string(buffer, "<history>\n");
	for (size_t i = 0; i < filling->turn_count; i++) {
		const struct said *turn = &filling->turns[i];

		buffer_append_string(buffer, turn->by_assistant ? "assistant: " : "user: ");
		prompt_fence_line(turn->content, TURN_BYTES_MAX, buffer);
		buffer_append_string(buffer, "\n");
	}
	buffer_append_string(buffer, "</history>\n");
}

/* ---- examples ---- */

static void write_examples(struct bytes examples, size_t max_bytes, struct buffer *buffer)
{
	struct texts_walk walk = texts_begin(examples);
	struct bytes question, sql;
	size_t bytes = 0, shown = 0;

	while (texts_next(&walk, &question) && texts_next(&walk, &sql)) {
		if (bytes + question.size + sql.size > max_bytes)
			break;
		bytes += question.size + sql.size;
		buffer_append_string(buffer, shown++ ? "" : "<examples>\n");
		buffer_append_string(buffer, "question: ");
		prompt_fence_line(question, question.size, buffer);
		buffer_append_string(buffer, "\nsql: ");
		prompt_fence_line(sql, sql.size, buffer);
		buffer_append_string(buffer, "\n");
	}
	if (shown)
		buffer_append_string(buffer, "</examples>\n");
}

/* ---- within the size ---- */

static bool is_wanted(const struct filling *filling, enum prompt_placeholder placeholder)
{
	return prompt_template_has(filling->template.system, placeholder) ||
	       prompt_template_has(filling->template.user, placeholder);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void spend(struct filling *filling, size_t bytes)
{
	filling->left -= smaller(filling->left, bytes);
}

/* What can't be left out. */
static int fill_needed(struct filling *filling, struct error *ret_error)
{
	const struct prompt_request *request = filling->request;
	struct buffer *values = filling->values;
	size_t bytes = filling->template.system.size + filling->template.user.size;

	/* In chat it is the user's turn, and no data. */
	if (request->kind == PROMPT_CHAT)
		buffer_append_bytes(&values[PLACEHOLDER_QUESTION], request->question);
	else
		prompt_fence("question", request->question, &values[PLACEHOLDER_QUESTION]);
	if (request->sql.data)
		prompt_fence("sql", request->sql, &values[PLACEHOLDER_SQL]);
	if (request->error.data)
		prompt_fence("error", request->error, &values[PLACEHOLDER_ERROR]);
	buffer_append_string(&values[PLACEHOLDER_DIALECT], "PostgreSQL");
	for (int i = 0; i < PLACEHOLDER_COUNT; i++)
		bytes += values[i].size;
	if (bytes > request->max_bytes)
		return error_set(ret_error, ERROR_TOO_LARGE,
		    "the prompt for this question has %zu bytes without the schema; the provider's "
		    "max_prompt allows %zu",
		    bytes, request->max_bytes);
	filling->left = request->max_bytes - bytes;
	return 0;
}

/* The conversation and the examples get a quarter each of what is left, the schema the rest. */
static void fill_rest(struct filling *filling)
{
	const struct prompt_request *request = filling->request;
	struct buffer *values = filling->values;
	struct buffer *schema = &values[PLACEHOLDER_SCHEMA];
	static const size_t tags = sizeof("<schema>\n</schema>\n");
	size_t quarter = filling->left / 4;

	read_history(filling, smaller(quarter, PROMPT_HISTORY_BYTES));
	if (is_wanted(filling, PLACEHOLDER_HISTORY)) {
		write_history(filling, &values[PLACEHOLDER_HISTORY]);
		filling->turn_count = 0;
	}
	for (size_t i = 0; i < filling->turn_count; i++)
		spend(filling, filling->turns[i].content.size);
	if (is_wanted(filling, PLACEHOLDER_EXAMPLES))
		write_examples(request->examples, smaller(quarter, PROMPT_EXAMPLES_BYTES),
		    &values[PLACEHOLDER_EXAMPLES]);
	spend(filling, values[PLACEHOLDER_HISTORY].size + values[PLACEHOLDER_EXAMPLES].size);
	if (!request->schema || !is_wanted(filling, PLACEHOLDER_SCHEMA) || filling->left < tags)
		return;
	buffer_append_string(schema, "<schema>\n");
	prompt_schema_write(request->schema, request->question,
	    smaller(filling->left - tags, PROMPT_SCHEMA_BYTES), schema);
	buffer_append_string(schema, "</schema>\n");
}

/* ---- the messages ---- */

static void begin_message(struct composing *composing, const char *role)
{
	struct prompt *prompt = composing->prompt;

	composing->starts[prompt->count] = prompt->text.size;
	prompt->messages[prompt->count++] = (struct prompt_message){.role = role};
}

static void expand(
    struct composing *composing, const struct filling *filling, const char *role, struct bytes text)
{
	struct buffer *buffer = &composing->prompt->text;
	enum prompt_placeholder placeholder;
	size_t at = 0, from = 0, place;

	if (text.size == 0)
		return;
	begin_message(composing, role);
	while (prompt_template_next(text, &at, &place, &placeholder)) {
		buffer_append(buffer, text.data + from, place - from);
		buffer_append_bytes(buffer, bytes_of_buffer(&filling->values[placeholder]));
		from = at;
	}
	buffer_append(buffer, text.data + from, text.size - from);
	/* Files end with a line break, which says nothing. */
	while (buffer->size > composing->starts[composing->prompt->count - 1] &&
	       buffer->data[buffer->size - 1] == '\n')
		buffer->size--;
}

static void write_messages(const struct filling *filling, struct prompt *prompt)
{
	struct composing composing = {.prompt = prompt};

	buffer_reset(&prompt->text);
	prompt->count = 0;
	expand(&composing, filling, "system", filling->template.system);
	for (size_t i = 0; i < filling->turn_count; i++) {
		const struct said *turn = &filling->turns[i];

		begin_message(&composing, turn->by_assistant ? "assistant" : "user");
		buffer_append_bytes(&prompt->text, turn->content);
	}
	expand(&composing, filling, "user", filling->template.user);
	for (size_t i = 0; i < prompt->count; i++) {
		size_t end = i + 1 < prompt->count ? composing.starts[i + 1] : prompt->text.size;

		prompt->messages[i].content =
		    bytes_of(prompt->text.data + composing.starts[i], end - composing.starts[i]);
	}
}

int prompt_compose(const struct child_config *config, const struct prompt_request *request,
    struct prompt *ret_prompt, struct error *ret_error)
{
	struct filling filling = {
	    .request = request, .template = prompt_template_get(config, request->kind)};
	int r = fill_needed(&filling, ret_error);

	if (r == 0) {
		fill_rest(&filling);
		write_messages(&filling, ret_prompt);
	}
	for (int i = 0; i < PLACEHOLDER_COUNT; i++)
		buffer_deinit(&filling.values[i]);
	return r;
}

void prompt_deinit(struct prompt *prompt)
{
	buffer_deinit(&prompt->text);
	prompt->count = 0;
}
