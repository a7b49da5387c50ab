#include "client/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"

/* More is too large for any request; the daemon's own limits are below it. */
enum { INPUT_BYTES = LIMIT_CLIENT_MESSAGE_BYTES };

bool ctl_duration(const char *text, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	char *end;
	long long number;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		return errno == 0 && !__builtin_mul_overflow(number, units[i].ms, ret_ms);
	}
	return false;
}

static int input_read(struct ctl *ctl, char **ret_text)
{
	char *text = malloc(INPUT_BYTES + 1);
	size_t size = text ? fread(text, 1, INPUT_BYTES, stdin) : 0;

	if (!text)
		return ctl_fail(ctl, CTL_FAILED, "no_memory", "memory is out");
	if (size == INPUT_BYTES) {
		free(text);
		return ctl_fail(ctl, CTL_FAILED, "too_large",
		    "standard input is larger than %d KiB", INPUT_BYTES / 1024);
	}
	while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
		size--;
	text[size] = '\0';
	if (strlen(text) != size) {
		free(text);
		return ctl_fail(ctl, CTL_FAILED, "bad_request", "standard input has a NUL in it");
	}
	*ret_text = text;
	return CTL_OK;
}

int ctl_text(struct ctl *ctl, char **ret_text)
{
	size_t size = 1;
	char *text;

	if (ctl->word_count == 1 && strcmp(ctl->words[0], "-") == 0)
		return input_read(ctl, ret_text);
	for (size_t i = 0; i < ctl->word_count; i++)
		size += strlen(ctl->words[i]) + 1;
	text = calloc(1, size);
	if (!text)
		return ctl_fail(ctl, CTL_FAILED, "no_memory", "memory is out");
	for (size_t i = 0, at = 0; i < ctl->word_count; i++)
		at += (size_t)sprintf(text + at, "%s%s", i ? " " : "", ctl->words[i]);
	*ret_text = text;
	return CTL_OK;
}

int ctl_pack_history(struct ctl *ctl, msgpack_packer *packer)
{
	json_error_t error;
	json_t *history, *turn;
	int status = CTL_OK;
	size_t i;

	if (!ctl->history)
		return CTL_OK;
	history = json_load_file(ctl->history, 0, &error);
	if (!history)
		return error.line > 0
		           ? ctl_usage(ctl, "%s:%d: %s", ctl->history, error.line, error.text)
		           : ctl_usage(ctl, "%s", error.text);
	if (!json_is_array(history))
		status =
		    ctl_usage(ctl, "%s: a JSON list of {role, content} is wanted", ctl->history);
	json_array_foreach (history, i, turn) {
		if (status == CTL_OK && (!json_is_string(json_object_get(turn, "role")) ||
		                            !json_is_string(json_object_get(turn, "content"))))
			status = ctl_usage(
			    ctl, "%s: turn %zu: role and content are texts", ctl->history, i + 1);
	}
	msgpack_pack_str_with_body(packer, "history", strlen("history"));
	if (status == CTL_OK && !ctl_json_pack(packer, history))
		status = ctl_usage(ctl, "%s: nested too deeply", ctl->history);
	json_decref(history);
	return status;
}
