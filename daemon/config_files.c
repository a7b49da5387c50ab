#include "daemon/config_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/limits.h"
#include "daemon/config_yaml.h"

enum {
	FILE_BYTES_MAX = 1 << 20,
	PROMPT_BYTES_MAX = 32 * 1024,
};

int config_files_content(const char *path, struct buffer *content)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	while (content->size <= FILE_BYTES_MAX) {
		ssize_t size = read(fd, buffer_reserve(content, 65536), 65536);

		if (size < 0)
			return -errno;
		if (size == 0)
			return 0;
		content->size += (size_t)size;
	}
	return -EFBIG;
}

/* ---- prompts ---- */

static const struct {
	const char *name, *needed;
} prompts[] = {
#define PROMPT(ID, name, needed, help) {name, needed},
#include "common/prompts.def"
};

static const struct placeholder {
	const char *name;
	bool fixed;
} placeholders[] = {
#define PROMPT_PLACEHOLDER(ID, name, fixed, help) {name, fixed},
#include "common/prompts.def"
};

enum {
	PROMPTS = sizeof(prompts) / sizeof(prompts[0]),
	PLACEHOLDERS = sizeof(placeholders) / sizeof(placeholders[0]),
};

static int line_of(const char *text, const char *at)
{
	int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static const struct placeholder *find_placeholder(const char *name, size_t size)
{
	for (size_t i = 0; i < PLACEHOLDERS; i++)
		if (strlen(placeholders[i].name) == size &&
		    memcmp(placeholders[i].name, name, size) == 0)
			return &placeholders[i];
	return NULL;
}

static void report_unknown(struct config_faults *faults, int line, const char *name, size_t size)
{
	CLEAN(buffer) struct buffer all = BUFFER_INIT;

	for (size_t i = 0; i < PLACEHOLDERS; i++)
		buffer_printf(&all, "%s{%s}", i ? ", " : "", placeholders[i].name);
	config_fault_add(faults, line, "prompt", "there is no {%.*s}; write one of %s", (int)size,
	    name, buffer_string(&all));
}

/* {word} in small letters; other braces are text. */
static void check_placeholders(const char *text, struct config_faults *faults)
{
	const char *line = strstr(text, "\n---\n");

	for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
		size_t size = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");
		const struct placeholder *found = find_placeholder(at + 1, size);

		if (size == 0 || at[1 + size] != '}')
			continue;
		if (!found)
			report_unknown(faults, line_of(text, at), at + 1, size);
		else if (line && at < line && !found->fixed)
			config_fault_add(faults, line_of(text, at), "prompt",
			    "{%s} differs from question to question; write it below the line ---",
			    found->name);
	}
}

static void check_needed(const char *text, const char *needed, struct config_faults *faults)
{
	while (*needed) {
		size_t size = strcspn(needed, " ");
		char wanted[32];

		snprintf(wanted, sizeof(wanted), "{%.*s}", (int)size, needed);
		if (!strstr(text, wanted))
			config_fault_add(
			    faults, 1, "prompt", "it has no %s; write where it stands", wanted);
		needed += size + (needed[size] == ' ');
	}
}

static bool check_text(struct bytes text, size_t max, struct config_faults *faults)
{
	size_t before = faults->count;

	if (text.size > max)
		config_fault_add(
		    faults, 1, "file", "it has %zu bytes; write at most %zu", text.size, max);
	else if (!bytes_are_utf8(text) || memchr(text.data, '\0', text.size))
		config_fault_add(
		    faults, 1, "file", "it is no text in UTF-8; write it again as one");
	return faults->count == before;
}

static void read_prompt(
    struct config *config, size_t index, const char *path, struct config_faults *faults)
{
	CLEAN(buffer) struct buffer content = BUFFER_INIT;
	struct config_prompt *prompt;
	int r = config_files_content(path, &content);

	if (r == -ENOENT)
		return;
	if (r != 0) {
		config_fault_add(faults, 1, "file",
		    "it cannot be read: %s; let this user read it, or remove it", strerror(-r));
		return;
	}
	buffer_string(&content);
	if (!check_text(bytes_of_buffer(&content), PROMPT_BYTES_MAX, faults))
		return;
	check_placeholders(content.data, faults);
	check_needed(content.data, prompts[index].needed, faults);
	prompt = must_zalloc(sizeof(*prompt));
	prompt->name = must_strdup(prompts[index].name);
	prompt->text = must_strdup(content.data);
	config_list_append(&config->prompt_texts, prompt);
}

