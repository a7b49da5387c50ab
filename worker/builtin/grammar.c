#include "worker/builtin/grammar.h"

struct pair_row {
	const char *phrase, *word;
};
struct month_row {
	const char *phrase;
	int month;
};
struct concept_row {
	enum concept concept;
	const char *word;
};

#define CUE(phrase, class, value, concept)
#define CONCEPT_WORD(concept, word)
#define UNIT(phrase, word)
#define MONTH(phrase, number)
#define NUMBER_WORD(phrase, number)
#define SUFFIX(word)
#define NAME_WORD(word)

#undef CUE
#define CUE(phrase, class, value, concept) {phrase, CUE_##class, value, CONCEPT_##concept},
static const struct cue_row cues[] = {
#include "worker/builtin/grammar.def"
};
#undef CUE
#define CUE(phrase, class, value, concept)

#undef CONCEPT_WORD
#define CONCEPT_WORD(concept, word) {CONCEPT_##concept, word},
static const struct concept_row concept_words[] = {
#include "worker/builtin/grammar.def"
};
#undef CONCEPT_WORD
#define CONCEPT_WORD(concept, word)

#undef UNIT
#define UNIT(phrase, word) {phrase, word},
static const struct pair_row units[] = {
#include "worker/builtin/grammar.def"
};
#undef UNIT
#define UNIT(phrase, word)

#undef MONTH
#define MONTH(phrase, number) {phrase, number},
static const struct month_row months[] = {
#include "worker/builtin/grammar.def"
};
#undef MONTH
#define MONTH(phrase, number)

#undef NUMBER_WORD
#define NUMBER_WORD(phrase, number) {phrase, number},
static const struct pair_row numbers[] = {
#include "worker/builtin/grammar.def"
};
#undef NUMBER_WORD
#define NUMBER_WORD(phrase, number)

#undef SUFFIX
#define SUFFIX(word) word,
static const char *const suffixes[] = {
#include "worker/builtin/grammar.def"
};
#undef SUFFIX
#define SUFFIX(word)

#undef NAME_WORD
#define NAME_WORD(word) word,
static const char *const name_words[] = {
#include "worker/builtin/grammar.def"
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* How many words of the question the phrase covers; 0 where it is not there. */
static size_t phrase_match(const char *phrase, const struct word *words, size_t count, size_t at)
{
	size_t matched = 0;

	while (at + matched < count) {
		const struct word *word = &words[at + matched];
		size_t size = strlen(word->folded);

		if (word->kind == TOKEN_QUOTED || strncmp(phrase, word->folded, size) != 0)
			return 0;
		phrase += size;
		matched++;
		if (*phrase == '\0')
			return matched;
		if (*phrase++ != ' ')
			return 0;
	}
	return 0;
}

const struct cue_row *grammar_cue(
    const struct word *words, size_t count, size_t at, size_t *ret_words)
{
	const struct cue_row *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < ROWS(cues); i++) {
		size_t matched;

		if (cues[i].phrase[0] != words[at].folded[0])
			continue;
		matched = phrase_match(cues[i].phrase, words, count, at);
		if (matched <= longest)
			continue;
		longest = matched;
		best = &cues[i];
	}
	if (best)
		*ret_words = longest;
	return best;
}

int grammar_month(const char *folded)
{
	for (size_t i = 0; i < ROWS(months); i++)
		if (strcmp(months[i].phrase, folded) == 0)
			return months[i].month;
	return 0;
}

static const char *find_pair(const struct pair_row *rows, size_t count, const char *folded)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].phrase, folded) == 0)
			return rows[i].word;
	return NULL;
}

const char *grammar_number(const char *folded)
{
	return find_pair(numbers, ROWS(numbers), folded);
}

const char *grammar_unit(const char *folded)
{
	return find_pair(units, ROWS(units), folded);
}

bool grammar_is_currency(const char *unit_word)
{
	return strcmp(unit_word, "eur") == 0 || strcmp(unit_word, "usd") == 0 ||
	       strcmp(unit_word, "gbp") == 0;
}

const char *grammar_concept_word(enum concept concept, size_t n)
{
	for (size_t i = 0; i < ROWS(concept_words); i++)
		if (concept_words[i].concept == concept && n-- == 0)
			return concept_words[i].word;
	return NULL;
}

bool grammar_is_suffix(const char *word)
{
	for (size_t i = 0; i < ROWS(suffixes); i++)
		if (strcmp(suffixes[i], word) == 0)
			return true;
	return false;
}

const char *grammar_name_word(size_t n)
{
	return n < ROWS(name_words) ? name_words[n] : NULL;
}
