#include "daemon/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "daemon/config_value.h"

#define REQUIRED true
#define OPTIONAL false
#define CONFIG_KEY_ROW(                                                                        \
    owner, field, path, type, presence, default_text, min, max, choices, apply, help)          \
	{path, CONFIG_##type, presence, default_text, min, max, choices, CONFIG_APPLY_##apply, \
	    help, offsetof(struct owner, field), false},
/* What stands in files that a key names: compared, freed and reported like a key. */
#define HIDDEN_KEY(owner, field, path, type)                                    \
	{path, CONFIG_##type, false, NULL, 0, 0, NULL, CONFIG_APPLY_LIVE, NULL, \
	    offsetof(struct owner, field), true},

static const struct config_key root_keys[] = {
#define ROOT_KEY(...) CONFIG_KEY_ROW(config, __VA_ARGS__)
#include "common/config_keys.def"
    HIDDEN_KEY(config, prompt_texts, "inference.prompts_dir (its files)", PROMPTS)};
static const struct config_key pattern_keys[] = {
#define PATTERN_KEY(...) CONFIG_KEY_ROW(config_pattern, __VA_ARGS__)
#include "common/config_keys.def"
};
static const struct config_key provider_keys[] = {
#define PROVIDER_KEY(...) CONFIG_KEY_ROW(config_provider, __VA_ARGS__)
#include "common/config_keys.def"
};
static const struct config_key database_keys[] = {
#define DATABASE_KEY(...) CONFIG_KEY_ROW(config_database, __VA_ARGS__)
#include "common/config_keys.def"
    HIDDEN_KEY(config_database, example_pairs, "examples (the file)", EXAMPLES)};
static const struct config_key prompt_keys[] = {
    HIDDEN_KEY(config_prompt, name, "name", TEXT) HIDDEN_KEY(config_prompt, text, "text", TEXT)};
static const struct config_key example_keys[] = {HIDDEN_KEY(
    config_example, question, "question", TEXT) HIDDEN_KEY(config_example, sql, "sql", TEXT)};

#define SECTION(type, keys)                                          \
	{                                                            \
		sizeof(type), keys, sizeof(keys) / sizeof((keys)[0]) \
	}
const struct config_section config_root_section = SECTION(struct config, root_keys);
static const struct config_section pattern_section = SECTION(struct config_pattern, pattern_keys);
static const struct config_section provider_section =
    SECTION(struct config_provider, provider_keys);
static const struct config_section database_section =
    SECTION(struct config_database, database_keys);

static const struct config_section prompt_section = SECTION(struct config_prompt, prompt_keys);
static const struct config_section example_section = SECTION(struct config_example, example_keys);

static const struct {
	enum config_storage storage;
	const struct config_section *elements;
	bool have_names;
} types[CONFIG_TYPE_COUNT] = {
    [CONFIG_NAME] = {CONFIG_STRING, NULL, false},
    [CONFIG_INSTANCE] = {CONFIG_STRING, NULL, false},
    [CONFIG_TEXT] = {CONFIG_STRING, NULL, false},
    [CONFIG_DSN] = {CONFIG_STRING, NULL, false},
    [CONFIG_PATH] = {CONFIG_STRING, NULL, false},
    [CONFIG_SOCKET] = {CONFIG_STRING, NULL, false},
    [CONFIG_URL] = {CONFIG_STRING, NULL, false},
    [CONFIG_MODE] = {CONFIG_INTEGER, NULL, false},
    [CONFIG_COUNT] = {CONFIG_INTEGER, NULL, false},
    [CONFIG_SIZE] = {CONFIG_INTEGER, NULL, false},
    [CONFIG_DURATION] = {CONFIG_INTEGER, NULL, false},
    [CONFIG_RATIO] = {CONFIG_NUMBER, NULL, false},
    [CONFIG_BOOL] = {CONFIG_FLAG, NULL, false},
    [CONFIG_CHOICE] = {CONFIG_STRING, NULL, false},
    [CONFIG_WORDS] = {CONFIG_LIST, NULL, false},
    [CONFIG_NAMES] = {CONFIG_LIST, NULL, false},
    [CONFIG_PATTERNS] = {CONFIG_LIST, &pattern_section, false},
    [CONFIG_PROVIDERS] = {CONFIG_LIST, &provider_section, true},
    [CONFIG_DATABASES] = {CONFIG_LIST, &database_section, true},
    [CONFIG_PROMPTS] = {CONFIG_LIST, &prompt_section, false},
    [CONFIG_EXAMPLES] = {CONFIG_LIST, &example_section, false},
};

enum config_storage config_storage(enum config_type type)
{
	return types[type].storage;
}

const struct config_section *config_element_section(enum config_type type)
{
	return types[type].elements;
}

bool config_elements_have_names(enum config_type type)
{
	return types[type].have_names;
}

void config_list_append(struct config_list *list, void *item)
{
	list->items = must_realloc(list->items, (list->count + 1) * sizeof(list->items[0]));
	list->items[list->count++] = item;
}

static void clear_list(const struct config_key *key, struct config_list *list)
{
	const struct config_section *elements = config_element_section(key->type);

	for (size_t i = 0; i < list->count; i++) {
		if (elements)
			config_section_free(elements, list->items[i]);
		else
			free(list->items[i]);
	}
	free(list->items);
	*list = (struct config_list){0};
}

static void clear_field(const struct config_key *key, void *field)
{
	if (config_storage(key->type) == CONFIG_LIST) {
		clear_list(key, field);
	} else if (config_storage(key->type) == CONFIG_STRING) {
		free(*(char **)field);
		*(char **)field = NULL;
	}
}

void config_key_clear(const struct config_key *key, void *section_value)
{
	clear_field(key, config_key_field(key, section_value));
}

/* A list's default is one string, or one element with its own defaults. */
static void set_default_list(const struct config_key *key, struct config_list *list)
{
	const struct config_section *elements = config_element_section(key->type);

	config_list_append(
	    list, elements ? config_section_new(elements) : must_strdup(key->default_text));
}

void config_key_set_default(const struct config_key *key, void *section_value)
{
	void *field = config_key_field(key, section_value);
	char fault[CONFIG_FAULT_SIZE];

	config_key_clear(key, section_value);
	if (!key->default_text)
		return;
	if (config_storage(key->type) == CONFIG_LIST)
		set_default_list(key, field);
	else if (config_value_parse(key, key->default_text, field, fault) != 0)
		abort(); /* the table is wrong */
}

void *config_section_new(const struct config_section *section)
{
	void *value = must_zalloc(section->size);

	for (size_t i = 0; i < section->key_count; i++)
		config_key_set_default(&section->keys[i], value);
	return value;
}

void config_section_free(const struct config_section *section, void *value)
{
	if (!value)
		return;
	for (size_t i = 0; i < section->key_count; i++)
		clear_field(&section->keys[i], config_key_field(&section->keys[i], value));
	free(value);
}

struct config *config_new(void)
{
	return config_section_new(&config_root_section);
}

void config_free(struct config *config)
{
	config_section_free(&config_root_section, config);
}

struct config_database *config_find_database(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->databases.count; i++) {
		struct config_database *database = config->databases.items[i];

		if (strcmp(database->name, name) == 0)
			return database;
	}
	return NULL;
}
