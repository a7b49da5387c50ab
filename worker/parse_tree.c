#include "worker/parse_tree.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* Whole statements of analytics fit into the first. */
enum { BLOCK_NODES = 1000 };

struct tree_block {
	struct tree_block *next;
	struct tree nodes[BLOCK_NODES];
};

struct reader {
	char *at;
	const uint16_t *slots;
	/* Keys come in few orders: the one that came last behind each is looked for first. */
	uint16_t last_name, followers[NAME_COUNT];
	struct tree_block *blocks;
	struct tree *next_free, *end;
	unsigned level;
	long last_location;
	enum parse_tree_result result;
};

/* ---- names ---- */

enum { NAME_SLOTS = 1024 }; /* a power of two, some times NAME_COUNT */

static const struct {
	const char *text;
	size_t size;
} names[NAME_COUNT] = {
#define NODE(type, check) [NAME_##type] = {#type, sizeof(#type) - 1},
#include "worker/allowed_nodes.def"
#define MEMBER(name) [NAME_##name] = {#name, sizeof(#name) - 1},
#include "worker/tree_members.def"
#undef MEMBER
};

static unsigned name_slot(const char *text, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)text;

	return (bytes[0] * 67u + bytes[size / 2] * 29u + bytes[size - 1] * 5u +
	           (unsigned)size * 131u) %
	       NAME_SLOTS;
}

static const uint16_t *name_slots(void)
{
	static uint16_t slots[NAME_SLOTS];
	static bool filled;

	for (uint16_t i = 1; !filled && i < NAME_COUNT; i++) {
		unsigned slot = name_slot(names[i].text, names[i].size);

		while (slots[slot])
			slot = (slot + 1) % NAME_SLOTS;
		slots[slot] = i;
	}
	filled = true;
	return slots;
}

static uint16_t name_find(const uint16_t *slots, const char *text, size_t size)
{
	unsigned slot;

	if (size == 0)
		return NAME_UNKNOWN;
	for (slot = name_slot(text, size); slots[slot]; slot = (slot + 1) % NAME_SLOTS)
		if (names[slots[slot]].size == size &&
		    memcmp(names[slots[slot]].text, text, size) == 0)
			return slots[slot];
	return NAME_UNKNOWN;
}

/* ---- the JSON ---- */

static struct tree *fail(struct reader *reader, enum parse_tree_result result)
{
	reader->result = result;
	return NULL;
}

/* One character of an escape; libpg_query writes \u only for control characters. */
static bool read_escape(char **from, char **to)
{
	static const char codes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	char code = *(*from)++;
	const char *known = code ? strchr(codes, code) : NULL;
	unsigned value = 0;

	if (known) {
		*(*to)++ = meanings[known - codes];
		return true;
	}
	for (int i = 0; code == 'u' && i < 4; i++, (*from)++) {
		char digit[] = {**from, '\0'};

		if (!isxdigit((unsigned char)*digit))
			return false;
		value = value * 16 + (unsigned)strtoul(digit, NULL, 16);
	}
	if (code != 'u' || value == 0 || value > 0x7f)
		return false;
	*(*to)++ = (char)value;
	return true;
}

/* Behind the first escape; decodes in place, which never takes more room. */
static bool read_escaped(struct reader *reader)
{
	char *from = reader->at, *to = from;

	while (*from != '"') {
		if (*from == '\0')
			return false;
		if (*from != '\\') {
			*to++ = *from++;
			continue;
		}
		from++;
		if (!read_escape(&from, &to))
			return false;
	}
	*to = '\0';
	reader->at = from + 1;
	return true;
}

/* The closing quote becomes the text's end. */
static const char *read_text(struct reader *reader)
{
	char *start = ++reader->at, *at = start;

	while (*at != '"' && *at != '\\' && *at != '\0')
		at++;
	reader->at = at;
	if (*at != '"')
		return read_escaped(reader) ? start : NULL;
	*at = '\0';
	reader->at = at + 1;
	return start;
}

/* The key that is expected; without it nothing is read. */
static bool read_expected(struct reader *reader, uint16_t name)
{
	const char *expected = names[name].text;
	char *at = reader->at + 1;

	if (name == NAME_UNKNOWN)
		return false;
	while (*expected && *at == *expected) {
		at++;
		expected++;
	}
	if (*expected || *at != '"')
		return false;
	*at = '\0';
	reader->at = at + 1;
	return true;
}

static bool read_key(struct reader *reader, uint16_t *ret_name, const char **ret_key)
{
	char *start = reader->at + 1;
	uint16_t name = reader->followers[reader->last_name];

	if (*reader->at != '"')
		return false;
	if (!read_expected(reader, name)) {
		if (!read_text(reader))
			return false;
		name = name_find(reader->slots, start, (size_t)(reader->at - start) - 1);
		reader->followers[reader->last_name] = name;
	}
	if (*reader->at++ != ':')
		return false;
	reader->last_name = *ret_name = name;
	*ret_key = start;
	return true;
}

static struct tree *read_value(struct reader *reader);

static struct tree *read_members(struct reader *reader, struct tree *parent, char close)
{
	struct tree **link = &parent->first;

