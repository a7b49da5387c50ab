#include "daemon/config_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 10, NODES_MAX = 20000 };

/* Stands in a fault where a key would, for what belongs to no key. */
#define WHOLE_FILE "yaml"

struct reader {
	yaml_parser_t parser;
	struct bytes content;
	struct config_faults *faults;
	size_t nodes;
};

static int line_of(yaml_mark_t mark)
{
	return (int)mark.line + 1;
}

/* libyaml does not say that the character it could not use was a tab. */
static bool line_is_indented_by_tab(struct bytes content, int line)
{
	const char *at = content.data, *end = content.data + content.size;

	for (int i = 1; i < line && at; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	for (; at && at < end && (*at == ' ' || *at == '\t'); at++)
		if (*at == '\t')
			return true;
	return false;
}

static void report_syntax(struct reader *reader)
{
	yaml_parser_t *parser = &reader->parser;
	int line = line_of(parser->problem_mark);

	if (line_is_indented_by_tab(reader->content, line))
		config_fault_add(reader->faults, line, WHOLE_FILE,
		    "the line is indented by a tab; write spaces");
	else
		config_fault_add(reader->faults, line, WHOLE_FILE,
		    "this is no YAML: %s%s%s; write `key: value`, indented by spaces, with quotes "
		    "around texts that have : # { [ or quotes in them",
		    parser->context ? parser->context : "", parser->context ? ", " : "",
		    parser->problem ? parser->problem : "it cannot be read");
}

static bool next_event(struct reader *reader, yaml_event_t *ret_event)
{
	if (yaml_parser_parse(&reader->parser, ret_event))
		return true;
	report_syntax(reader);
	return false;
}

static void refuse_properties(struct reader *reader, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	int line = line_of(event->start_mark);

	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (anchor)
		config_fault_add(reader->faults, line, WHOLE_FILE,
		    "anchors are not read; remove &%s and write each value out",
		    (const char *)anchor);
	if (tag)
		config_fault_add(reader->faults, line, WHOLE_FILE, "tags are not read; remove %s",
		    (const char *)tag);
}

static bool is_null_scalar(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static void node_append(struct config_node *parent, struct config_node *child)
{
	parent->children =
	    must_realloc(parent->children, (parent->count + 1) * sizeof(struct config_node *));
	parent->children[parent->count++] = child;
}

static struct config_node *read_node(struct reader *reader, yaml_event_t *event, unsigned depth);

/* The key that an event is, or NULL with a fault. */
static char *read_key(struct reader *reader, const yaml_event_t *event)
{
	int line = line_of(event->start_mark);
	const char *text = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT) {
		config_fault_add(
		    reader->faults, line, WHOLE_FILE, "a key must be one word; write `key: value`");
		return NULL;
	}
	refuse_properties(reader, event);
	if (strlen(text) != event->data.scalar.length) {
		config_fault_add(
		    reader->faults, line, WHOLE_FILE, "a key has a NUL in it; remove it");
		return NULL;
	}
	return must_strdup(text);
}

static bool read_children(struct reader *reader, struct config_node *node, unsigned depth)
{
	yaml_event_type_t end =
	    node->kind == CONFIG_NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;

	for (;;) {
		CLEAN(free) char *key = NULL;
		struct config_node *child;
		yaml_event_t event;
		int key_line;

		if (!next_event(reader, &event))
			return false;
		if (event.type == end) {
			yaml_event_delete(&event);
			return true;
		}
		key_line = line_of(event.start_mark);
		if (node->kind == CONFIG_NODE_MAP) {
			key = read_key(reader, &event);
			yaml_event_delete(&event);
			if (!key || !next_event(reader, &event))
				return false;
		}
		child = read_node(reader, &event, depth + 1);
		if (!child)
			return false;
		child->key = key;
		key = NULL;
		child->key_line = key_line;
		node_append(node, child);
	}
}

static bool fill_node(
    struct reader *reader, struct config_node *node, const yaml_event_t *event, unsigned depth)
{
	refuse_properties(reader, event);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		node->is_null = is_null_scalar(event);
		node->text = must_strdup((const char *)event->data.scalar.value);
		if (strlen(node->text) != event->data.scalar.length)
			config_fault_add(reader->faults, node->line, WHOLE_FILE,
			    "a value has a NUL in it; remove it");
		return true;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		node->kind =
		    event->type == YAML_MAPPING_START_EVENT ? CONFIG_NODE_MAP : CONFIG_NODE_LIST;
		return read_children(reader, node, depth);
	case YAML_ALIAS_EVENT:
		config_fault_add(reader->faults, node->line, WHOLE_FILE,
		    "aliases are not read; write the value of *%s out",
		    (const char *)event->data.alias.anchor);
		node->is_null = true;
		node->text = must_strdup("");
		return true;
	default:
		abort(); /* no other event can stand here by libyaml's grammar */
	}
}

