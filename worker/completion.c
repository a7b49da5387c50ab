#include "worker/completion.h"

#include <ctype.h>
#include <jansson.h>
#include <strings.h>

#include "common/limits.h"
#include "worker/thoughts.h"

static const char sql_schema[] =
    "{\"type\":\"object\",\"properties\":{\"sql\":{\"type\":\"string\"}},"
    "\"required\":[\"sql\"],\"additionalProperties\":false}";

/* What a job's completion has: an object with one key. */
static const struct {
	const char *key; /* NULL: plain text */
	const char *schema;
} shapes[PROVIDER_JOB_COUNT] = {
    [PROVIDER_ROUTE] = {"route", "{\"type\":\"object\",\"properties\":{\"route\":{\"type\":"
                                 "\"string\",\"enum\":[\"sql\",\"chat\"]}},\"required\":["
                                 "\"route\"],\"additionalProperties\":false}"},
    [PROVIDER_SQL] = {"sql", sql_schema},
    [PROVIDER_REPAIR] = {"sql", sql_schema},
};

const char *completion_schema(enum provider_job job)
{
	return shapes[job].schema;
}

static struct bytes trim(struct bytes text)
{
	while (text.size > 0 && isspace((unsigned char)text.data[0]))
		text = bytes_of(text.data + 1, text.size - 1);
	while (text.size > 0 && isspace((unsigned char)text.data[text.size - 1]))
		text.size--;
	return text;
}

static const char *find(struct bytes text, const char *what)
{
	return text.size > 0 ? memmem(text.data, text.size, what, strlen(what)) : NULL;
}

static struct bytes from(struct bytes text, const char *start)
{
	return bytes_of(start, text.size - (size_t)(start - text.data));
}

/* With what JSON wants escaped in its strings: models write SQL over several lines as it is. */
static void escape_lines(struct bytes text, struct buffer *ret_json)
{
	bool in_string = false;

	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.data[i];

		in_string ^= c == '"';
		if (in_string && c < ' ')
			buffer_printf(ret_json, "\\u%04x", c);
		else
			buffer_append(ret_json, text.data + i, 1);
		if (in_string && c == '\\' && i + 1 < text.size)
			buffer_append(ret_json, text.data + ++i, 1);
	}
}

static json_t *load(struct bytes text)
{
	CLEAN(buffer) struct buffer escaped = BUFFER_INIT;
	json_t *json = text.size > 0 ? json_loadb(text.data, text.size, 0, NULL) : NULL;

	if (json || text.size == 0)
		return json;
	escape_lines(text, &escaped);
	return json_loadb(escaped.data, escaped.size, 0, NULL);
}

/* From the first opening brace to the last closing one. */
static struct bytes braced(struct bytes text)
{
	const char *open = text.size > 0 ? memchr(text.data, '{', text.size) : NULL;
	const char *close = text.size > 0 ? memrchr(text.data, '}', text.size) : NULL;

	if (!open || !close || close < open)
		return BYTES_NONE;
	return bytes_of(open, (size_t)(close - open) + 1);
}

/* What stands inside the first fence of three backticks, without its language. */
static struct bytes fenced(struct bytes text)
{
	const char *open = find(text, "```"), *line, *close;
	struct bytes inside;

	if (!open)
		return BYTES_NONE;
	inside = from(text, open + 3);
	line = inside.size > 0 ? memchr(inside.data, '\n', inside.size) : NULL;
	if (!line)
		return BYTES_NONE;
	inside = from(inside, line + 1);
	close = find(inside, "```");
	if (close)
		inside.size = (size_t)(close - inside.data);
	return trim(inside);
}

static bool starts_with_word(struct bytes text, const char *word)
{
	size_t size = strlen(word);

	return text.size > size && strncasecmp(text.data, word, size) == 0 &&
	       !isalnum((unsigned char)text.data[size]) && text.data[size] != '_';
}

/* A remark on the statement often stands before it. */
static struct bytes after_comments(struct bytes text)
{
	while (text.size >= 2) {
		bool is_line = memcmp(text.data, "--", 2) == 0;
		const char *end_mark = is_line ? "\n" : "*/", *end;

		if (!is_line && memcmp(text.data, "/*", 2) != 0)
			break;
		end = find(text, end_mark);
		text = end ? trim(from(text, end + strlen(end_mark))) : BYTES_NONE;
	}
	return text;
}

