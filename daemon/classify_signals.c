#include "daemon/classify_signals.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "daemon/classify_kin.h"
#include "text/identifier.h"
#include "text/stop_words.h"

/* Not a signal: its amount is what is left of a schema's word that is common in chat too. */
enum { SIGNAL_COMMON = SIGNAL_COUNT };

enum {
	WORD_SLOTS = 4096, /* a power of two, above twice the rows of classify_words.def */
	PHRASE_SLOTS = 1024, /* a power of two, above twice the rows of classify_phrases.def */
	SEEN_MAX = 64,
	FOLLOW_UP_SHORT = 8, /* tokens: what refers to an earlier question says little itself */
	LENGTH_USUAL = 25, /* tokens: what is longer is rarely a question about rows */
};

const struct signal_row signal_rows[SIGNAL_COUNT] = {
#define SIGNAL(id, name, weight, limit, meaning) {#name, weight, limit, meaning},
#include "daemon/classify_signals.def"
#undef SIGNAL
};

struct word_row {
	const char *word;
	int signal;
	double amount;
	const char *stem;
};

static struct word_row word_rows[] = {
#define WORD(word, signal, amount) {word, SIGNAL_##signal, amount, NULL},
#include "daemon/classify_words.def"
#undef WORD
};

enum { WORDS = sizeof(word_rows) / sizeof(word_rows[0]) };
_Static_assert(WORDS * 2 < WORD_SLOTS, "the table of words is too full");

struct phrase_row {
	const char *words;
	enum signal signal;
	bool at_start;
};

static const struct phrase_row phrase_rows[] = {
#define PHRASE(words, signal, at_start) {words, SIGNAL_##signal, at_start},
#include "daemon/classify_phrases.def"
#undef PHRASE
};

enum { PHRASES = sizeof(phrase_rows) / sizeof(phrase_rows[0]) };
_Static_assert(PHRASES * 2 < PHRASE_SLOTS, "the table of phrases is too full");

/* Rows with one stem stand in a row of slots; made once, from the constant table. */
static uint16_t word_slots[WORD_SLOTS];

static size_t first_slot(const char *stem)
{
	return (size_t)XXH3_64bits(stem, strlen(stem)) & (WORD_SLOTS - 1);
}

static bool has_row(const char *stem, int signal)
{
	for (size_t at = first_slot(stem); word_slots[at]; at = (at + 1) & (WORD_SLOTS - 1)) {
		const struct word_row *row = &word_rows[word_slots[at] - 1];

		if (row->signal == signal && strcmp(row->stem, stem) == 0)
			return true;
	}
	return false;
}

static void make_word_slots(void)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;

	for (size_t i = 0; i < WORDS; i++) {
		size_t at;

		token_stem(bytes_of_string(word_rows[i].word), &stem);
		/* highest and high, counted and counting: one row for one stem. */
		if (has_row(buffer_string(&stem), word_rows[i].signal))
			continue;
		word_rows[i].stem = must_strdup(buffer_string(&stem));
		at = first_slot(word_rows[i].stem);
		while (word_slots[at])
			at = (at + 1) & (WORD_SLOTS - 1);
		word_slots[at] = (uint16_t)(i + 1);
	}
}

void signals_add(struct signals *signals, enum signal signal, double amount, struct bytes seen)
{
	char *text = signals->texts[signal];
	size_t used = strlen(text), room = sizeof(signals->texts[signal]) - used;
	double limit = signal_rows[signal].limit;
	double sum = signals->amounts[signal] + amount;

	signals->amounts[signal] = sum > limit ? limit : sum < -limit ? -limit : sum;
	if (seen.size == 0 || room < 8 || memmem(text, used, seen.data, seen.size))
		return;
	if (used > 0) {
		memcpy(text + used, ", ", 3);
		used += 2;
		room -= 2;
	}
	if (seen.size >= room)
		seen.size = room - 1;
	memcpy(text + used, seen.data, seen.size);
	/* Never half a character. */
	while (seen.size > 0 && !bytes_are_utf8(bytes_of(text + used, seen.size)))
		seen.size--;
	text[used + seen.size] = '\0';
}

