#include "worker/parse_tree.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

struct reader {
	char *at;
	struct tree *next_free, *end;
	unsigned level;
	long last_location;
	enum parse_tree_result result;
};

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

/* Decodes in place, which never takes more room. */
static const char *read_text(struct reader *reader)
{
	char *start, *to;

	if (*reader->at != '"')
		return NULL;
	start = to = ++reader->at;
	while (*reader->at != '"') {
		if (*reader->at == '\0')
			return NULL;
		if (*reader->at != '\\') {
			*to++ = *reader->at++;
			continue;
		}
		reader->at++;
		if (!read_escape(&reader->at, &to))
			return NULL;
	}
	reader->at++;
	*to = '\0';
	return start;
}

static struct tree *read_value(struct reader *reader);

static struct tree *read_members(struct reader *reader, struct tree *parent, char close)
{
	struct tree **link = &parent->first;

	if (*++reader->at == close) {
		reader->at++;
		return parent;
	}
	for (;; reader->at++) {
		const char *key = NULL;
		struct tree *member;

		if (parent->kind == TREE_MAP) {
			key = read_text(reader);
			if (!key || *reader->at++ != ':')
				return fail(reader, PARSE_TREE_BROKEN);
		}
		member = read_value(reader);
		if (!member)
			return NULL;
		member->key = key;
		*link = member;
		link = &member->next;
		if (key && member->kind == TREE_INTEGER && strcmp(key, "location") == 0)
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
		value->kind = words[i].kind;
		return value;
	}
	return fail(reader, PARSE_TREE_BROKEN);
}

static struct tree *read_value(struct reader *reader)
{
	struct tree *value = reader->next_free;
	char *end;

	if (value == reader->end)
		return fail(reader, PARSE_TREE_BROKEN);
	reader->next_free++;
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
		value->kind = TREE_INTEGER;
		value->integer = strtol(reader->at, &end, 10);
		if (end == reader->at)
			return fail(reader, PARSE_TREE_BROKEN);
		reader->at = end;
		return value;
	default:
		return read_word(reader, value);
	}
}

/* Every value but the first stands behind one of these; those in texts make the count larger. */
static size_t count_values(const char *json)
{
	size_t count = 1;

	for (; *json; json++)
		count += *json == ',' || *json == '{' || *json == '[';
	return count;
}

enum parse_tree_result parse_tree_read(
    const char *json, struct parse_tree *ret_tree, long *ret_last_location)
{
	size_t count = count_values(json);
	struct parse_tree tree = {
	    .nodes = must_zalloc(count * sizeof(*tree.nodes)), .text = must_strdup(json)};
	struct reader reader = {.at = tree.text,
	    .next_free = tree.nodes,
	    .end = tree.nodes + count,
	    .last_location = 0,
	    .result = PARSE_TREE_READ};

	if (!bytes_are_utf8(bytes_of_string(json))) {
		reader.result = PARSE_TREE_ENCODING;
	} else {
		tree.root = read_value(&reader);
		if (tree.root && *reader.at)
			reader.result = PARSE_TREE_BROKEN;
	}
	*ret_last_location = reader.last_location;
	if (reader.result == PARSE_TREE_READ)
		*ret_tree = tree;
	else
		parse_tree_deinit(&tree);
	return reader.result;
}

void parse_tree_deinit(struct parse_tree *tree)
{
	free(tree->nodes);
	free(tree->text);
	*tree = (struct parse_tree){0};
}

const struct tree *tree_first(const struct tree *list)
{
	return list && (list->kind == TREE_LIST || list->kind == TREE_MAP) ? list->first : NULL;
}

const struct tree *tree_get(const struct tree *map, const char *key)
{
	const struct tree *member = map && map->kind == TREE_MAP ? map->first : NULL;

	while (member && strcmp(member->key, key) != 0)
		member = member->next;
	return member;
}

const char *tree_text(const struct tree *value)
{
	return value && value->kind == TREE_TEXT ? value->text : NULL;
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
