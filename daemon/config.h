/*
 * The configuration in memory: structs and key tables made from common/config_keys.def,
 * defaults, ownership and comparison. Reading files is config_read.h's; nothing here does I/O.
 * Only the supervisor holds one; the children get what they need by send_config.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Items are char * (words, names) or structs of the list's section; in the file's order. */
struct config_list {
	size_t count;
	void **items;
};

enum config_type {
	CONFIG_NAME,
	CONFIG_INSTANCE,
	CONFIG_TEXT,
	CONFIG_DSN,
	CONFIG_PATH,
	CONFIG_SOCKET,
	CONFIG_URL,
	CONFIG_MODE,
	CONFIG_COUNT,
	CONFIG_SIZE,
	CONFIG_DURATION,
	CONFIG_RATIO,
	CONFIG_BOOL,
	CONFIG_CHOICE,
	CONFIG_WORDS,
	CONFIG_NAMES,
	CONFIG_PATTERNS,
	CONFIG_PROVIDERS,
	CONFIG_DATABASES,
	CONFIG_PROMPTS, /* hidden keys' */
	CONFIG_EXAMPLES,
	CONFIG_TYPE_COUNT
};

/* How a type is held in memory. */
enum config_storage { CONFIG_STRING, CONFIG_INTEGER, CONFIG_NUMBER, CONFIG_FLAG, CONFIG_LIST };

#define CONFIG_C_NAME     char *
#define CONFIG_C_INSTANCE char *
#define CONFIG_C_TEXT     char *
#define CONFIG_C_DSN      char *
#define CONFIG_C_PATH     char *
#define CONFIG_C_SOCKET   char *
#define CONFIG_C_URL      char *
#define CONFIG_C_MODE     int64_t
#define CONFIG_C_COUNT    int64_t
#define CONFIG_C_SIZE     int64_t
#define CONFIG_C_DURATION int64_t
#define CONFIG_C_RATIO    double
/* A ratio that was written as auto, where the key allows that. */
#define CONFIG_RATIO_AUTO  (-1.0)
#define CONFIG_C_BOOL      bool
#define CONFIG_C_CHOICE    char *
#define CONFIG_C_WORDS     struct config_list
#define CONFIG_C_NAMES     struct config_list
#define CONFIG_C_PATTERNS  struct config_list
#define CONFIG_C_PROVIDERS struct config_list
#define CONFIG_C_DATABASES struct config_list

#define CONFIG_STRUCT_FIELD(field, path, type, ...) CONFIG_C_##type field;
struct config {
#define ROOT_KEY CONFIG_STRUCT_FIELD
#include "common/config_keys.def"
	struct config_list prompt_texts; /* of the files in prompts_dir that are there */
};
/* One file of prompts_dir, by its name in common/prompts.def. */
struct config_prompt {
	char *name, *text;
};
/* One pair of an examples file. */
struct config_example {
	char *question, *sql;
};
struct config_pattern {
#define PATTERN_KEY CONFIG_STRUCT_FIELD
#include "common/config_keys.def"
};
struct config_provider {
#define PROVIDER_KEY CONFIG_STRUCT_FIELD
#include "common/config_keys.def"
};
struct config_database {
#define DATABASE_KEY CONFIG_STRUCT_FIELD
#include "common/config_keys.def"
	struct config_list example_pairs; /* of the file `examples` */
};
#undef CONFIG_STRUCT_FIELD

enum config_apply {
	CONFIG_APPLY_LIVE,
	CONFIG_APPLY_POOL,
	CONFIG_APPLY_REPLACE,
	CONFIG_APPLY_RESTART
};

struct config_key {
	const char *path; /* within its section, as in "limits.rows" */
	enum config_type type;
	bool required;
	const char *default_text;
	int64_t min, max;
	const char *choices; /* as in "sql|chat" */
	enum config_apply apply;
	const char *help;
	size_t offset; /* in the section's struct */
	bool hidden; /* comes from another file: config_files.h */
};

/* The file itself, or one element of a list. */
struct config_section {
	size_t size;
	const struct config_key *keys;
	size_t key_count;
};

extern const struct config_section config_root_section;

enum config_storage config_storage(enum config_type type);
/* The section of a list's elements; NULL where they are strings. */
const struct config_section *config_element_section(enum config_type type);
/* True for lists whose elements are known by their key `name`. */
bool config_elements_have_names(enum config_type type);

/* A struct of the section with its defaults; required keys are absent. */
void *config_section_new(const struct config_section *section);
void config_section_free(const struct config_section *section, void *value);
struct config *config_new(void);
void config_free(struct config *config);
static inline void clean_config(struct config **config)
{
	config_free(*config);
}

/* Back to what the default says. */
void config_key_set_default(const struct config_key *key, void *section_value);
/* Absent; an empty list. */
void config_key_clear(const struct config_key *key, void *section_value);
void config_list_append(struct config_list *list, void *item);

/* NULL where there is none. */
struct config_database *config_find_database(const struct config *config, const char *name);

static inline void *config_key_field(const struct config_key *key, void *section_value)
{
	return (char *)section_value + key->offset;
}

/* One key that differs between two configurations. */
struct config_change {
	char *path; /* as in "cache.ttl.sql", "databases[shop].limits.rows" */
	const char *element; /* the name of the database or provider; NULL: of none */
	enum config_type list; /* of the list that the element is in */
	enum config_apply apply;
};
struct config_changes {
	size_t count;
	struct config_change *items;
};

/* Elements are matched by name; a list in another order has changed itself. `element` points
 * into either configuration. */
void config_compare(
    const struct config *before, const struct config *after, struct config_changes *ret_changes);
void config_changes_deinit(struct config_changes *changes);
/* Gives `after` the values of `before` in keys that only a restart applies; `before` is of use
 * only to be freed then. */
void config_keep_restart_keys(struct config *before, struct config *after);