/* How much a word of the schema explains at least; one of the same sense, and a value, at most. */
#define SHARE_LEAST 0.3
#define SHARE_KIN   0.5
#define SHARE_VALUE 0.4
/* Where all that is explained is less than one word of the schema's own. */
#define SHARE_ENOUGH 1.0

/* One reading of one text. */
struct reading {
	const struct tokens *tokens;
	const struct vocabulary *vocabulary;
	struct signals *signals;
	const struct vocabulary_entry *seen[SEEN_MAX]; /* a stem's entries name the stem */
	size_t seen_count;
	bool is_small; /* no capital letter in it: names look like other words */
	unsigned content;
	unsigned values; /* words of labels and values: the world has those names too */
	double strangers;
	double explained; /* of the content words; one that is common elsewhere counts for less */
};

/*
 * What the general words say of this stem; true where it is known at all. A word of the schema
 * says nothing towards chat: "class" is no code where there is a table of classes.
 */
static bool read_general(
    struct reading *reading, const struct token *token, size_t slot, bool is_schema)
{
	bool known = false;

	for (size_t at = slot; word_slots[at]; at = (at + 1) & (WORD_SLOTS - 1)) {
		const struct word_row *row = &word_rows[word_slots[at] - 1];

		if (row->signal == SIGNAL_COMMON || strcmp(row->stem, token->stem) != 0)
			continue;
		known = true;
		if (!is_schema || signal_rows[row->signal].weight > 0)
			signals_add(
			    reading->signals, (enum signal)row->signal, row->amount, token->raw);
	}
	return known;
}

/* How much a schema's word says by how common it is elsewhere: 1 where it is not. */
static double common_share(const char *stem, size_t slot)
{
	for (size_t at = slot; word_slots[at]; at = (at + 1) & (WORD_SLOTS - 1)) {
		const struct word_row *row = &word_rows[word_slots[at] - 1];

		if (row->signal == SIGNAL_COMMON && strcmp(row->stem, stem) == 0)
			return row->amount;
	}
	return 1;
}

static const enum signal signal_of_kind[] = {
    [VOCABULARY_TABLE] = SIGNAL_SCHEMA_TABLE,
    [VOCABULARY_COLUMN] = SIGNAL_SCHEMA_COLUMN,
    [VOCABULARY_LABEL] = SIGNAL_SCHEMA_VALUE,
    [VOCABULARY_VALUE] = SIGNAL_SCHEMA_VALUE,
    [VOCABULARY_COMMENT] = SIGNAL_SCHEMA_COMMENT,
};

/*
 * A word that many tables share is what the database is about, so here its rarity in the schema
 * does not count; how rare it is elsewhere does (COMMON in classify_words.def).
 */
static double topic_weight(const struct vocabulary_entry *entry)
{
	static const double weights[] = {
	    [VOCABULARY_TABLE] = 1.0,
	    [VOCABULARY_COLUMN] = 0.8,
	    [VOCABULARY_LABEL] = 0.8,
	    [VOCABULARY_VALUE] = 0.7,
	    [VOCABULARY_COMMENT] = 0.4,
	};

	return weights[entry->kind] * (entry->words > 1 ? 0.85 : 1.0);
}

/* Whether a name or value of the schema has the stem; each stem is counted once. A comment is
 * prose: its words say something for the text, but explain none of it. */
static bool match_stem(struct reading *reading, const char *stem, struct bytes raw, double share)
{
	size_t count;
	const struct vocabulary_entry *entries = vocabulary_find(reading->vocabulary, stem, &count);

	if (count == 0)
		return false;
	for (size_t i = 0; i < reading->seen_count; i++)
		if (reading->seen[i] == entries)
			return entries->kind != VOCABULARY_COMMENT;
	if (reading->seen_count < SEEN_MAX)
		reading->seen[reading->seen_count++] = entries;
	signals_add(
	    reading->signals, signal_of_kind[entries->kind], topic_weight(entries) * share, raw);
	if (entries->kind == VOCABULARY_LABEL || entries->kind == VOCABULARY_VALUE)
		reading->values++;
	return entries->kind != VOCABULARY_COMMENT;
}