static bool is_statement(struct bytes text)
{
	text = after_comments(text);
	return starts_with_word(text, "SELECT") || starts_with_word(text, "WITH");
}

/* The value of the only key that counts; false where the text is no such object. */
static bool read_object(struct bytes text, const char *key, struct buffer *answer)
{
	json_t *object = load(text);
	const json_t *value = json_object_get(object, key);
	bool found = json_is_string(value);

	if (found) {
		struct bytes read = bytes_of(json_string_value(value), json_string_length(value));
		struct bytes block = fenced(read);

		/* Models put fences inside of the JSON, too. */
		buffer_append_bytes(answer, is_statement(block) ? block : trim(read));
	}
	json_decref(object);
	return found;
}

static bool find_sql(struct bytes text, struct buffer *answer)
{
	struct bytes block = fenced(text);

	if (is_statement(block))
		buffer_append_bytes(answer, block);
	else if (is_statement(text) && !find(text, "```"))
		buffer_append_bytes(answer, text);
	else
		return false;
	return true;
}

static bool has_word(struct bytes text, const char *word)
{
	size_t size = strlen(word);

	for (size_t i = 0; i + size <= text.size; i++) {
		bool begins = i == 0 || !isalnum((unsigned char)text.data[i - 1]);
		bool ends = i + size == text.size || !isalnum((unsigned char)text.data[i + size]);

		if (begins && ends && strncasecmp(text.data + i, word, size) == 0)
			return true;
	}
	return false;
}

/* One of the two words, and not the other. */
static bool find_route(struct bytes text, struct buffer *answer)
{
	bool sql = has_word(text, "sql"), chat = has_word(text, "chat");

	if (sql == chat)
		return false;
	buffer_append_string(answer, sql ? "sql" : "chat");
	return true;
}

static bool search(enum provider_job job, struct bytes text, struct buffer *answer)
{
	const char *key = shapes[job].key;

	return read_object(text, key, answer) || read_object(fenced(text), key, answer) ||
	       read_object(braced(text), key, answer) ||
	       (provider_job_makes_sql(job) ? find_sql(text, answer) : find_route(text, answer));
}

static int check(enum provider_job job, struct bytes answer, struct error *ret_error)
{
	if (!bytes_are_utf8(answer) || (answer.size > 0 && memchr(answer.data, '\0', answer.size)))
		return error_set(ret_error, ERROR_MODEL_ERROR, "its completion is no UTF-8 text");
	if (job == PROVIDER_CHAT)
		return 0;
	if (answer.size == 0)
		return error_set(ret_error, ERROR_UNANSWERABLE,
		    "the model says that the question can't be answered from this schema");
	if (provider_job_makes_sql(job) && answer.size > LIMIT_SQL_BYTES)
		return error_set(ret_error, ERROR_MODEL_ERROR,
		    "its SQL has %zu bytes; at most %d are run", answer.size, LIMIT_SQL_BYTES);
	if (job == PROVIDER_ROUTE && !bytes_equal_string(answer, "sql") &&
	    !bytes_equal_string(answer, "chat"))
		return error_set(ret_error, ERROR_MODEL_ERROR, "its route is neither sql nor chat");
	return 0;
}

int completion_read(
    enum provider_job job, struct bytes completion, struct buffer *answer, struct error *ret_error)
{
	size_t before = answer->size;
	struct bytes read;
	int r;

	/* Servers keep thoughts and calls of tools apart: there may be nothing besides. */
	if (trim(completion).size == 0)
		return error_set(ret_error, ERROR_MODEL_ERROR, "its completion is empty");
	if (!shapes[job].key)
		buffer_append_bytes(answer, completion);
	else if (!search(job, trim(thoughts_skip(completion)), answer))
		return error_set(ret_error, ERROR_MODEL_ERROR,
		    "its completion is not the JSON object with \"%s\" that was asked for",
		    shapes[job].key);
	read = bytes_of(answer->data ? answer->data + before : "", answer->size - before);
	r = check(job, read, ret_error);
	if (r != 0)
		answer->size = before;
	return r;
}

void completion_unread(enum provider_job job, struct bytes completion, struct buffer *ret_unread)
{
	struct bytes text = bytes_cut(trim(completion), LIMIT_SQL_BYTES);

	if (ret_unread->size == 0 && provider_job_makes_sql(job) && bytes_are_utf8(text) &&
	    !(text.size > 0 && memchr(text.data, '\0', text.size)))
		buffer_append_bytes(ret_unread, text);
}