	*link = NULL;
	if (*++reader->at == close) {
		reader->at++;
		return parent;
	}
	for (;; reader->at++) {
		uint16_t name = NAME_UNKNOWN;
		const char *key = NULL;
		struct tree *member;

		if (parent->kind == TREE_MAP && !read_key(reader, &name, &key))
			return fail(reader, PARSE_TREE_BROKEN);
		member = read_value(reader);
		if (!member)
			return NULL;
		member->name = name;
		member->key = key;
		member->next = NULL;
		*link = member;
		link = &member->next;
		if (name == NAME_location && member->kind == TREE_INTEGER)
			reader->last_location = member->integer;
		if (*reader->at != ',')
			break;
	}
	if (*reader->at++ != close)
		return fail(reader, PARSE_TREE_BROKEN);
	return parent;
}

static struct tree *read_list_or_map(struct reader *reader, struct tree *value)
{
	bool is_map = *reader->at == '{';
	struct tree *read;

	if (reader->level == PARSE_TREE_LEVELS_MAX)
		return fail(reader, PARSE_TREE_DEEP);
	reader->level++;
	value->kind = is_map ? TREE_MAP : TREE_LIST;
	read = read_members(reader, value, is_map ? '}' : ']');
	reader->level--;
	return read;
}

static struct tree *read_integer(struct reader *reader, struct tree *value)
{
	bool negative = *reader->at == '-';
	char *at = reader->at + negative;
	unsigned long number = 0;

	/* FETCH ALL has the largest that there is. */
	for (; *at >= '0' && *at <= '9' && number <= LONG_MAX / 10; at++)
		number = number * 10 + (unsigned long)(*at - '0');
	if (at == reader->at + negative)
		return fail(reader, PARSE_TREE_BROKEN);
	if (number > LONG_MAX)
		number = LONG_MAX;
	value->kind = TREE_INTEGER;
	value->integer = negative ? -(long)number : (long)number;
	reader->at = at;
	return value;
}

static struct tree *read_word(struct reader *reader, struct tree *value)
{
	static const struct {
		const char *word;
		enum tree_kind kind;
	} words[] = {{"null", TREE_NULL}, {"true", TREE_TRUE}, {"false", TREE_FALSE}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t size = strlen(words[i].word);

		if (strncmp(reader->at, words[i].word, size) != 0)
			continue;
		reader->at += size;
		value->kind = (uint16_t)words[i].kind;
		return value;
	}
	return fail(reader, PARSE_TREE_BROKEN);
}

static struct tree *new_value(struct reader *reader)
{
	struct tree_block *block;

	if (reader->next_free == reader->end) {
		block = must_alloc(sizeof(*block));
		block->next = reader->blocks;
		reader->blocks = block;
		reader->next_free = block->nodes;
		reader->end = block->nodes + BLOCK_NODES;
	}
	return reader->next_free++;
}

static struct tree *read_value(struct reader *reader)
{
	struct tree *value = new_value(reader);

	switch (*reader->at) {
	case '{':
	case '[':
		return read_list_or_map(reader, value);
	case '"':
		value->kind = TREE_TEXT;
		value->text = read_text(reader);
		return value->text ? value : fail(reader, PARSE_TREE_BROKEN);
	case '-':
	case '0' ... '9':
		return read_integer(reader, value);
	default:
		return read_word(reader, value);
	}
}

enum parse_tree_result parse_tree_read(
    char *json, struct parse_tree *ret_tree, long *ret_last_location)
{
	struct parse_tree tree = {.text = json};
	struct reader reader = {.at = json, .slots = name_slots(), .result = PARSE_TREE_READ};

	if (!bytes_are_utf8(bytes_of_string(json))) {
		reader.result = PARSE_TREE_ENCODING;
	} else {
		tree.root = read_value(&reader);
		if (tree.root && *reader.at)
			reader.result = PARSE_TREE_BROKEN;
	}
	tree.blocks = reader.blocks;
	*ret_last_location = reader.last_location;
	if (reader.result == PARSE_TREE_READ)
		*ret_tree = tree;
	else
		parse_tree_deinit(&tree);
	return reader.result;
}

void parse_tree_deinit(struct parse_tree *tree)
{
	struct tree_block *next;

	for (struct tree_block *block = tree->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(tree->text);
	*tree = (struct parse_tree){0};
}

/* ---- the tree ---- */

const struct tree *tree_first(const struct tree *list)
{
	return list && (list->kind == TREE_LIST || list->kind == TREE_MAP) ? list->first : NULL;
}

const struct tree *tree_get(const struct tree *map, enum tree_name name)
{
	const struct tree *member = map && map->kind == TREE_MAP ? map->first : NULL;

	while (member && member->name != name)
		member = member->next;
	return member;
}

const char *tree_text(const struct tree *value)
{
	return value && value->kind == TREE_TEXT ? value->text : NULL;
}

const char *tree_string(const struct tree *wrapped)
{
	return tree_text(tree_get(tree_get(wrapped, NAME_String), NAME_sval));
}

bool tree_is_true(const struct tree *value)
{
	return value && value->kind == TREE_TRUE;
}

size_t tree_count(const struct tree *list)
{
	size_t count = 0;

	for (const struct tree *member = tree_first(list); member; member = member->next)
		count++;
	return count;
}

const struct tree *tree_at(const struct tree *list, size_t index)
{
	const struct tree *member = tree_first(list);

	while (member && index--)
		member = member->next;
	return member;
}

const struct tree *tree_last(const struct tree *list)
{
	const struct tree *member = tree_first(list);

	while (member && member->next)
		member = member->next;
	return member;
}
