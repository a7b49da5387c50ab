#include "daemon/config_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

enum { SHOWN_VALUE_CHARS = 40, WORD_BYTES_MAX = 256, SCHEMA_NAME_BYTES_MAX = 63 };

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"GiB", INT64_C(1) << 30}, {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10}, {"B", 1}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

#define FAULT(...) (snprintf(ret_fault, CONFIG_FAULT_SIZE, __VA_ARGS__), -EINVAL)

/* The largest unit that divides the value without rest: how a person would write it. */
static const char *show_amount(const struct unit *units, int64_t value, char *ret_text, size_t size)
{
	const struct unit *unit = units;

	while (unit[1].name && value % unit->factor != 0)
		unit++;
	if (value == 0 && units == duration_units)
		unit = &duration_units[3]; /* 0s reads better than 0d */
	snprintf(ret_text, size, "%lld%s", (long long)(value / unit->factor), unit->name);
	return ret_text;
}

/* False where there is no digit in front, another byte among them, or too many of them. */
static bool read_digits(const char **text, int64_t *ret_number)
{
	int64_t number = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *at - '0', &number))
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	*ret_number = number;
	return true;
}

static bool read_amount(const char *text, const struct unit *units, int64_t *ret_value)
{
	int64_t number;

	if (!read_digits(&text, &number))
		return false;
	for (; units->name; units++)
		if (strcmp(text, units->name) == 0)
			return !__builtin_mul_overflow(number, units->factor, ret_value);
	return false;
}

static int parse_amount(const struct config_key *key, const struct unit *units, const char *kind,
    const char *text, int64_t *field, char *ret_fault)
{
	char low[32], high[32];
	int64_t value;

	show_amount(units, key->min, low, sizeof(low));
	show_amount(units, key->max, high, sizeof(high));
	if (!read_amount(text, units, &value))
		return FAULT("\"%.*s\" is no %s; write a whole number%s, from %s to %s",
		    SHOWN_VALUE_CHARS, text, kind,
		    units == duration_units ? " and ms, s, m, h or d"
		    : units == size_units   ? " and B, KiB, MiB or GiB"
		                            : "",
		    low, high);
	if (value < key->min || value > key->max)
		return FAULT(
		    "%.*s is out of range; write %s to %s", SHOWN_VALUE_CHARS, text, low, high);
	*field = value;
	return 0;
}

static int parse_mode(
    const struct config_key *key, const char *text, int64_t *field, char *ret_fault)
{
	size_t size = strlen(text);

	if (size < 3 || size > 4 || strspn(text, "01234567") != size ||
	    strtol(text, NULL, 8) > key->max)
		return FAULT("\"%.*s\" is no mode; write 3 or 4 octal digits, as in \"0660\"",
		    SHOWN_VALUE_CHARS, text);
	*field = strtol(text, NULL, 8);
	return 0;
}

static int parse_ratio(
    const struct config_key *key, const char *text, double *field, char *ret_fault)
{
	double value;
	char *end;

	if (key->choices && strcmp(text, key->choices) == 0) {
		*field = CONFIG_RATIO_AUTO;
		return 0;
	}
	errno = 0;
	value = strtod(text, &end);
	/* strtod also reads hex, inf and nan. */
	if (*text == '\0' || *end != '\0' || strspn(text, "0123456789.eE+-") != strlen(text) ||
	    errno != 0 || !isfinite(value))
		return FAULT("\"%.*s\" is no number; write %lld to %lld, as in 0.5",
		    SHOWN_VALUE_CHARS, text, (long long)key->min, (long long)key->max);
	if (value < (double)key->min || value > (double)key->max)
		return FAULT("%.*s is out of range; write %lld to %lld", SHOWN_VALUE_CHARS, text,
		    (long long)key->min, (long long)key->max);
	*field = value;
	return 0;
}

static int parse_bool(const char *text, bool *field, char *ret_fault)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return FAULT("\"%.*s\" is neither; write true or false", SHOWN_VALUE_CHARS, text);
	*field = strcmp(text, "true") == 0;
	return 0;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t size = strlen(text);

	for (const char *at = choices; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (size > 0 && strcspn(at, "|") == size && strncmp(at, text, size) == 0)
			return true;
	}
	return false;
}

