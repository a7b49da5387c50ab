#include "text/linking_hits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/related.h"
#include "text/stop_words.h"

/* ENTRIES_MAX: a word that so many names have tells none apart. */
enum {
	ENTRIES_MAX = 4096,
	STEM_MAX = 96,
	KINDS = VOCABULARY_COMMENT + 1,
	PREFIX_BYTES_MIN = 4,
	PREFIXED_MAX = 16,
	QUOTED_WORDS_MAX = 8
};

struct finding {
	const struct linking_names *names;
	struct linking_hits *hits;
};

static float rarity(const struct finding *finding, size_t count)
{
	return 1.0f / (1.0f + finding->names->weights->rare * logf((float)(count + (count == 0))));
}

static void add_hit(struct finding *finding, struct linking_hit hit)
{
	struct linking_hits *hits = finding->hits;

	if (hits->count == hits->capacity) {
		hits->capacity = hits->capacity * 2 + 64;
		hits->items = must_realloc(hits->items, hits->capacity * sizeof(*hits->items));
	}
	hit.question_word = (uint8_t)hits->question_words;
	hits->items[hits->count++] = hit;
}

/* `kinds` are bits. A word is as rare as it is among names of each kind: a table's own name counts
 * where many columns of other tables have the word too. */
static bool add_hits_of(struct finding *finding, const char *stem, float factor,
    enum linking_ground ground, unsigned kinds)
{
	size_t count, counts[KINDS] = {0};
	const struct vocabulary_entry *entries =
	    vocabulary_find(finding->names->vocabulary, stem, &count);
	float weights[KINDS];
	bool found = false;

	if (count > ENTRIES_MAX)
		count = ENTRIES_MAX;
	for (size_t i = 0; i < count; i++)
		counts[entries[i].kind]++;
	for (size_t i = 0; count > 0 && i < KINDS; i++)
		weights[i] = factor * rarity(finding, counts[i]);
	for (size_t i = 0; i < count; i++) {
		if (!(kinds & 1u << entries[i].kind))
			continue;
		found = true;
		add_hit(finding, (struct linking_hit){.table = entries[i].table,
		                     .column = entries[i].column,
		                     .label = entries[i].label,
		                     .kind = (uint8_t)entries[i].kind,
		                     .word = entries[i].word,
		                     .words = entries[i].words,
		                     .ground = (uint8_t)ground,
		                     .weight = weights[entries[i].kind]});
	}
	return found;
}

static bool add_hits(
    struct finding *finding, const char *stem, float factor, enum linking_ground ground)
{
	return add_hits_of(finding, stem, factor, ground, ~0u);
}

/* Columns whose type is a date, whatever they are called; a type is known as a comment is. */
static void add_dates(struct finding *finding, float factor)
{
	const struct linking_names *names = finding->names;

	for (size_t i = 0; i < names->date_count; i++)
		add_hit(finding, (struct linking_hit){.table = names->dates[i].table,
		                     .column = names->dates[i].column,
		                     .kind = VOCABULARY_COMMENT,
		                     .ground = LINKING_RELATED,
		                     .weight = factor * rarity(finding, names->date_count)});
}

/* The likeliest stand first in a row of the table. */
static void add_related(
    struct finding *finding, const char *stem, float factor, enum linking_ground ground)
{
	struct bytes stems = related_find(finding->names->related, stem);
	float less = 1.0f - finding->names->weights->related_later;

	for (size_t at = 0; at < stems.size; at += strlen(stems.data + at) + 1) {
		add_hits(finding, stems.data + at, factor, ground);
		if (strcmp(stems.data + at, "date") == 0)
			add_dates(finding, factor);
		factor *= less;
	}
}

/* "card types" may be cardtypes. */
static void add_joined(struct finding *finding, const struct token *left, const struct token *right)
{
	char joined[STEM_MAX * 2];
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;

	if (left->kind != TOKEN_WORD || right->kind != TOKEN_WORD)
		return;
	if (strlen(left->folded) + strlen(right->folded) >= sizeof(joined))
		return;
	strcpy(joined, left->folded);
	strcat(joined, right->folded);
	token_stem(bytes_of_string(joined), &stem);
	add_hits(finding, buffer_string(&stem), 1.0f, LINKING_NAMED);
}

