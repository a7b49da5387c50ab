#include "daemon/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "daemon/config_check.h"
#include "daemon/config_files.h"
#include "daemon/config_patterns.h"
#include "daemon/config_value.h"
#include "daemon/config_yaml.h"

enum { KEYS_MAX = 64, SHOWN_KEY_CHARS = 64 };

/* One section that is being read: the file, or one element of a list. */
struct section_reader {
	const struct config_section *section;
	void *value;
	const char *shown; /* in front of its keys in faults, as in "databases[0]."; or "" */
	bool seen[KEYS_MAX];
	struct config_faults *faults;
};

static char *join(const char *a, const char *between, const char *b)
{
	struct buffer text = BUFFER_INIT;

	buffer_printf(&text, "%s%s%s", a, between, b);
	buffer_string(&text);
	return text.data;
}

#define READER_FAULT(reader, line, path, ...)                                      \
	do {                                                                       \
		CLEAN(free) char *shown_path = join((reader)->shown, "", path);    \
		config_fault_add((reader)->faults, line, shown_path, __VA_ARGS__); \
	} while (0)

/* Levenshtein's distance, bounded: good enough to name what was meant. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[SHOWN_KEY_CHARS + 1];
	size_t width = strnlen(b, SHOWN_KEY_CHARS);

	for (size_t k = 0; k <= width; k++)
		row[k] = (unsigned)k;
	for (size_t i = 0; a[i] && i < SHOWN_KEY_CHARS; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t k = 1; k <= width; k++) {
			unsigned replaced = diagonal + (a[i] != b[k - 1]);
			unsigned shorter = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;

			diagonal = row[k];
			row[k] = replaced < shorter ? replaced : shorter;
		}
	}
	return row[width];
}

/* What stands behind `prefix.` in a key's path up to the next dot; NULL for another prefix. */
static const char *component_behind(const char *path, const char *prefix, size_t *ret_size)
{
	size_t size = strlen(prefix);

	if (size > 0) {
		if (strncmp(path, prefix, size) != 0 || path[size] != '.')
			return NULL;
		path += size + 1;
	}
	*ret_size = strcspn(path, ".");
	return path;
}

static const char *last_component(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

/* Fills a hint for an unknown key: the nearest of its level, its place on another level, or
 * all that may stand there. */
static void suggest_key(
    const struct section_reader *reader, const char *prefix, const char *key, struct buffer *hint)
{
	unsigned best_distance = strlen(key) < 6 ? 2 : 3;
	char best[SHOWN_KEY_CHARS + 1] = "", last[SHOWN_KEY_CHARS + 1] = "";
	CLEAN(buffer) struct buffer all = BUFFER_INIT;
	const char *elsewhere = NULL;

	for (size_t i = 0; i < reader->section->key_count; i++) {
		const char *path = reader->section->keys[i].path;
		char name[SHOWN_KEY_CHARS + 1];
		const char *at;
		size_t size;

		if (reader->section->keys[i].hidden)
			continue;
		if (strcmp(last_component(path), key) == 0)
			elsewhere = path;
		at = component_behind(path, prefix, &size);
		if (!at)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)size, at);
		if (edit_distance(key, name) < best_distance) {
			best_distance = edit_distance(key, name);
			strcpy(best, name);
		}
		if (strcmp(name, last) != 0)
			buffer_printf(&all, "%s%s", all.size ? ", " : "", name);
		strcpy(last, name);
	}
	if (*best)
		buffer_printf(hint, "write %s", best);
	else if (elsewhere)
		buffer_printf(hint, "its place is %s%s", reader->shown, elsewhere);
	else
		buffer_printf(hint, "write one of %s", buffer_string(&all));
}

static void report_unknown(struct section_reader *reader, const char *prefix, const char *path,
    const struct config_node *node)
{
	CLEAN(buffer) struct buffer hint = BUFFER_INIT;

	if (strcmp(node->key, "<<") == 0) {
		READER_FAULT(
		    reader, node->key_line, path, "merge keys are not read; write the keys out");
		return;
	}
	suggest_key(reader, prefix, node->key, &hint);
	READER_FAULT(
	    reader, node->key_line, path, "there is no such key; %s", buffer_string(&hint));
}

static void read_section(const struct config_section *section, void *value, const char *shown,
    const struct config_node *map, struct config_faults *faults);

static void read_item(struct section_reader *reader, const struct config_key *key,
    const struct config_node *node, size_t index, struct config_list *list)
{
	const struct config_section *elements = config_element_section(key->type);
	char fault[CONFIG_FAULT_SIZE], path[160];

	snprintf(path, sizeof(path), "%s[%zu]", key->path, index);
	if (elements) {
		CLEAN(free) char *shown = join(reader->shown, path, ".");
		void *element;

		if (node->kind != CONFIG_NODE_MAP) {
			READER_FAULT(
			    reader, node->line, path, "it is no map; write `- {key: value, …}`");
			return;
		}
		element = config_section_new(elements);
		config_list_append(list, element);
		read_section(elements, element, shown, node, reader->faults);
		return;
	}
	if (node->kind != CONFIG_NODE_SCALAR || node->is_null) {
		READER_FAULT(reader, node->line, path, "it is no text; write one word or text");
		return;
	}
	if (config_value_check_item(key->type, node->text, fault) != 0) {
		READER_FAULT(reader, node->line, path, "%s", fault);
		return;
	}
	config_list_append(list, must_strdup(node->text));
}

static void read_list(
    struct section_reader *reader, const struct config_key *key, const struct config_node *node)
{
	struct config_list *list = config_key_field(key, reader->value);

