#include "daemon/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/allow.h"
#include "common/bytes.h"

enum { SOCKET_PATH_BYTES_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

struct check {
	struct config *config;
	const char *folder;
	const struct config_node *root;
	struct config_faults *faults;
};

#define CHECK_FAULT(check, path, ...) \
	config_fault_add((check)->faults, config_node_line((check)->root, path), path, __VA_ARGS__)

static void make_absolute(const char *folder, char **path)
{
	struct buffer absolute = BUFFER_INIT;

	if (!*path || **path == '/')
		return;
	buffer_printf(&absolute, "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", *path);
	buffer_string(&absolute);
	free(*path);
	*path = absolute.data;
}

static void make_paths_absolute(
    const struct config_section *section, void *value, const char *folder)
{
	for (size_t i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];
		const struct config_section *elements = config_element_section(key->type);
		void *field = config_key_field(key, value);
		const struct config_list *list = field;

		if (key->type == CONFIG_PATH || key->type == CONFIG_SOCKET)
			make_absolute(folder, field);
		for (size_t k = 0; elements && k < list->count; k++)
			make_paths_absolute(elements, list->items[k], folder);
	}
}

static void complete_socket(struct check *check, char **socket, const char *name, const char *key)
{
	if (!*socket) {
		*socket = must_strdup(name);
		make_absolute(check->config->runtime_dir, socket);
		if (strlen(*socket) > SOCKET_PATH_BYTES_MAX)
			CHECK_FAULT(check, "runtime_dir",
			    "the socket %.160s in it would have a path of more than %d bytes; "
			    "write a shorter one",
			    name, SOCKET_PATH_BYTES_MAX);
	} else if (strlen(*socket) > SOCKET_PATH_BYTES_MAX) {
		CHECK_FAULT(check, key,
		    "its whole path is longer than %d bytes; write a shorter one",
		    SOCKET_PATH_BYTES_MAX);
	}
}

static void check_sockets(struct check *check)
{
	struct config *config = check->config;

	complete_socket(check, &config->socket, "optimax.sock", "listen.socket");
	complete_socket(check, &config->control_socket, "control.sock", "listen.control_socket");
	if (strcmp(config->socket, config->control_socket) == 0)
		CHECK_FAULT(check, "listen.control_socket",
		    "it is the application socket too; write another path");
}

static void check_cache(struct check *check)
{
	/* A shard is at least eight times max_value, and the segment more than one shard. */
	if (check->config->max_value > check->config->cache_size / 16)
		CHECK_FAULT(check, "cache.max_value",
		    "it is more than a sixteenth of cache.size; write %lldKiB or less, or a larger "
		    "cache.size",
		    (long long)(check->config->cache_size / 16 / 1024));
}

/* A name is the first key of the elements that have one; NULL after a fault in it. */
static void check_names(struct check *check, const struct config_list *list, const char *path)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *name = *(char **)list->items[i];
		char at[64];

		snprintf(at, sizeof(at), "%s[%zu].name", path, i);
		for (size_t k = 0; k < i && name; k++) {
			const char *other = *(char **)list->items[k];

			if (!other || strcmp(name, other) != 0)
				continue;
			CHECK_FAULT(check, at,
			    "\"%s\" is the name of element %zu too; write another name", name, k);
			break;
		}
	}
}

static void check_schemas(struct check *check, size_t index, const struct config_list *schemas)
{
	for (size_t i = 0; i < schemas->count; i++) {
		for (size_t k = 0; k < i; k++) {
			char at[64];

			if (strcmp(schemas->items[i], schemas->items[k]) != 0)
				continue;
			snprintf(at, sizeof(at), "databases[%zu].schemas[%zu]", index, i);
			CHECK_FAULT(check, at, "\"%s\" is listed twice; keep one of them",
			    (char *)schemas->items[i]);
		}
	}
}

static void check_allow(struct check *check, size_t index, const struct config_list *entries,
    const char *key, bool with_extensions)
{
	struct allow_entry entry;
	char at[64];

	for (size_t i = 0; i < entries->count; i++) {
		const char *text = entries->items[i];

		if (allow_parse(text, &entry) == 0 && (with_extensions || !entry.extension.data))
			continue;
		snprintf(at, sizeof(at), "databases[%zu].allow.%s[%zu]", index, key, i);
		CHECK_FAULT(check, at,
		    "\"%.100s\" is no entry; write schema.name or schema.*%s, with - before it to "
		    "take it away",
		    text, with_extensions ? " or extension:name" : "");
	}
}

static void check_provider(struct check *check, size_t index, struct config_provider *provider)
{
	bool builtin = strcmp(provider->type, "builtin") == 0;
	const struct {
		const char *key, *value;
		bool needed;
	} keys[] = {
	    {"url", provider->url, true},
	    {"model", provider->model, true},
	    {"models.route", provider->model_route, false},
	    {"models.sql", provider->model_sql, false},
	    {"models.chat", provider->model_chat, false},
	    {"models.hard", provider->model_hard, false},
	    {"api_key_file", provider->api_key_file, false},
	    {"ca_file", provider->ca_file, false},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char at[64];

		snprintf(at, sizeof(at), "inference.providers[%zu].%s", index, keys[i].key);
		if (builtin && keys[i].value)
			CHECK_FAULT(check, at,
			    "the builtin provider has none; remove it, or write type: ollama or "
			    "openai");
		else if (!builtin && keys[i].needed && !keys[i].value)
			CHECK_FAULT(check, at, "it is missing; a provider of type %s needs it",
			    provider->type);
	}
}

/* [SCHEMA.]TABLE.COLUMN, each with something in it. */
static bool is_column_name(const char *text)
{
	size_t dots = 0;

	for (const char *at = text; *at; at++) {
		if (*at != '.')
			continue;
		dots++;
		if (at == text || at[1] == '.' || at[1] == '\0')
			return false;
	}
	return dots == 1 || dots == 2;
}

static void check_private(struct check *check, size_t index, const struct config_list *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		char at[64];

		if (is_column_name(columns->items[i]))
			continue;
		snprintf(at, sizeof(at), "databases[%zu].private[%zu]", index, i);
		CHECK_FAULT(check, at,
		    "\"%.80s\" is no column; write table.column or "
		    "schema.table.column",
		    (char *)columns->items[i]);
	}
}

void config_check(struct config *config, const char *folder, const struct config_node *root,
    struct config_faults *faults)
{
	struct check check = {config, folder, root, faults};

	make_paths_absolute(&config_root_section, config, folder);
	check_sockets(&check);
	check_cache(&check);
	check_names(&check, &config->databases, "databases");
	check_names(&check, &config->providers, "inference.providers");
	for (size_t i = 0; i < config->providers.count; i++)
		check_provider(&check, i, config->providers.items[i]);
	for (size_t i = 0; i < config->databases.count; i++) {
		struct config_database *database = config->databases.items[i];

		check_schemas(&check, i, &database->schemas);
		check_private(&check, i, &database->private_columns);
		check_allow(&check, i, &database->allow_functions, "functions", true);
		check_allow(&check, i, &database->allow_tables, "tables", false);
		check_allow(&check, i, &database->allow_views, "views", false);
	}
}