/* Takes the event. NULL after a fault that ends the reading. */
static struct config_node *read_node(struct reader *reader, yaml_event_t *event, unsigned depth)
{
	struct config_node *node = NULL;
	int line = line_of(event->start_mark);

	if (depth > DEPTH_MAX || ++reader->nodes > NODES_MAX) {
		config_fault_add(reader->faults, line, WHOLE_FILE,
		    "there is more here than a configuration has; remove it");
		goto out;
	}
	node = must_zalloc(sizeof(*node));
	node->line = line;
	if (!fill_node(reader, node, event, depth)) {
		config_node_free(node);
		node = NULL;
	}
out:
	yaml_event_delete(event);
	return node;
}

/* The stream's and the document's frame around the one node. */
static struct config_node *read_stream(struct reader *reader)
{
	struct config_node *root = NULL;
	bool done = false;
	yaml_event_t event;

	while (!done && next_event(reader, &event)) {
		if (event.type == YAML_DOCUMENT_START_EVENT && root) {
			config_fault_add(reader->faults, line_of(event.start_mark), WHOLE_FILE,
			    "a second document starts here; write one only, without ---");
			done = true;
		}
		if (event.type == YAML_STREAM_END_EVENT)
			done = true;
		if (event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT ||
		    event.type == YAML_SEQUENCE_START_EVENT ||
		    event.type == YAML_MAPPING_START_EVENT) {
			root = read_node(reader, &event, 0);
			done = !root;
		} else {
			yaml_event_delete(&event);
		}
	}
	return root;
}

static bool check_encoding(struct bytes content, struct config_faults *faults)
{
	int line = 1;

	for (size_t at = 0; at < content.size; line++) {
		const char *start = content.data + at;
		const char *end = memchr(start, '\n', content.size - at);
		size_t size = end ? (size_t)(end - start) + 1 : content.size - at;

		if (!bytes_are_utf8(bytes_of(start, size))) {
			config_fault_add(faults, line, WHOLE_FILE,
			    "the line is not UTF-8; save the file in that encoding");
			return false;
		}
		at += size;
	}
	return true;
}

struct config_node *config_yaml_read(struct bytes content, struct config_faults *faults)
{
	struct reader reader = {.content = content, .faults = faults};
	struct config_node *root;

	if (!check_encoding(content, faults))
		return NULL;
	if (!yaml_parser_initialize(&reader.parser))
		abort();
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser,
	    (const unsigned char *)(content.data ? content.data : ""), content.size);
	root = read_stream(&reader);
	yaml_parser_delete(&reader.parser);
	return root;
}

void config_node_free(struct config_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->count; i++)
		config_node_free(node->children[i]);
	free(node->children);
	free(node->key);
	free(node->text);
	free(node);
}

static const struct config_node *find_child(
    const struct config_node *node, const char *name, size_t size)
{
	for (size_t i = 0; node->kind == CONFIG_NODE_MAP && i < node->count; i++) {
		const char *key = node->children[i]->key;

		if (strlen(key) == size && memcmp(key, name, size) == 0)
			return node->children[i];
	}
	return NULL;
}

int config_node_line(const struct config_node *root, const char *path)
{
	const struct config_node *node = root;
	int line = root ? root->line : 1;

	while (node && *path) {
		if (*path == '[') {
			size_t index = strtoul(path + 1, NULL, 10);

			node = node->kind == CONFIG_NODE_LIST && index < node->count
			           ? node->children[index]
			           : NULL;
			path += strcspn(path, "]") + 1;
		} else {
			path += *path == '.';
			node = find_child(node, path, strcspn(path, ".["));
			path += strcspn(path, ".[");
		}
		if (node)
			line = node->key ? node->key_line : node->line;
	}
	return line;
}