/* "gas stations" where the schema writes gasstations. */
static bool match_joined(struct reading *reading, size_t index, double share)
{
	const struct token *token = &reading->tokens->items[index], *next = token + 1;
	char joined[64];
	size_t size = strlen(token->folded), next_size;

	if (index + 1 >= reading->tokens->count || next->kind != TOKEN_WORD)
		return false;
	next_size = strlen(next->stem);
	if (size + next_size >= sizeof(joined) || size < 2 || next_size < 2)
		return false;
	memcpy(joined, token->folded, size);
	memcpy(joined + size, next->stem, next_size + 1);
	return match_stem(reading, joined,
	    bytes_of(token->raw.data, next->at + next->raw.size - token->at), share);
}

/* order_date and OrderDate by their parts. */
static bool match_parts(struct reading *reading, const struct token *token, double share)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;
	struct bytes parts[IDENTIFIER_WORDS_MAX];
	size_t count = identifier_split(token->raw, parts);
	bool matched = false;

	if (count < 2)
		return false;
	if (memchr(token->raw.data, '_', token->raw.size))
		signals_add(reading->signals, SIGNAL_IDENTIFIER, 1, token->raw);
	for (size_t i = 0; i < count && reading->vocabulary; i++) {
		token_stem(parts[i], &stem);
		if (match_stem(reading, buffer_string(&stem), parts[i], share))
			matched = true;
	}
	return matched;
}

static bool is_plain_word(struct bytes raw)
{
	for (size_t i = 1; i < raw.size; i++)
		if (raw.data[i] == '_' || raw.data[i] == '-' ||
		    (raw.data[i] >= 'A' && raw.data[i] <= 'Z'))
			return false;
	return true;
}

/* "your name" and "my age" are of who talks, whatever the columns are called. */
static double possessed_share(const struct token *token, size_t index)
{
	if (index == 0 || token[-1].kind != TOKEN_WORD)
		return 1;
	if (strcmp(token[-1].folded, "your") == 0)
		return 0.2;
	return strcmp(token[-1].folded, "my") == 0 ? 0.5 : 1;
}

static bool match_word(struct reading *reading, size_t index, double share)
{
	const struct token *token = &reading->tokens->items[index];

	if (reading->vocabulary && (match_stem(reading, token->stem, token->raw, share) ||
	                               match_joined(reading, index, share)))
		return true;
	return !is_plain_word(token->raw) && match_parts(reading, token, share);
}

/* A word of the same sense as one of the schema's. */
static bool match_kin(struct reading *reading, const struct token *token, double share)
{
	const struct vocabulary_entry *found =
	    reading->vocabulary ? kin_find(reading->vocabulary, token->stem) : NULL;

	if (!found)
		return false;
	signals_add(reading->signals, SIGNAL_SCHEMA_KIN, topic_weight(found) * share, token->raw);
	return true;
}

/* From boston to san francisco: behind a preposition stands a name, though it is small. */
static double stranger_amount(const struct reading *reading, size_t index)
{
	const struct token *token = &reading->tokens->items[index];

	for (size_t back = 1; reading->is_small && back <= 2 && back <= index; back++)
		if (stop_word_find((token - back)->folded) == STOP_WORD_PREPOSITION)
			return 0.3;
	return 1;
}

static bool has_no_capital(const struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (tokens->items[i].capital)
			return false;
	return true;
}

static void read_word(struct reading *reading, size_t index)
{
	const struct token *token = &reading->tokens->items[index];
	size_t slot = first_slot(token->stem);
	double possessed = possessed_share(token, index);
	double share = common_share(token->stem, slot);
	bool has_content = stop_word_find(token->folded) == STOP_WORD_NONE;
	unsigned values = reading->values;
	bool matched = has_content && match_word(reading, index, share * possessed);
	bool known = read_general(reading, token, slot, matched);
	bool is_kin = has_content && !matched && match_kin(reading, token, share * possessed);
	bool is_name = token->capital && index > 0;

	if (!has_content)
		return;
	if (is_name)
		signals_add(reading->signals, SIGNAL_NAME, 1, token->raw);
	reading->content += matched || is_kin || !known;
	share = matched ? SHARE_LEAST + (1 - SHARE_LEAST) * share : is_kin ? SHARE_KIN * share : 0;
	if (reading->values > values)
		share *= SHARE_VALUE;
	reading->explained += share * possessed;
	if (!matched && !is_kin && !known && !is_name)
		reading->strangers += stranger_amount(reading, index);
}

