#include "text/tokens.h"

#include <libstemmer.h>
#include <stdint.h>
#include <stdlib.h>
#include <utf8proc.h>
#include <xxhash.h>

#include "text/compose.h"
#include "text/normalise.h"
#include "text/spelling.h"

enum {
	BLOCK_BYTES = 4096,
	FIRST_TOKENS = 48,
	STEM_BYTES_MAX = 64, /* longer ones are no English words */
};

/* Strings are carved from blocks; a token's items are an array of their own. */
struct block {
	struct block *next;
	size_t used, size;
	char bytes[];
};

struct character {
	int32_t code;
	size_t size;
};

struct quote {
	int32_t open, close;
};

static const struct quote quotes[] = {
    {'\'', '\''}, {'"', '"'}, {0x201c, 0x201d}, {0x2018, 0x2019}, {0x201e, 0x201c}, {0xab, 0xbb}};
enum { QUOTES = sizeof(quotes) / sizeof(quotes[0]), APOSTROPHE = '\'', APOSTROPHE_CURLY = 0x2019 };

struct split {
	struct bytes text;
	size_t at;
	size_t capacity;
	bool unclosed[QUOTES]; /* no closing one is left: each kind is looked for in vain once */
	struct block *blocks;
	struct tokens tokens;
};

static struct character character_at(struct bytes text, size_t at)
{
	struct character character = {-1, 1};
	utf8proc_ssize_t size;

	if (at >= text.size)
		return (struct character){-1, 0};
	if ((unsigned char)text.data[at] < 0x80)
		return (struct character){text.data[at], 1};
	size = utf8proc_iterate((const utf8proc_uint8_t *)text.data + at,
	    (utf8proc_ssize_t)(text.size - at), &character.code);
	if (size > 0)
		character.size = (size_t)size;
	return character;
}

static bool is_digit(int32_t code)
{
	return code >= '0' && code <= '9';
}

