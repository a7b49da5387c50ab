#include "client/ctl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- out ---- */

/* The size of the well-formed UTF-8 character at text, or 0. */
static size_t ctl_json_utf8(const unsigned char *text, size_t size)
{
	size_t need = text[0] < 0x80   ? 1
	              : text[0] < 0xc2 ? 0
	              : text[0] < 0xe0 ? 2
	              : text[0] < 0xf0 ? 3
	              : text[0] < 0xf5 ? 4
	                               : 0;

	if (need == 0 || need > size)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return need;
}

void ctl_json_string(FILE *file, const char *text, size_t size)
{
	static const char escapes[] = "btn\0fr";
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + size;

	putc('"', file);
	while (at < end) {
		size_t length = ctl_json_utf8(at, (size_t)(end - at));
		if (length == 0) {
			fputs("\xef\xbf\xbd", file);
			length = 1;
		} else if (*at == '"' || *at == '\\') {
			fprintf(file, "\\%c", *at);
		} else if (*at >= '\b' && *at <= '\r' && escapes[*at - '\b']) {
			fprintf(file, "\\%c", escapes[*at - '\b']);
		} else if (*at < 0x20 || *at == 0x7f) {
			fprintf(file, "\\u%04x", *at);
		} else {
			fwrite(at, 1, length, file);
		}
		at += length;
	}
	putc('"', file);
}

/* Numbers and truth values stand for themselves, the rest is quoted. */
static void ctl_json_scalar(FILE *file, const msgpack_object *value)
{
	char small[64], *text = small;
	size_t size = optimax_format(value, NULL, 0) + 1;
	bool is_float =
	    value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64;

	if (size > sizeof(small))
		text = malloc(size);
	if (!text)
		return;
	optimax_format(value, text, size);
	if (value->type == MSGPACK_OBJECT_STR)
		ctl_json_string(file, value->via.str.ptr, value->via.str.size);
	else if (value->type == MSGPACK_OBJECT_BIN || (is_float && !isfinite(value->via.f64)))
		ctl_json_string(file, text, size - 1);
	else
		fputs(text, file);
	if (text != small)
		free(text);
}

void ctl_json_value(FILE *file, const msgpack_object *value)
{
	if (value->type == MSGPACK_OBJECT_NIL) {
		fputs("null", file);
	} else if (value->type == MSGPACK_OBJECT_ARRAY) {
		putc('[', file);
		for (uint32_t i = 0; i < value->via.array.size; i++) {
			fputs(i ? ", " : "", file);
			ctl_json_value(file, &value->via.array.ptr[i]);
		}
		putc(']', file);
	} else if (value->type == MSGPACK_OBJECT_MAP) {
		putc('{', file);
		for (uint32_t i = 0; i < value->via.map.size; i++) {
			const msgpack_object *key = &value->via.map.ptr[i].key;
			fputs(i ? ", " : "", file);
			if (key->type == MSGPACK_OBJECT_STR)
				ctl_json_scalar(file, key);
			else
				ctl_json_string(file, "", 0);
			fputs(": ", file);
			ctl_json_value(file, &value->via.map.ptr[i].val);
		}
		putc('}', file);
	} else {
		ctl_json_scalar(file, value);
	}
}

/* ---- CSV, as RFC 4180 has it ---- */

void ctl_csv_text(FILE *file, const char *text)
{
	if (*text && !strpbrk(text, ",\"\r\n") && *text != ' ' && text[strlen(text) - 1] != ' ') {
		fputs(text, file);
		return;
	}
	putc('"', file);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', file);
		putc(*text, file);
	}
	putc('"', file);
}

void ctl_csv_cell(FILE *file, const msgpack_object *value)
{
	char *text = NULL;
	size_t size = 0;

	if (!value || value->type == MSGPACK_OBJECT_NIL)
		return;
	if (value->type == MSGPACK_OBJECT_ARRAY || value->type == MSGPACK_OBJECT_MAP) {
		FILE *memory = open_memstream(&text, &size);
		if (!memory)
			return;
		ctl_json_value(memory, value);
		fclose(memory);
	} else {
		size = optimax_format(value, NULL, 0) + 1;
		text = malloc(size);
		if (!text)
			return;
		optimax_format(value, text, size);
	}
	ctl_csv_text(file, text);
	free(text);
}

static void csv_flat(const msgpack_object *value, const char *name)
{
	bool is_list = value->type == MSGPACK_OBJECT_ARRAY;
	uint32_t count = is_list ? value->via.array.size : 0;

	if (value->type == MSGPACK_OBJECT_MAP)
		count = value->via.map.size;
	else if (!is_list) {
		ctl_csv_text(stdout, name);
		putchar(',');
		ctl_csv_cell(stdout, value);
		fputs("\r\n", stdout);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		char longer[512], key[128];
		if (is_list)
			snprintf(key, sizeof(key), "%u", i);
		else
			optimax_format(&value->via.map.ptr[i].key, key, sizeof(key));
		snprintf(longer, sizeof(longer), "%s%s%s", name, *name ? "." : "", key);
		csv_flat(is_list ? &value->via.array.ptr[i] : &value->via.map.ptr[i].val, longer);
	}
}

void ctl_csv_flat(const msgpack_object *value)
{
	fputs("name,value\r\n", stdout);
	csv_flat(value, "");
}

/* ---- in ---- */

enum { JSON_NESTING = 16 };

static bool ctl_json_pack_value(msgpack_packer *packer, const json_t *value, unsigned depth)
{
	const char *key;
	json_t *item;
	size_t i;
	bool fine = depth < JSON_NESTING;

	switch (fine ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		msgpack_pack_map(packer, json_object_size(value));
		/* jansson's macro wants a pointer that is not const; it changes nothing */
		json_object_foreach ((json_t *)(uintptr_t)value, key, item) {
			msgpack_pack_str_with_body(packer, key, strlen(key));
			fine &= ctl_json_pack_value(packer, item, depth + 1);
		}
		break;
	case JSON_ARRAY:
		msgpack_pack_array(packer, json_array_size(value));
		json_array_foreach (value, i, item)
			fine &= ctl_json_pack_value(packer, item, depth + 1);
		break;
	case JSON_STRING:
		msgpack_pack_str_with_body(
		    packer, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		msgpack_pack_int64(packer, json_integer_value(value));
		break;
	case JSON_REAL:
		msgpack_pack_double(packer, json_real_value(value));
		break;
	case JSON_TRUE:
		msgpack_pack_true(packer);
		break;
	case JSON_FALSE:
		msgpack_pack_false(packer);
		break;
	case JSON_NULL:
		msgpack_pack_nil(packer);
		break;
	}
	return fine;
}

bool ctl_json_pack(msgpack_packer *packer, const json_t *value)
{
	return ctl_json_pack_value(packer, value, 0);
}