/* Not - and /: those stand in dates and ranges. */
static bool is_operator(char symbol)
{
	return symbol == '+' || symbol == '-' || symbol == '*' || symbol == '/' || symbol == '^' ||
	       symbol == '=';
}

/* 2012/8/24, or 12/31: the slashes of a date have no blanks, and there may be two of them. */
static bool is_date_slash(const struct tokens *tokens, size_t index)
{
	const struct token *token = &tokens->items[index];

	return token->raw.data[0] == '/' && !token->space_before && !token[1].space_before &&
	       token[-1].raw.size <= 4 && token[1].raw.size <= 4 &&
	       ((index + 2 < tokens->count && token[2].raw.data[0] == '/') ||
	           (index > 2 && token[-2].raw.data[0] == '/'));
}

/* More text follows: a question about rows is rarely two sentences. "Mr." ends none. */
static bool ends_sentence(const struct token *token, char symbol)
{
	if (symbol != '.' && symbol != '?' && symbol != '!' && symbol != ':' && symbol != ';')
		return false;
	if (!token[1].space_before || token[1].kind == TOKEN_SYMBOL)
		return false;
	return symbol != '.' || (token[1].capital && token[-1].raw.size > 3);
}

static void read_symbol(struct reading *reading, size_t index)
{
	const struct token *token = &reading->tokens->items[index];
	char symbol = token->raw.data[0];

	if (symbol == '{' || symbol == '}' || symbol == '\\' || symbol == '~' || symbol == '|' ||
	    (symbol == '/' && !token->space_before && (index == 0 || token[-1].kind == TOKEN_WORD)))
		signals_add(reading->signals, SIGNAL_CODE, 0.25, BYTES_NONE);
	if (index == 0 || index + 1 >= reading->tokens->count)
		return;
	if (is_operator(symbol) && token[-1].kind == TOKEN_NUMBER &&
	    token[1].kind == TOKEN_NUMBER && !is_date_slash(reading->tokens, index))
		signals_add(reading->signals, SIGNAL_ARITHMETIC, 2, token->raw);
	if (ends_sentence(token, symbol))
		signals_add(reading->signals, SIGNAL_SENTENCES, 1, BYTES_NONE);
}

static void read_tokens(struct reading *reading)
{
	for (size_t i = 0; i < reading->tokens->count; i++) {
		const struct token *token = &reading->tokens->items[i];

		if (token->kind == TOKEN_WORD)
			read_word(reading, i);
		else if (token->kind == TOKEN_SYMBOL)
			read_symbol(reading, i);
		else
			signals_add(reading->signals,
			    token->kind == TOKEN_NUMBER ? SIGNAL_NUMBER : SIGNAL_LITERAL, 1,
			    token->raw);
	}
}

/* How many tokens the phrase takes at `index`; 0 where it does not stand there. */
static size_t phrase_length(const struct tokens *tokens, size_t index, const char *words)
{
	size_t length = 0;

	while (*words) {
		size_t size = strcspn(words, " ");

		if (index + length >= tokens->count)
			return 0;
		if (strncmp(tokens->items[index + length].folded, words, size) != 0 ||
		    tokens->items[index + length].folded[size] != '\0')
			return 0;
		length++;
		words += size + (words[size] == ' ');
	}
	return length;
}

/* The phrases that start with the word: phrase_rows from `first` on. */
static struct phrase_range {
	uint16_t first, count; /* 0: an empty slot */
} phrase_slots[PHRASE_SLOTS];

static bool starts_with_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	return strncmp(words, word, size) == 0 && (words[size] == ' ' || words[size] == '\0');
}

static struct phrase_range *find_phrases(const char *word)
{
	size_t at = (size_t)XXH3_64bits(word, strlen(word)) & (PHRASE_SLOTS - 1);

	while (phrase_slots[at].count > 0 &&
	       !starts_with_word(phrase_rows[phrase_slots[at].first].words, word))
		at = (at + 1) & (PHRASE_SLOTS - 1);
	return &phrase_slots[at];
}