/* The first stem that is not before this one. */
static size_t find_stem(const struct linking_names *names, const char *stem)
{
	size_t low = 0, high = names->stem_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(names->stems[middle], stem) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* "advises" and the table advisor: stems that begin with a word's stem. */
static bool add_longer(struct finding *finding, const char *stem)
{
	const struct linking_names *names = finding->names;
	size_t size = strlen(stem), first, at;

	if (size < PREFIX_BYTES_MIN)
		return false;
	first = find_stem(names, stem);
	for (at = first; at < names->stem_count && at < first + PREFIXED_MAX; at++) {
		if (strncmp(names->stems[at], stem, size) != 0)
			break;
		add_hits(finding, names->stems[at], names->weights->longer, LINKING_NAMED);
	}
	return at > first;
}

/* "prerequisite" and the table prereq: the longest stem that the word's stem begins with. */
static bool add_shorter(struct finding *finding, const char *stem)
{
	char cut[STEM_MAX];
	size_t size = strlen(stem), count;

	if (finding->names->weights->shorter <= 0 || size >= sizeof(cut))
		return false;
	memcpy(cut, stem, size + 1);
	while (size > PREFIX_BYTES_MIN && size * 2 > strlen(stem)) {
		cut[--size] = '\0';
		vocabulary_find(finding->names->vocabulary, cut, &count);
		if (count > 0)
			return add_hits(
			    finding, cut, finding->names->weights->shorter, LINKING_RELATED);
	}
	return false;
}

static bool is_one_of(const struct token *token, const char *const *words)
{
	for (; token && *words; words++)
		if (strcmp(token->folded, *words) == 0)
			return true;
	return false;
}

/* A word that no name has is likely a value; of what, the last known word before it may say. */
static void add_value(struct finding *finding, const struct token *before, bool is_full_name)
{
	static const char *const places[] = {
	    "from", "to", "in", "at", "near", "into", "via", "through", "between", "and", NULL};
	static const char *const persons[] = {
	    "by", "dr", "prof", "professor", "mr", "mrs", "ms", NULL};
	/* Stems of what a person's name is split into. */
	static const char *const parts[] = {
	    "first", "last", "forenam", "surnam", "given", "firstnam", "lastnam"};
	const struct linking_weights *weights = finding->names->weights;

	if (is_one_of(before, places))
		add_related(finding, "where", weights->place, LINKING_GUESSED);
	if (is_one_of(before, persons))
		add_related(finding, "who", weights->person, LINKING_GUESSED);
	add_hits(finding, "name", weights->name, LINKING_GUESSED);
	add_hits(finding, "titl", weights->name, LINKING_GUESSED);
	for (size_t i = 0; is_full_name && i < sizeof(parts) / sizeof(parts[0]); i++)
		add_hits(finding, parts[i], weights->full_name, LINKING_GUESSED);
}

static bool is_below(const struct token *token, int limit)
{
	return token->kind == TOKEN_NUMBER && token->raw.size <= 2 && atoi(token->folded) > 0 &&
	       atoi(token->folded) < limit;
}

/* 1999, 2024-05-01 */
static bool is_year(const struct token *token)
{
	return token->kind == TOKEN_NUMBER &&
	       (token->raw.size == 4 || (token->raw.size > 4 && token->raw.data[4] == '-')) &&
	       (memcmp(token->raw.data, "19", 2) == 0 || memcmp(token->raw.data, "20", 2) == 0);
}

/* 24/12, "on 12 24": a day and a month, one behind the other. */
static bool is_day(const struct token *token, const struct token *end)
{
	const struct token *next = token + 1;

	if (!is_below(token, 32))
		return false;
	if (next < end && next->kind == TOKEN_SYMBOL && next->raw.data[0] == '/')
		next++;
	return next < end && is_below(next, 32) && (is_below(token, 13) || is_below(next, 13));
}

static void add_time(struct finding *finding, const struct token *token, const struct token *end)
{
	static const char *const year[] = {"year", "date", NULL};
	static const char *const day[] = {"date", "day", "month", NULL};
	const char *const *words = is_year(token) ? year : is_day(token, end) ? day : NULL;
	float weight = finding->names->weights->related;

	for (size_t i = 0; words && words[i]; i++)
		add_hits(finding, words[i], weight, LINKING_RELATED);
	if (words)
		add_dates(finding, weight);
}

/* The words of a sampled value or a label, which may be only some of it. */
static bool add_quoted(struct finding *finding, struct bytes quoted)
{
	struct tokens tokens;
	bool found = false;

	tokens_split(quoted, QUOTED_WORDS_MAX, &tokens);
	for (size_t i = 0; i < tokens.count; i++)
		if (tokens.items[i].kind == TOKEN_WORD)
			found |= add_hits_of(finding, tokens.items[i].stem, 1.0f, LINKING_NAMED,
			    1u << VOCABULARY_LABEL | 1u << VOCABULARY_VALUE);
	tokens_free(&tokens);
	return found;
}

static bool has_content(const struct token *token)
{
	return token->kind == TOKEN_QUOTED ||
	       (token->kind == TOKEN_WORD && stop_word_find(token->folded) == STOP_WORD_NONE);
}

/* False where the token is content that no name has. */
static bool find_token(struct finding *finding, const struct token *token)
{
	const struct linking_weights *weights = finding->names->weights;
	bool known = !has_content(token) || add_hits(finding, token->stem, 1.0f, LINKING_NAMED) ||
	             (token->kind == TOKEN_QUOTED && add_quoted(finding, token->raw)) ||
	             add_longer(finding, token->stem) || add_shorter(finding, token->stem);

	if (token->kind == TOKEN_WORD)
		add_related(finding, token->stem, weights->related, LINKING_RELATED);
	return known;
}

static int compare_hits(const void *a, const void *b)
{
	const struct linking_hit *left = a, *right = b;

	if (left->table != right->table)
		return left->table < right->table ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	return (left->label > right->label) - (left->label < right->label);
}

void linking_hits_find(
    const struct linking_names *names, const struct tokens *question, struct linking_hits *ret_hits)
{
	struct finding finding = {names, ret_hits};
	const struct token *before = NULL;

	*ret_hits = (struct linking_hits){0};
	for (size_t i = 0; i < question->count && i < LINKING_WORDS_MAX; i++) {
		const struct token *token = &question->items[i];

		if (i + 1 < question->count)
			add_joined(&finding, token, &token[1]);
		add_time(&finding, token, question->items + question->count);
		/* The first word has its capital for another reason. */
		if (find_token(&finding, token))
			before = token;
		else
			add_value(&finding, before, i > 1 && token->capital && token[-1].capital);
		ret_hits->question_words++;
	}
	if (ret_hits->count > 0)
		qsort(ret_hits->items, ret_hits->count, sizeof(*ret_hits->items), compare_hits);
}

size_t linking_hits_name_end(const struct linking_hits *hits, size_t first, size_t end)
{
	size_t at = first + 1;

	while (at < end && compare_hits(&hits->items[at], &hits->items[first]) == 0)
		at++;
	return at;
}

void linking_hits_deinit(struct linking_hits *hits)
{
	free(hits->items);
}

static int compare_stems(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_dates(struct linking_names *names)
{
	const struct snapshot *snapshot = vocabulary_snapshot(names->vocabulary);

	names->dates = must_alloc(ENTRIES_MAX * sizeof(*names->dates));
	for (uint32_t i = 0; i < snapshot->table_count; i++)
		for (size_t k = 0; k < snapshot->tables[i].column_count; k++) {
			enum column_kind kind = snapshot->tables[i].columns[k].kind;

			if (names->date_count < ENTRIES_MAX &&
			    (kind == COLUMN_DATE || kind == COLUMN_TIMESTAMP))
				names->dates[names->date_count++] =
				    (struct linking_column){i, (int32_t)k};
		}
}

void linking_names_init(struct linking_names *names, const struct vocabulary *vocabulary,
    const struct linking_weights *weights)
{
	*names = (struct linking_names){
	    .vocabulary = vocabulary, .weights = weights, .related = related_new()};
	names->stem_count = vocabulary_stems(vocabulary, &names->stems);
	if (names->stem_count > 0)
		qsort(names->stems, names->stem_count, sizeof(*names->stems), compare_stems);
	list_dates(names);
}

void linking_names_deinit(struct linking_names *names)
{
	related_free(names->related);
	free(names->stems);
	free(names->dates);
}