static void read_prompts(struct config *config, const char *folder, struct config_faults *faults)
{
	const char *file = faults->file;
	CLEAN(buffer) struct buffer path = BUFFER_INIT;
	struct stat status;

	/* The default need not be there; what somebody wrote must. */
	buffer_printf(&path, "%s/prompts", strcmp(folder, "/") == 0 ? "" : folder);
	if (strcmp(config->prompts_dir, buffer_string(&path)) != 0 &&
	    (stat(config->prompts_dir, &status) != 0 || !S_ISDIR(status.st_mode))) {
		config_fault_add(faults, 1, "inference.prompts_dir",
		    "there is no folder %.200s; make it, or remove the key", config->prompts_dir);
		return;
	}
	for (size_t i = 0; i < PROMPTS; i++) {
		buffer_reset(&path);
		buffer_printf(&path, "%s/%s.txt", config->prompts_dir, prompts[i].name);
		faults->file = buffer_string(&path);
		read_prompt(config, i, faults->file, faults);
	}
	faults->file = file;
}

void config_files_version(const struct config *config, char ret_version[17])
{
	CLEAN(buffer) struct buffer all = BUFFER_INIT;

	for (size_t i = 0; i < config->prompt_texts.count; i++) {
		const struct config_prompt *prompt = config->prompt_texts.items[i];

		buffer_append(&all, prompt->name, strlen(prompt->name) + 1);
		buffer_append(&all, prompt->text, strlen(prompt->text) + 1);
	}
	snprintf(ret_version, 17, "%016llx", (unsigned long long)XXH3_64bits(all.data, all.size));
}

/* ---- examples ---- */

/* The text of one key of a pair; NULL with a fault. */
static const char *pair_text(
    const struct config_node *pair, const char *key, size_t max, struct config_faults *faults)
{
	for (size_t i = 0; i < pair->count; i++) {
		const struct config_node *node = pair->children[i];

		if (strcmp(node->key, key) != 0)
			continue;
		if (node->kind == CONFIG_NODE_SCALAR && *node->text && strlen(node->text) <= max)
			return node->text;
		config_fault_add(
		    faults, node->line, key, "it is no text of 1 to %zu bytes; write one", max);
		return NULL;
	}
	config_fault_add(
	    faults, pair->line, key, "it is missing; write `- {question: TEXT, sql: TEXT}`");
	return NULL;
}

static void read_pair(
    struct config_database *database, const struct config_node *node, struct config_faults *faults)
{
	struct config_example *example;
	const char *question, *sql;

	if (node->kind != CONFIG_NODE_MAP || node->count != 2) {
		config_fault_add(faults, node->line, "examples",
		    "it is no pair; write `- {question: TEXT, sql: TEXT}`");
		return;
	}
	question = pair_text(node, "question", LIMIT_EXAMPLE_QUESTION_BYTES, faults);
	sql = pair_text(node, "sql", LIMIT_SQL_BYTES, faults);
	if (!question || !sql)
		return;
	example = must_zalloc(sizeof(*example));
	example->question = must_strdup(question);
	example->sql = must_strdup(sql);
	config_list_append(&database->example_pairs, example);
}

static void read_pairs(
    struct config_database *database, const struct config_node *root, struct config_faults *faults)
{
	if (!root || root->is_null)
		return;
	if (root->kind != CONFIG_NODE_LIST || root->count > LIMIT_EXAMPLES) {
		config_fault_add(faults, root->line, "examples",
		    "it is no list of at most %d pairs; write `- {question: TEXT, sql: TEXT}` "
		    "lines",
		    LIMIT_EXAMPLES);
		return;
	}
	for (size_t i = 0; i < root->count; i++)
		read_pair(database, root->children[i], faults);
}

static void read_examples(struct config_database *database, struct config_faults *faults)
{
	CLEAN(buffer) struct buffer content = BUFFER_INIT;
	const char *file = faults->file;
	struct config_node *root;
	int r = config_files_content(database->examples, &content);

	faults->file = database->examples;
	if (r != 0)
		config_fault_add(faults, 1, "file",
		    "it cannot be read: %s; let this user read it, or remove the key examples of "
		    "database %s",
		    strerror(-r), database->name);
	else if (check_text(bytes_of_buffer(&content), FILE_BYTES_MAX, faults)) {
		root = config_yaml_read(bytes_of_buffer(&content), faults);
		read_pairs(database, root, faults);
		config_node_free(root);
	}
	faults->file = file;
}

void config_files_read(struct config *config, const char *folder, struct config_faults *faults)
{
	read_prompts(config, folder, faults);
	for (size_t i = 0; i < config->databases.count; i++) {
		struct config_database *database = config->databases.items[i];

		if (database->examples)
			read_examples(database, faults);
	}
}
