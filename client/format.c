#include "client/optimax.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOAT_TEXT = 48 };

/* printf and strtod follow the program's locale, where the point may be a comma. */
static void format_point(char *text)
{
	const char *point = localeconv()->decimal_point;
	char *at = strcmp(point, ".") == 0 ? NULL : strstr(text, point);

	if (!at)
		return;
	*at = '.';
	memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
}

/* A short decimal that reads back as the same number, and the words PostgreSQL has for the rest. */
static void format_float(double number, bool is_single, char text[static FLOAT_TEXT])
{
	int precision = is_single ? 6 : 15;

	if (isnan(number)) {
		memcpy(text, "NaN", sizeof("NaN"));
		return;
	}
	if (isinf(number)) {
		snprintf(text, FLOAT_TEXT, "%sInfinity", number < 0 ? "-" : "");
		return;
	}
	do {
		snprintf(text, FLOAT_TEXT, "%.*g", precision, number);
		if (is_single ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number)
			break;
	} while (precision++ < 17);
	format_point(text);
}

static size_t format_bin(const msgpack_object_bin *bin, char *buffer, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t whole = 2 + 2 * (size_t)bin->size;

	for (size_t i = 0; i < whole && i + 1 < size; i++) {
		unsigned char byte = i < 2 ? 0 : (unsigned char)bin->ptr[(i - 2) / 2];
		buffer[i] = i < 2 ? "\\x"[i] : digits[i % 2 == 0 ? byte >> 4 : byte & 0x0f];
	}
	if (size > 0)
		buffer[whole < size ? whole : size - 1] = '\0';
	return whole;
}

static size_t format_text(const char *text, size_t length, char *buffer, size_t size)
{
	if (size > 0) {
		size_t fits = length < size ? length : size - 1;
		memcpy(buffer, text, fits);
		buffer[fits] = '\0';
	}
	return length;
}

size_t optimax_format(const msgpack_object *value, char *buffer, size_t size)
{
	char text[FLOAT_TEXT] = "";

	switch (value->type) {
	case MSGPACK_OBJECT_STR:
		return format_text(value->via.str.ptr, value->via.str.size, buffer, size);
	case MSGPACK_OBJECT_BIN:
		return format_bin(&value->via.bin, buffer, size);
	case MSGPACK_OBJECT_BOOLEAN:
		return value->via.boolean ? format_text("true", 4, buffer, size)
		                          : format_text("false", 5, buffer, size);
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		snprintf(text, sizeof(text), "%" PRIu64, value->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		snprintf(text, sizeof(text), "%" PRId64, value->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		format_float(value->via.f64, value->type == MSGPACK_OBJECT_FLOAT32, text);
		break;
	default:
		break;
	}
	return format_text(text, strlen(text), buffer, size);
}