static void make_phrase_slots(void)
{
	for (uint16_t i = 0; i < PHRASES; i++) {
		char *word = must_strdup(phrase_rows[i].words);
		struct phrase_range *range;

		word[strcspn(word, " ")] = '\0';
		range = find_phrases(word);
		if (range->count++ == 0)
			range->first = i;
		free(word);
	}
}

/* Behind "please", "ok", "can you": where the question itself starts. */
static size_t find_start(const struct tokens *tokens)
{
	size_t at = 0;

	for (; at + 1 < tokens->count && at < 6; at++) {
		const char *word = tokens->items[at].folded;

		if (tokens->items[at].kind != TOKEN_WORD && tokens->items[at].kind != TOKEN_SYMBOL)
			return at;
		if (tokens->items[at].kind == TOKEN_SYMBOL ||
		    stop_word_find(word) == STOP_WORD_POLITENESS || strcmp(word, "so") == 0 ||
		    strcmp(word, "now") == 0 || strcmp(word, "also") == 0 ||
		    strcmp(word, "great") == 0)
			continue;
		if ((strcmp(word, "can") == 0 || strcmp(word, "could") == 0 ||
		        strcmp(word, "would") == 0 || strcmp(word, "will") == 0) &&
		    strcmp(tokens->items[at + 1].folded, "you") == 0) {
			at++;
			continue;
		}
		return at;
	}
	return at;
}

static void read_phrases(struct reading *reading)
{
	const struct tokens *tokens = reading->tokens;
	size_t start = find_start(tokens);

	for (size_t i = 0; i < tokens->count; i++) {
		const char *word = tokens->items[i].folded;
		const struct phrase_range *range;

		if (tokens->items[i].kind != TOKEN_WORD)
			continue;
		range = find_phrases(word);
		for (size_t k = 0; k < range->count; k++) {
			const struct phrase_row *row = &phrase_rows[range->first + k];
			const struct token *first = &tokens->items[i], *last;
			size_t length =
			    row->at_start && i != start ? 0 : phrase_length(tokens, i, row->words);

			if (length == 0)
				continue;
			last = first + length - 1;
			signals_add(reading->signals, row->signal, 1,
			    bytes_of(first->raw.data, last->at + last->raw.size - first->at));
		}
	}
}

/* What only the whole text shows. */
static void read_whole(struct reading *reading, bool has_history)
{
	struct signals *signals = reading->signals;
	size_t count = reading->tokens->count;
	bool is_follow_up = count <= FOLLOW_UP_SHORT && signals->amounts[SIGNAL_FOLLOW_UP] > 0;

	if (reading->strangers > 0)
		signals_add(signals, SIGNAL_STRANGERS, reading->strangers * 0.25, BYTES_NONE);
	if (count > LENGTH_USUAL)
		signals_add(signals, SIGNAL_LENGTH, (double)(count - LENGTH_USUAL) / LENGTH_USUAL,
		    BYTES_NONE);
	if (is_follow_up && has_history)
		signals_add(signals, SIGNAL_FOLLOW_UP, 1, BYTES_NONE);
	if (has_history)
		signals_add(signals, SIGNAL_HISTORY, 1, BYTES_NONE);
	if (!reading->vocabulary)
		signals_add(signals, SIGNAL_NO_SCHEMA, 1, BYTES_NONE);
	else if (reading->explained < SHARE_ENOUGH)
		signals_add(signals, SIGNAL_SCHEMA_NONE,
		    (1 - reading->explained / SHARE_ENOUGH) * (is_follow_up ? 0.5 : 1), BYTES_NONE);
	if (reading->content > 0)
		signals_add(signals, SIGNAL_SCHEMA_SHARE, reading->explained / reading->content,
		    BYTES_NONE);
}

void signals_read(const struct tokens *tokens, const struct vocabulary *vocabulary,
    bool has_history, struct signals *signals)
{
	struct reading reading = {.tokens = tokens, .vocabulary = vocabulary, .signals = signals};
	static bool is_made;

	if (!is_made) {
		make_word_slots();
		make_phrase_slots();
	}
	is_made = true;
	reading.is_small = has_no_capital(tokens);
	memset(signals->amounts, 0, sizeof(signals->amounts));
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		signals->texts[i][0] = '\0';
	read_tokens(&reading);
	read_phrases(&reading);
	read_whole(&reading, has_history);
}
