#include "text/stop_words.h"

#include <stdlib.h>
#include <string.h>

struct stop_word {
	const char *word;
	enum stop_word_class class;
};

static const struct stop_word stop_words[] = {
#define STOP_WORD(word, class) {word, STOP_WORD_##class},
#include "text/stop_words.def"
#undef STOP_WORD
};

enum { STOP_WORDS = sizeof(stop_words) / sizeof(stop_words[0]) };

static int compare_word(const void *key, const void *row)
{
	return strcmp(key, ((const struct stop_word *)row)->word);
}

enum stop_word_class stop_word_find(const char *folded)
{
	const struct stop_word *found =
	    bsearch(folded, stop_words, STOP_WORDS, sizeof(stop_words[0]), compare_word);

	return found ? found->class : STOP_WORD_NONE;
}