/* Letters, marks, and digits of other scripts: those are no numbers to SQL. */
static bool is_letter(int32_t code)
{
	utf8proc_category_t category;

	if (code < 0x80)
		return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || code == '_';
	category = utf8proc_category(code);
	return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

static bool is_word(int32_t code)
{
	return is_digit(code) || is_letter(code);
}

static bool is_upper(int32_t code)
{
	utf8proc_category_t category;

	if (code < 0x80)
		return code >= 'A' && code <= 'Z';
	category = utf8proc_category(code);
	return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT;
}

static bool is_visible(int32_t code)
{
	utf8proc_category_t category;

	if (code < 0x80)
		return code > ' ' && code != 0x7f;
	category = utf8proc_category(code);
	return category != UTF8PROC_CATEGORY_CN &&
	       (category < UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_CO);
}

static char *arena_take(struct block **blocks, size_t size)
{
	struct block *block = *blocks;
	char *taken;

	if (!block || block->size - block->used < size) {
		size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

		block = must_alloc(sizeof(*block) + room);
		*block = (struct block){*blocks, 0, room};
		*blocks = block;
	}
	taken = block->bytes + block->used;
	block->used += size;
	return taken;
}

static const char *arena_string(struct block **blocks, const char *data, size_t size)
{
	char *string = arena_take(blocks, size + 1);

	memcpy(string, data, size);
	string[size] = '\0';
	return string;
}

/* The end of a word: ' and - count inside it only, between two letters or digits. */
static size_t word_end(struct bytes text, size_t at)
{
	for (;;) {
		struct character character = character_at(text, at);

		if (character.size == 0)
			return at;
		if (!is_word(character.code)) {
			if (character.code != APOSTROPHE && character.code != APOSTROPHE_CURLY &&
			    character.code != '-')
				return at;
			if (!is_word(character_at(text, at + character.size).code))
				return at;
		}
		at += character.size;
	}
}

/* A comma joins only groups of three digits: "ids 1,2" are two numbers, "1,000" is one. */
static bool joins_digits(struct bytes text, size_t at)
{
	char byte = text.data[at];
	size_t digits = 0;

	if (byte != '.' && byte != ',' && byte != '-')
		return false;
	while (at + 1 + digits < text.size && digits < 4 && is_digit(text.data[at + 1 + digits]))
		digits++;
	return byte == ',' ? digits == 3 : digits > 0;
}

static size_t number_end(struct bytes text, size_t at)
{
	while (at < text.size && (is_digit(text.data[at]) || joins_digits(text, at)))
		at++;
	return at;
}

/* Where the closing quote of this kind is; 0 where there is none. */
static size_t find_close(struct split *split, size_t kind, size_t at)
{
	struct bytes text = split->text;

	while (!split->unclosed[kind] && at < text.size) {
		struct character character = character_at(text, at), next;

		if (character.code == quotes[kind].close) {
			next = character_at(text, at + character.size);
			if (character.code == '\'' && next.code == '\'')
				character.size++;
			else if (character.code == '"' || !is_word(next.code))
				return at;
		}
		at += character.size;
	}
	split->unclosed[kind] = true;
	return 0;
}

static bool last_is_word(const struct split *split)
{
	size_t at = split->at;

	if (at == 0)
		return false;
	do
		at--;
	while (at > 0 && ((unsigned char)split->text.data[at] & 0xc0) == 0x80);
	return is_word(character_at(split->text, at).code);
}

/* A quote behind a letter or digit is an apostrophe, or inches. */
static bool find_quoted(struct split *split, struct character open, struct token *token)
{
	for (size_t i = 0; i < QUOTES; i++) {
		size_t start = split->at + open.size, close;

		if (quotes[i].open != open.code)
			continue;
		if (i < 2 && last_is_word(split))
			return false;
		close = find_close(split, i, start);
		if (close == 0)
			return false;
		token->kind = TOKEN_QUOTED;
		token->raw = bytes_of(split->text.data + start, close - start);
		token->capital = is_upper(character_at(split->text, start).code);
		split->at = close + character_at(split->text, close).size;
		return true;
	}
	return false;
}

static void take_plain(struct split *split, struct character first, struct token *token)
{
	size_t end;

	if (is_digit(first.code)) {
		token->kind = TOKEN_NUMBER;
		end = number_end(split->text, split->at);
	} else if (is_letter(first.code)) {
		token->kind = TOKEN_WORD;
		end = word_end(split->text, split->at);
	} else {
		token->kind = TOKEN_SYMBOL;
		end = split->at + first.size;
	}
	token->capital = is_upper(first.code);
	token->raw = bytes_of(split->text.data + split->at, end - split->at);
	split->at = end;
}

/* Lower case; curly apostrophes straight; the possessive 's gone. Returns the size. */
static size_t finish_folded(char *folded, size_t size, bool is_word_token)
{
	size_t kept = 0;

	if (!is_word_token)
		return size;
	for (size_t i = 0; i < size; i++) {
		if (size - i >= 3 && memcmp(folded + i, "\xe2\x80\x99", 3) == 0) {
			folded[kept++] = '\'';
			i += 2;
		} else {
			folded[kept++] = folded[i];
		}
	}
	if (kept > 2 && folded[kept - 2] == '\'' && folded[kept - 1] == 's')
		kept -= 2;
	return kept;
}

static void fold_ascii(struct bytes raw, char *folded)
{
	for (size_t i = 0; i < raw.size; i++) {
		char byte = raw.data[i];

		folded[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
	}
}

static char *fold(struct block **blocks, struct bytes raw, bool is_word_token)
{
	CLEAN(buffer) struct buffer composed = BUFFER_INIT;
	char *folded;
	size_t size = raw.size;

	if (compose_is_ascii(raw)) {
		folded = arena_take(blocks, size + 1);
		fold_ascii(raw, folded);
	} else {
		if (compose(raw, true, &composed) < 0)
			buffer_append_bytes(&composed, raw);
		size = composed.size;
		folded = arena_take(blocks, size + 1);
		memcpy(folded, composed.data, size);
	}
	folded[finish_folded(folded, size, is_word_token)] = '\0';
	return folded;
}

struct irregular {
	const char *form;
	const char *plain;
};

static const struct irregular irregulars[] = {
#define IRREGULAR(form, plain) {form, plain},
#include "text/irregular.def"
#undef IRREGULAR
};

static int compare_irregular(const void *key, const void *row)
{
	return strcmp(key, ((const struct irregular *)row)->form);
}

/* people for person: the plain form, whose stem is meant; NULL where a word is regular. */
static const char *find_plain(const char *folded)
{
	const struct irregular *found = bsearch(folded, irregulars,
	    sizeof(irregulars) / sizeof(irregulars[0]), sizeof(irregulars[0]), compare_irregular);

	return found ? found->plain : NULL;
}

/* Stemming is most of the work on a question, and questions share their words. */
enum { REMEMBERED = 1024, REMEMBERED_BYTES = 20 };

struct remembered {
	char word[REMEMBERED_BYTES];
	char stem[REMEMBERED_BYTES];
};

static struct bytes run_stemmer(struct bytes word)
{
	static struct sb_stemmer *stemmer;
	char unified[STEM_BYTES_MAX + 1];
	const sb_symbol *stem;

	if (!stemmer)
		stemmer = sb_stemmer_new("english", "UTF_8");
	if (!stemmer)
		abort();
	memcpy(unified, word.data, word.size);
	word.size = spelling_unify(unified, word.size);
	stem = sb_stemmer_stem(stemmer, (const sb_symbol *)unified, (int)word.size);
	if (!stem)
		abort();
	return bytes_of(stem, (size_t)sb_stemmer_length(stemmer));
}

/* The stem in memory that is valid until the next one; the word itself where it is too long. */
static struct bytes stem_of(const char *folded)
{
	static struct remembered table[REMEMBERED];
	struct bytes word = bytes_of_string(folded), stem;
	struct remembered *slot;
	const char *plain;

	if (word.size > STEM_BYTES_MAX)
		return word;
	slot = &table[XXH3_64bits(folded, word.size) % REMEMBERED];
	if (word.size > 0 && word.size < REMEMBERED_BYTES && strcmp(slot->word, folded) == 0)
		return bytes_of_string(slot->stem);
	plain = find_plain(folded);
	stem = run_stemmer(plain ? bytes_of_string(plain) : word);
	if (word.size < REMEMBERED_BYTES && stem.size < REMEMBERED_BYTES) {
		memcpy(slot->word, folded, word.size + 1);
		memcpy(slot->stem, stem.data, stem.size);
		slot->stem[stem.size] = '\0';
	}
	return stem;
}

static const char *stem_string(struct block **blocks, const char *folded)
{
	struct bytes word = bytes_of_string(folded), stem = stem_of(folded);

	if (bytes_equal(word, stem))
		return folded;
	return arena_string(blocks, stem.data, stem.size);
}

static void add(struct split *split, struct token *token)
{
	struct tokens *tokens = &split->tokens;

	token->folded = fold(&split->blocks, token->raw, token->kind == TOKEN_WORD);
	token->stem =
	    token->kind == TOKEN_WORD ? stem_string(&split->blocks, token->folded) : token->folded;
	if (tokens->count == split->capacity) {
		split->capacity = split->capacity ? split->capacity * 2 : FIRST_TOKENS;
		tokens->items =
		    must_realloc(tokens->items, split->capacity * sizeof(*tokens->items));
	}
	tokens->items[tokens->count++] = *token;
}

void tokens_split(struct bytes text, size_t max_tokens, struct tokens *ret_tokens)
{
	struct split split = {.text = text};
	bool space_before = true;

	while (split.at < text.size) {
		struct character first = character_at(text, split.at);
		struct token token = {.at = split.at, .space_before = space_before};

		if (!is_visible(first.code)) {
			space_before = space_before || normalise_is_space(first.code);
			split.at += first.size;
			continue;
		}
		if (max_tokens > 0 && split.tokens.count == max_tokens)
			break;
		if (!find_quoted(&split, first, &token))
			take_plain(&split, first, &token);
		add(&split, &token);
		space_before = false;
	}
	split.tokens.arena = split.blocks;
	*ret_tokens = split.tokens;
}

void tokens_free(struct tokens *tokens)
{
	struct block *block = tokens->arena;

	while (block) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
	free(tokens->items);
	*tokens = (struct tokens){0};
}

void token_stem(struct bytes word, struct buffer *ret_stem)
{
	CLEAN(buffer) struct buffer folded = BUFFER_INIT;
	char room[STEM_BYTES_MAX + 1], *text = room;
	struct bytes stem;
	size_t size = word.size;

	if (compose_is_ascii(word) && size <= STEM_BYTES_MAX) {
		fold_ascii(word, room);
	} else {
		if (compose(word, true, &folded) < 0)
			buffer_append_bytes(&folded, word);
		size = folded.size;
		buffer_reserve(&folded, 1);
		text = folded.data;
	}
	text[finish_folded(text, size, true)] = '\0';
	stem = stem_of(text);
	buffer_reset(ret_stem);
	buffer_append_bytes(ret_stem, stem);
}
