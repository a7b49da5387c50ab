#include "daemon/corrections.h"

#include <stdio.h>

#include "common/limits.h"

static bool is_known_route(struct bytes route)
{
	return bytes_equal_string(route, "sql") || bytes_equal_string(route, "chat");
}

/* As the router folds it: no control characters. */
static bool is_folded(const char *text)
{
	size_t size = strlen(text);

	if (size == 0 || size > LIMIT_CORRECTION_BYTES)
		return false;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ')
			return false;
	return true;
}

static const char *fault_of(const struct state_records *others, const struct state_record *record)
{
	static char full[128];

	if (!is_known_route(bytes_of_string(record->value)))
		return "its route is neither sql nor chat";
	if (!is_folded(record->key))
		return "its text is empty, too long or has control characters";
	if (others->count < LIMIT_CORRECTIONS)
		return NULL;
	snprintf(full, sizeof(full),
	    "there are %d already; forget some, or write keywords or patterns", LIMIT_CORRECTIONS);
	return full;
}

const struct state_kind corrections_kind = {
    .name = "corrections",
    .first_line = "optimax corrections 1",
    .record = "correction",
    .fault = fault_of,
};

int corrections_learn(struct state_records *corrections, const char *state_dir,
    struct bytes database, struct bytes route, struct bytes text, struct error *ret_error)
{
	bool forgets = bytes_equal_string(route, "auto");

	return state_records_put(corrections, &corrections_kind, state_dir, database, text,
	    forgets ? BYTES_NONE : route, ret_error);
}
