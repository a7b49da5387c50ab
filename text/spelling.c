#include "text/spelling.h"

#include <string.h>

static const struct {
	const char *ending, *other;
	size_t ending_size, other_size, size_min;
} rows[] = {
#define SPELLING(ending, other, size) {ending, other, sizeof(ending) - 1, sizeof(other) - 1, size},
#include "text/spelling.def"
#undef SPELLING
};

size_t spelling_unify(char *word, size_t size)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t ending = rows[i].ending_size, other = rows[i].other_size;

		if (size < rows[i].size_min || word[size - 1] != rows[i].ending[ending - 1] ||
		    memcmp(word + size - ending, rows[i].ending, ending) != 0)
			continue;
		memcpy(word + size - ending, rows[i].other, other);
		size -= ending - other;
		word[size] = '\0';
		break;
	}
	return size;
}
