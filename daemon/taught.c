#include "daemon/taught.h"

#include <stdio.h>
#include <string.h>

#include "common/limits.h"

static size_t size_of(const struct state_record *record)
{
	return strlen(record->key) + strlen(record->value);
}

static bool is_of(const struct state_record *record, const char *database)
{
	return record->database && strcmp(record->database, database) == 0;
}

size_t taught_count(const struct state_records *taught, const char *database)
{
	size_t count = 0;

	for (size_t i = 0; i < taught->count; i++)
		count += is_of(&taught->items[i], database);
	return count;
}

static size_t bytes_of_database(const struct state_records *taught, const char *database)
{
	size_t bytes = 0;

	for (size_t i = 0; i < taught->count; i++)
		if (is_of(&taught->items[i], database))
			bytes += size_of(&taught->items[i]);
	return bytes;
}

static const char *fault_of(const struct state_records *others, const struct state_record *record)
{
	static char full[128];

	if (!record->database)
		return "it is of no database";
	if (!*record->key || strlen(record->key) > LIMIT_EXAMPLE_QUESTION_BYTES)
		return "its question is empty or too long";
	if (!*record->value || strlen(record->value) > LIMIT_SQL_BYTES)
		return "its statement is empty or too long";
	snprintf(full, sizeof(full), "of its database %d, or %d KiB, are there; forget some",
	    LIMIT_EXAMPLES, LIMIT_TAUGHT_BYTES >> 10);
	if (taught_count(others, record->database) >= LIMIT_EXAMPLES ||
	    bytes_of_database(others, record->database) + size_of(record) > LIMIT_TAUGHT_BYTES)
		return full;
	return NULL;
}

const struct state_kind taught_kind = {
    .name = "taught",
    .first_line = "optimax taught 1",
    .record = "taught answer",
    .escapes = true,
    .fault = fault_of,
};