static int check_choice(const struct config_key *key, const char *text, char *ret_fault)
{
	char shown[128];
	size_t size = 0;

	if (is_choice(key->choices, text))
		return 0;
	for (const char *at = key->choices; *at && size < sizeof(shown) - 3; at++) {
		shown[size++] = *at == '|' ? ',' : *at;
		if (*at == '|')
			shown[size++] = ' ';
	}
	shown[size] = '\0';
	return FAULT(
	    "\"%.*s\" is none of the choices; write one of %s", SHOWN_VALUE_CHARS, text, shown);
}

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

static int check_text(int64_t min, int64_t max, const char *text, char *ret_fault)
{
	int64_t size = (int64_t)strlen(text);

	if (size < min)
		return FAULT("it is empty; write a text, or null for none");
	if (size > max)
		return FAULT(
		    "it is %lld bytes long; write at most %lld", (long long)size, (long long)max);
	if (has_control_character(text))
		return FAULT("it has a control character; write it in one line without tabs");
	return 0;
}

#define DIGITS  "0123456789"
#define SMALL   "abcdefghijklmnopqrstuvwxyz"
#define CAPITAL "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static int check_name(const char *text, char *ret_fault)
{
	if (strspn(text, DIGITS SMALL CAPITAL "_.-") != strlen(text) || strchr("_.-", *text))
		return FAULT("\"%.*s\" is no name; write letters, digits, _ . and -, a letter or "
		             "digit first",
		    SHOWN_VALUE_CHARS, text);
	return 0;
}

static int check_instance(const char *text, char *ret_fault)
{
	if (strspn(text, DIGITS SMALL "-") != strlen(text))
		return FAULT("\"%.*s\" is no instance name; write small letters, digits and -",
		    SHOWN_VALUE_CHARS, text);
	return 0;
}

static int check_url(const char *text, char *ret_fault)
{
	static const char *const schemes[] = {"http://", "https://", "unix:/"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const char *rest = text + strlen(schemes[i]);

		if (strncmp(text, schemes[i], strlen(schemes[i])) != 0)
			continue;
		if (*rest && *rest != ':' && (i == 2 || *rest != '/') && !strpbrk(rest, " \\\"<>"))
			return 0;
	}
	return FAULT("\"%.*s\" is no address; write http://HOST:PORT, https://HOST:PORT or "
	             "unix:/PATH",
	    SHOWN_VALUE_CHARS, text);
}

static int check_string(const struct config_key *key, const char *text, char *ret_fault)
{
	int r = key->type == CONFIG_CHOICE ? 0 : check_text(key->min, key->max, text, ret_fault);

	if (r != 0)
		return r;
	switch (key->type) {
	case CONFIG_CHOICE:
		return check_choice(key, text, ret_fault);
	case CONFIG_NAME:
		return check_name(text, ret_fault);
	case CONFIG_INSTANCE:
		return check_instance(text, ret_fault);
	case CONFIG_URL:
		return check_url(text, ret_fault);
	default:
		return 0;
	}
}

int config_value_parse(const struct config_key *key, const char *text, void *field,
    char ret_fault[static CONFIG_FAULT_SIZE])
{
	int r;

	switch (key->type) {
	case CONFIG_COUNT:
		return parse_amount(key, no_units, "number", text, field, ret_fault);
	case CONFIG_SIZE:
		return parse_amount(key, size_units, "size", text, field, ret_fault);
	case CONFIG_DURATION:
		return parse_amount(key, duration_units, "duration", text, field, ret_fault);
	case CONFIG_MODE:
		return parse_mode(key, text, field, ret_fault);
	case CONFIG_RATIO:
		return parse_ratio(key, text, field, ret_fault);
	case CONFIG_BOOL:
		return parse_bool(text, field, ret_fault);
	default:
		r = check_string(key, text, ret_fault);
		if (r == 0) {
			free(*(char **)field);
			*(char **)field = must_strdup(text);
		}
		return r;
	}
}

int config_value_check_item(
    enum config_type list, const char *text, char ret_fault[static CONFIG_FAULT_SIZE])
{
	return check_text(
	    1, list == CONFIG_NAMES ? SCHEMA_NAME_BYTES_MAX : WORD_BYTES_MAX, text, ret_fault);
}