	if (node->kind != CONFIG_NODE_LIST) {
		READER_FAULT(reader, node->line, key->path, "it is no list; write %s",
		    config_element_section(key->type) ? "one `- ` line for each element"
		                                      : "it in brackets, as in [one, two]");
		return;
	}
	if (node->count < (size_t)key->min || node->count > (size_t)key->max) {
		READER_FAULT(reader, node->line, key->path,
		    "it has %zu elements; write %lld to %lld", node->count, (long long)key->min,
		    (long long)key->max);
		return;
	}
	config_key_clear(key, reader->value);
	for (size_t i = 0; i < node->count; i++)
		read_item(reader, key, node->children[i], i, list);
}

static void read_key(
    struct section_reader *reader, const struct config_key *key, const struct config_node *node)
{
	char fault[CONFIG_FAULT_SIZE];

	if (node->is_null)
		return;
	reader->seen[key - reader->section->keys] = true;
	if (config_storage(key->type) == CONFIG_LIST)
		read_list(reader, key, node);
	else if (node->kind != CONFIG_NODE_SCALAR)
		READER_FAULT(reader, node->line, key->path, "it is a %s; write one value: %s",
		    node->kind == CONFIG_NODE_MAP ? "map" : "list", key->help);
	else if (config_value_parse(key, node->text, config_key_field(key, reader->value), fault) !=
	         0)
		READER_FAULT(reader, node->line, key->path, "%s", fault);
}

static const struct config_key *find_key(const struct section_reader *reader, const char *path)
{
	for (size_t i = 0; i < reader->section->key_count; i++)
		if (!reader->section->keys[i].hidden &&
		    strcmp(reader->section->keys[i].path, path) == 0)
			return &reader->section->keys[i];
	return NULL;
}

static bool is_group(const struct section_reader *reader, const char *path)
{
	size_t size;

	for (size_t i = 0; i < reader->section->key_count; i++)
		if (component_behind(reader->section->keys[i].path, path, &size))
			return true;
	return false;
}

/* The line on which the same key stands before; 0: nowhere. */
static int earlier_line(const struct config_node *map, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(map->children[i]->key, map->children[index]->key) == 0)
			return map->children[i]->key_line;
	return 0;
}

static void read_group(
    struct section_reader *reader, const char *prefix, const struct config_node *map);

static void read_member(
    struct section_reader *reader, const char *prefix, const struct config_node *map, size_t index)
{
	const struct config_node *node = map->children[index];
	CLEAN(free) char *path = join(prefix, *prefix ? "." : "", node->key);
	/* A dot would make one key of two. */
	bool is_word = *node->key && !strchr(node->key, '.');
	const struct config_key *key = is_word ? find_key(reader, path) : NULL;
	int before = earlier_line(map, index);

	if (before > 0)
		READER_FAULT(reader, node->key_line, path,
		    "it stands in line %d already; keep one of them", before);
	else if (key)
		read_key(reader, key, node);
	else if (!is_word || !is_group(reader, path))
		report_unknown(reader, prefix, path, node);
	else if (node->kind == CONFIG_NODE_MAP)
		read_group(reader, path, node);
	else if (!node->is_null)
		READER_FAULT(
		    reader, node->line, path, "it is no map; write its keys below it, indented");
}

static void read_group(
    struct section_reader *reader, const char *prefix, const struct config_node *map)
{
	for (size_t i = 0; i < map->count; i++)
		read_member(reader, prefix, map, i);
}

static void read_section(const struct config_section *section, void *value, const char *shown,
    const struct config_node *map, struct config_faults *faults)
{
	struct section_reader reader = {
	    .section = section, .value = value, .shown = shown, .faults = faults};

	if (section->key_count > KEYS_MAX)
		abort();
	read_group(&reader, "", map);
	for (size_t i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];

		if (key->required && !reader.seen[i])
			READER_FAULT(
			    &reader, map->line, key->path, "it is missing; write %s", key->help);
	}
}

/* Where relative paths start: the folder of the file, wherever a symbolic link to it stands. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEAN(free)
	char *folder =
	    slash ? bytes_to_string(bytes_of(path, (size_t)(slash - path) + 1)) : must_strdup(".");
	char *absolute = realpath(folder, NULL);

	return absolute ? absolute : must_strdup("/");
}

struct config *config_read_file(const char *path, struct config_faults *ret_faults)
{
	CLEAN(buffer) struct buffer content = BUFFER_INIT;
	CLEAN(free) char *folder = folder_of(path);
	struct config_faults *faults = ret_faults;
	struct config *config = config_new();
	struct config_node *root = NULL;
	int r = config_files_content(path, &content);

	faults->file = path;
	faults->count = 0;
	if (r != 0)
		config_fault_add(faults, 1, "file",
		    "it cannot be read: %s; name a file with --config that this user may read",
		    strerror(-r));
	else
		root = config_yaml_read(bytes_of_buffer(&content), faults);
	if (root && root->kind == CONFIG_NODE_MAP)
		read_section(&config_root_section, config, "", root, faults);
	else if (root && !root->is_null)
		config_fault_add(
		    faults, root->line, "file", "it is no map; write `key: value` lines");
	config_check(config, folder, root, faults);
	if (faults->count == 0)
		config_files_read(config, folder, faults);
	if (faults->count == 0)
		config_patterns_check(config, root, faults);
	config_node_free(root);
	if (faults->count == 0)
		return config;
	config_free(config);
	return NULL;
}
