#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>

struct error_row {
	const char *name;
	bool retryable;
	const char *meaning;
};

static const struct error_row error_rows[ERROR_COUNT] = {
    [ERROR_NONE] = {"none", false, ""},
#define ERROR(id, code, retry, text) [ERROR_##id] = {code, retry, text},
#include "common/errors.def"
#undef ERROR
};

/* Cuts a message that did not fit back to whole characters, so that it stays UTF-8. */
static void cut_to_character(char *text, size_t size)
{
	size_t end = strnlen(text, size - 1);

	while (end > 0 && !bytes_are_utf8(bytes_of(text, end)))
		end--;
	text[end] = '\0';
}

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
	va_list arguments;

	*error = (struct error){.code = code, .retryable = error_rows[code].retryable};
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	cut_to_character(error->message, sizeof(error->message));
	return (int)code;
}

void error_set_detail(struct error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->detail, sizeof(error->detail), format, arguments);
	va_end(arguments);
	cut_to_character(error->detail, sizeof(error->detail));
}

const char *error_name(enum error_code code)
{
	return error_rows[code].name;
}

enum error_code error_from_name(struct bytes name)
{
	for (int code = 1; code < ERROR_COUNT; code++)
		if (bytes_equal_string(name, error_rows[code].name))
			return (enum error_code)code;
	return ERROR_INTERNAL;
}

const char *error_meaning(enum error_code code)
{
	return error_rows[code].meaning;
}
