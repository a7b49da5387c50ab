#include "common/allow.h"

#include <errno.h>
#include <string.h>

int allow_parse(const char *text, struct allow_entry *ret_entry)
{
	static const char extension[] = "extension:";
	struct allow_entry entry = {0};
	const char *dot;

	entry.takes_away = *text == '-';
	text += entry.takes_away;
	if (strncmp(text, extension, sizeof(extension) - 1) == 0) {
		entry.extension = bytes_of_string(text + sizeof(extension) - 1);
		if (!entry.extension.size)
			return -EINVAL;
		*ret_entry = entry;
		return 0;
	}
	/* The first dot: an operator has none, and a schema hardly ever. */
	dot = strchr(text, '.');
	if (!dot || dot == text || !dot[1])
		return -EINVAL;
	entry.schema = bytes_of(text, (size_t)(dot - text));
	/* An operator may be called * too: pg_catalog's, which needs no listing. */
	if (strcmp(dot + 1, "*") != 0)
		entry.name = bytes_of_string(dot + 1);
	*ret_entry = entry;
	return 0;
}

static bool is_meant(
    const struct allow_entry *entry, const char *schema, const char *name, const char *extension)
{
	if (entry->extension.data)
		return extension && bytes_equal_string(entry->extension, extension);
	return bytes_equal_string(entry->schema, schema) &&
	       (!entry->name.data || bytes_equal_string(entry->name, name));
}

enum allowance allow_find(const struct allow_entry *entries, size_t count, const char *schema,
    const char *name, const char *extension)
{
	enum allowance found = ALLOWANCE_NONE;

	for (size_t i = 0; i < count; i++) {
		if (!is_meant(&entries[i], schema, name, extension))
			continue;
		if (entries[i].takes_away)
			return ALLOWANCE_TAKEN;
		found = ALLOWANCE_GIVEN;
	}
	return found;
}
