#include "worker/sql_places.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "worker/sql_tokens.h"

size_t sql_places_start(struct bytes sql, size_t at)
{
	at = sql_skip_blank(sql, at);
	while (at < sql.size && sql.data[at] == ';')
		at = sql_skip_blank(sql, at + 1);
	return at;
}

static bool is_word(struct bytes sql, size_t at, const char *word)
{
	size_t size = strlen(word);

	return at < sql.size && sql_skip_token(sql, at) == at + size &&
	       strncasecmp(sql.data + at, word, size) == 0;
}

long sql_places_locking(struct bytes sql, long at)
{
	static const char *const strengths[] = {"update", "share", "no", "key"};

	for (size_t place = sql_skip_blank(sql, (size_t)at); place < sql.size;
	     place = sql_skip_blank(sql, sql_skip_token(sql, place))) {
		if (!is_word(sql, place, "for"))
			continue;
		for (size_t i = 0; i < sizeof(strengths) / sizeof(strengths[0]); i++)
			if (is_word(sql, sql_skip_blank(sql, place + 3), strengths[i]))
				return (long)place;
	}
	return at;
}
