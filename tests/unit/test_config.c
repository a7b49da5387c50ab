/* Configuration files, good and bad: what is read, and what each fault says and where. */
#include "tests/unit/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "daemon/config.h"

/* One bad file: the faults' line and what stands behind it. */
struct bad_case {
	const char *name, *text;
	int line;
	const char *fault; /* what the first line says, from its key on: how it starts */
	const char *advice; /* and what stands in it */
};

#define SHOP  "databases: [{name: shop, dsn: host=x"
#define LOCAL "inference: {providers: [{name: m, type: ollama, url: 'http://h:1', model: x"

static const struct bad_case bad_cases[] = {
    {"unknown key", "instanc: a\n", 1, "instanc: there is no such key", "write instance"},
    {"unknown nested key", "listen:\n  sockt: /a\n", 2, "listen.sockt: there is no",
        "write socket"},
    {"key on the wrong level", "\nmax_clients: 1\n", 2, "max_clients: there",
        "its place is listen.max_clients"},
    {"key like no other", "zzzzzzzzzz: 1\n", 1, "zzzzzzzzzz: there",
        "write one of instance, runtime_dir"},
    {"dotted key", "listen.socket: /a\n", 1, "listen.socket: there is no such key", "write"},
    {"empty key", "'': 1\n", 1, ": there is no such key", "write"},
    {"key of a later issue", SHOP ", samples: false}]\n", 1,
        "databases[0].samples: there is no such key", "write"},
    {"duplicate key", "instance: a\n\ninstance: b\n", 3, "instance: it stands in line 1 already",
        "keep one"},
    {"duplicate section", "cache: {size: 16MiB}\ncache: {size: 16MiB}\n", 2, "cache: it stands",
        "keep one"},
    {"anchor", "instance: &a main\n", 1, "yaml: anchors are not read", "remove &a"},
    {"alias", "instance: *a\n", 1, "yaml: aliases are not read", "*a out"},
    {"merge key", "<<: {instance: a}\n", 1, "<<: merge keys are not read", "write the keys out"},
    {"tag", "instance: !!str a\n", 1, "yaml: tags are not read", "remove"},
    {"second document", "instance: a\n---\ninstance: b\n", 2, "yaml: a second document",
        "without ---"},
    {"tab", "listen:\n\tsocket: /a\n", 2, "yaml: the line is indented by a tab", "write spaces"},
    {"bad UTF-8", "instance: a\nstate_dir: /\xff\n", 2, "yaml: the line is not UTF-8",
        "save the file"},
    {"unclosed bracket", "databases: [\n", 2, "yaml: this is no YAML", "indented by spaces"},
    {"key that is a map", "{a: b}: c\n", 1, "yaml: a key must be one word", "key: value"},
    {"control character", "instance: \"a\\tb\"\n", 1, "instance: it has a control character",
        "one line"},
    {"NUL in a value", "instance: \"a\\0b\"\n", 1, "yaml: a value has a NUL", "remove"},
    {"too deep", "a: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", 1, "yaml: there is more here", "remove"},
    {"root is a list", "- a\n", 1, "file: it is no map", "key: value"},
    {"root is a word", "hello\n", 1, "file: it is no map", "key: value"},
    {"section is a word", "listen: yes\n", 1, "listen: it is no map", "indented"},
    {"value is a map", "instance: {a: b}\n", 1, "instance: it is a map", "one value"},
    {"value is a list", "cache: {size: [1]}\n", 1, "cache.size: it is a list", "one value"},
    {"list is a word", "databases: shop\n", 1, "databases: it is no list", "`- `"},
    {"element is a word", "databases: [shop]\n", 1, "databases[0]: it is no map", "- {key"},
    {"instance in capitals", "instance: Main\n", 1, "instance: \"Main\" is no instance name",
        "small letters"},
    {"instance too long", "instance: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 1,
        "instance: it is 33 bytes long", "at most 32"},
    {"empty instance", "instance: ''\n", 1, "instance: it is empty", "null"},
    {"instance with a slash", "instance: a/b\n", 1, "instance: \"a/b\" is no", "letters"},
    {"size without a unit", "cache: {size: 67108864}\n", 1, "cache.size: \"67108864\" is no size",
        "B, KiB, MiB or GiB"},
    {"size in MB", "cache: {size: 64MB}\n", 1, "cache.size: \"64MB\" is no size", "MiB"},
    {"size with a space", "cache: {size: 64 MiB}\n", 1, "cache.size: \"64 MiB\" is no",
        "16MiB to 64GiB"},
    {"size too small", "cache: {size: 15MiB}\n", 1, "cache.size: 15MiB is out of range",
        "16MiB to 64GiB"},
    {"size too large", "cache: {size: 65GiB}\n", 1, "cache.size: 65GiB is out of range", "64GiB"},
    {"size overflows", "cache: {size: 99999999999999999999GiB}\n", 1, "cache.size:", "write"},
    {"max_value against size", "cache:\n  size: 16MiB\n  max_value: 2MiB\n", 3,
        "cache.max_value: it is more than a sixteenth", "1024KiB"},
    {"duration without a unit", "cache: {ttl: {sql: 30}}\n", 1,
        "cache.ttl.sql: \"30\" is no duration", "ms, s, m, h or d"},
    {"negative duration", "cache: {ttl: {sql: -1s}}\n", 1, "cache.ttl.sql: \"-1s\" is no",
        "0s to 365d"},
    {"fraction of a duration", "cache: {ttl: {sql: 1.5h}}\n", 1, "cache.ttl.sql: \"1.5h\" is no",
        "whole number"},
    {"duration too long", "cache: {ttl: {sql: 366d}}\n", 1, "cache.ttl.sql: 366d is out of",
        "365d"},
    {"count with a unit", "listen: {max_clients: 10k}\n", 1,
        "listen.max_clients: \"10k\" is no number", "1 to 100000"},
    {"count zero", "inference: {workers: 0}\n", 1, "inference.workers: 0 is out of range",
        "1 to 16"},
    {"count too large", SHOP ", workers: 65}]\n", 1, "databases[0].workers: 65 is out of",
        "1 to 64"},
    {"mode of two digits", "listen: {socket_mode: '66'}\n", 1,
        "listen.socket_mode: \"66\" is no mode", "octal"},
    {"mode with an eight", "listen: {control_mode: 0680}\n", 1, "listen.control_mode: \"0680\"",
        "octal"},
    {"mode with setuid", "listen: {control_mode: 4600}\n", 1, "listen.control_mode: \"4600\"",
        "octal"},
    {"weight auto", "routing: {patterns: [{route: sql, regex: a, weight: auto}]}\n", 1,
        "routing.patterns[0].weight: \"auto\" is no number", "0 to 100"},
    {"confidence above 1", "routing: {min_confidence: 1.5}\n", 1,
        "routing.min_confidence: 1.5 is out of", "0 to 1"},
    {"confidence nan", "routing: {min_confidence: nan}\n", 1,
        "routing.min_confidence: \"nan\" is no number", "0.5"},
    {"confidence hex", "routing: {min_confidence: 0x1}\n", 1,
        "routing.min_confidence: \"0x1\" is no", "0.5"},
    {"no such choice", "routing: {when_unsure: ask}\n", 1, "routing.when_unsure: \"ask\" is none",
        "model, sql, chat, refuse"},
    {"part of a choice", "log: {level: inf}\n", 1, "log.level: \"inf\" is none", "info"},
    {"two choices", "log: {level: 'info|debug'}\n", 1, "log.level: \"info|debug\" is none",
        "write one of"},
    {"keyword is a list", "routing: {keywords: {sql: [[a]]}}\n", 1,
        "routing.keywords.sql[0]: it is no text", "word"},
    {"keyword is null", "routing: {keywords: {sql: [~]}}\n", 1,
        "routing.keywords.sql[0]: it is no text", "word"},
    {"keyword is empty", "routing: {keywords: {chat: ['']}}\n", 1,
        "routing.keywords.chat[0]: it is empty", "text"},
    {"pattern without a regex", "routing:\n  patterns:\n    - {route: sql}\n", 3,
        "routing.patterns[0].regex: it is missing", "PCRE2"},
    {"pattern for no route", "routing: {patterns: [{route: model, regex: a}]}\n", 1,
        "routing.patterns[0].route: \"model\" is none", "sql, chat"},
    {"weight too large", "routing: {patterns: [{route: sql, regex: a, weight: 101}]}\n", 1,
        "routing.patterns[0].weight: 101 is out of", "0 to 100"},
    {"relative socket too long",
        "runtime_dir: /"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaa\n",
        1, "runtime_dir: the socket optimax.sock in it", "107 bytes"},
    {"socket too long",
        "listen: {socket: /"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaa}\n",
        1, "listen.socket: it is 109 bytes long", "at most 107"},
    {"one path for both sockets", "listen:\n  socket: /a\n  control_socket: /a\n", 3,
        "listen.control_socket: it is the application socket too", "another path"},
    {"database without a name", "databases:\n  - {dsn: host=x}\n", 2,
        "databases[0].name: it is missing", "the name"},
    {"database without a dsn", "databases:\n  - name: a\n", 2, "databases[0].dsn: it is missing",
        "connection string"},
    {"dsn is null", "databases: [{name: a, dsn: null}]\n", 1, "databases[0].dsn: it is missing",
        "connection string"},
    {"database name", "databases: [{name: a b, dsn: x}]\n", 1,
        "databases[0].name: \"a b\" is no name", "letters"},
    {"databases of one name", "databases:\n  - {name: a, dsn: x}\n  - name: a\n    dsn: y\n", 3,
        "databases[1].name: \"a\" is the name of element 0 too", "another name"},
    {"a function without its schema", SHOP ", allow: {functions: [public.f, lower]}}]\n", 1,
        "databases[0].allow.functions[1]: \"lower\" is no entry", "write schema.name or schema.*"},
    {"an extension among tables", SHOP ", allow: {tables: ['extension:postgis']}}]\n", 1,
        "databases[0].allow.tables[0]", "write schema.name or schema.*, with - before"},
    {"a name without an end", SHOP ", allow: {views: ['-public.']}}]\n", 1,
        "databases[0].allow.views[0]", "to take it away"},
    {"schema listed twice", SHOP ", schemas: [a, b, a]}]\n", 1,
        "databases[0].schemas[2]: \"a\" is listed twice", "keep one"},
    {"no schema", SHOP ", schemas: []}]\n", 1, "databases[0].schemas: it has 0 elements",
        "1 to 64"},
    {"limit", SHOP ", limits: {rows: -1}}]\n", 1, "databases[0].limits.rows: \"-1\" is no number",
        "1 to 1000000"},
    {"time above ten minutes", SHOP ", limits: {time: 11m}}]\n", 1,
        "databases[0].limits.time: 11m is out of range", "10m"},
    {"provider type", "inference: {providers: [{name: a, type: gpt}]}\n", 1,
        "inference.providers[0].type: \"gpt\" is none", "builtin, ollama, openai"},
    {"ollama without a url", "inference: {providers: [{name: a, type: ollama, model: x}]}\n", 1,
        "inference.providers[0].url: it is missing", "ollama"},
    {"openai without a model",
        "inference: {providers: [{name: a, type: openai, url: 'http://h'}]}\n", 1,
        "inference.providers[0].model: it is missing", "openai"},
    {"builtin with a url", "inference: {providers: [{name: a, url: 'http://h'}]}\n", 1,
        "inference.providers[0].url: the builtin provider has none", "remove it"},
    {"url scheme", "inference: {providers: [{name: a, type: ollama, url: 'ftp://h', model: x}]}\n",
        1, "inference.providers[0].url: \"ftp://h\" is no address", "unix:/PATH"},
    {"url without a host",
        "inference: {providers: [{name: a, type: ollama, url: 'http://', model: x}]}\n", 1,
        "inference.providers[0].url: \"http://\" is no", "HOST"},
    {"relative unix url",
        "inference: {providers: [{name: a, type: ollama, url: 'unix:a', model: x}]}\n", 1,
        "inference.providers[0].url: \"unix:a\" is no", "unix:/PATH"},
    {"providers of one name", "inference:\n  providers:\n    - {}\n    - {type: builtin}\n", 4,
        "inference.providers[1].name: \"rules\" is the name", "another"},
    {"no such model job", LOCAL ", models: {sqll: y}}]}\n", 1,
        "inference.providers[0].models.sqll: there is no such key", "write sql"},
    {"queue of zero", LOCAL ", queue: 0}]}\n", 1, "inference.providers[0].queue: 0 is out of",
        "1 to"},
};

static void bad_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		const struct bad_case *row = &bad_cases[i];
		struct config_faults faults;
		struct config *config = config_from_text(row->text, strlen(row->text), &faults);
		char where[32];
		const char *rest;

		if (config || faults.count == 0)
			fail_msg("%s: it was accepted", row->name);
		snprintf(where, sizeof(where), ":%d: ", row->line);
		rest = strstr(faults.items[0].text, where);
		if (!rest || strncmp(rest + strlen(where), row->fault, strlen(row->fault)) != 0 ||
		    !strstr(rest, row->advice) || !strchr(rest, ';') || strchr(rest, '\n'))
			fail_msg("%s: %s", row->name, faults.items[0].text);
		config_fault_deinit(&faults);
	}
}

static const struct {
	const char *name, *text;
} good_cases[] = {
    {"empty file", ""},
    {"comments only", "# nothing\n"},
    {"empty sections", "listen:\ncache:\n  ttl:\nrouting: ~\ndatabases: null\ninference:\n"},
    {"a document's start", "---\ninstance: a\n"},
    {"a byte order mark", "\xef\xbb\xbfinstance: a\n"},
    {"modes, with quotes and without", "listen: {socket_mode: 0666, control_mode: '600'}\n"},
    {"no databases", "databases: []\n"},
    {"no provider", "inference: {providers: []}\n"},
    {"units", "cache: {size: 16777216B, max_value: 64KiB, ttl: {sql: 0s, llm: 1d, chat: 5ms}}\n"},
    {"the largest values", "instance: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\ncache: {size: 64GiB}\n"},
    {"text that looks like null", "listen: {socket_group: 'null'}\n"},
    {"a provider by its defaults", "inference: {providers: [{}]}\n"},
    {"providers",
        "inference:\n  providers:\n    - {name: a, type: builtin}\n"
        "    - {name: b, type: ollama, url: 'https://h:1/v1', model: m, models: {hard: n}}\n"
        "    - {name: c, type: openai, url: unix:/run/m.sock, model: m, api_key_file: key}\n"},
    {"a database",
        "databases:\n  - name: shop\n    dsn: host=/run/postgresql dbname=shop\n    workers: 64\n"
        "    schemas: [public, \"Größe\"]\n    limits: {rows: 1, bytes: 1KiB, time: 1ms, "
        "plan_cost: 1}\n    trust_role: true\n"
        "    routing: {keywords: {sql: [Umsatz]}, patterns: [{route: chat, regex: '^hi\\b', "
        "weight: 0.5}]}\n"},
};

static void good_files_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_cases) / sizeof(good_cases[0]); i++) {
		struct config *config = config_must_read(good_cases[i].text);

		if (!config)
			fail_msg("%s: it was refused", good_cases[i].name);
		config_free(config);
	}
}

static void values_are_what_is_written(void **state)
{
	CLEAN(config)
	struct config *config = config_must_read(
	    "instance: two\nruntime_dir: run\nlisten: {socket_mode: '0666', max_clients: 7}\n"
	    "cache: {size: 32MiB, ttl: {route: 3m}}\nrouting: {min_confidence: 0.5}\n"
	    "inference: {providers: [{name: b, type: ollama, url: 'http://h', model: m, "
	    "models: {sql: s}, api_key_file: keys/k}]}\n"
	    "databases: [{name: d, dsn: 'host=a', schemas: [x, y], limits: {bytes: 2MiB}, "
	    "allow: {functions: [pg_catalog.->>, -x.f, extension:a-b], tables: [x.*]}}]\n");
	const struct config_provider *provider;
	const struct config_database *database;

	(void)state;
	assert_non_null(config);
	assert_string_equal(config->instance, "two");
	assert_string_equal(config->runtime_dir, "/tmp/run");
	assert_string_equal(config->socket, "/tmp/run/optimax.sock");
	assert_string_equal(config->control_socket, "/tmp/run/control.sock");
	assert_int_equal(config->socket_mode, 0666);
	assert_int_equal(config->control_mode, 0600);
	assert_int_equal(config->max_clients, 7);
	assert_int_equal(config->cache_size, 32 << 20);
	assert_int_equal(config->ttl_route_ms, 180000);
	assert_true(config->min_confidence == 0.5);
	assert_int_equal(config->providers.count, 1);
	provider = config->providers.items[0];
	assert_string_equal(provider->model_sql, "s");
	assert_null(provider->model_hard);
	assert_string_equal(provider->api_key_file, "/tmp/keys/k");
	database = config->databases.items[0];
	assert_int_equal(database->schemas.count, 2);
	assert_string_equal(database->schemas.items[1], "y");
	assert_int_equal(database->limit_bytes, 2 << 20);
	assert_int_equal(database->limit_time_ms, 10000);
	assert_int_equal(database->allow_functions.count, 3);
	assert_string_equal(database->allow_functions.items[1], "-x.f");
	assert_string_equal(database->allow_tables.items[0], "x.*");
	assert_int_equal(database->allow_views.count, 0);
	assert_int_equal(database->queue, 256);
}

static void all_faults_are_told_in_order(void **state)
{
	const char *text = "cache: {size: 1MB}\ninstance: A\nlog: {level: x}\nlisten: {socket: "
	                   "/a, control_socket: /a}\n";
	struct config_faults faults;

	(void)state;
	assert_null(config_from_text(text, strlen(text), &faults));
	assert_int_equal(faults.count, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(faults.items[i].line, i + 1);
	config_fault_deinit(&faults);
}

static void a_dsn_is_never_quoted(void **state)
{
	const char *text = "databases: [{name: a, dsn: \"password=geheim\\n\"}]\n";
	struct config_faults faults;

	(void)state;
	assert_null(config_from_text(text, strlen(text), &faults));
	assert_int_equal(faults.count, 1);
	assert_null(strstr(faults.items[0].text, "geheim"));
	config_fault_deinit(&faults);
}

static void many_faults_are_bounded(void **state)
{
	struct buffer text = BUFFER_INIT;
	struct config_faults faults;

	(void)state;
	for (int i = 0; i < CONFIG_FAULTS_MAX + 20; i++)
		buffer_printf(&text, "zz%d: 1\n", i);
	assert_null(config_from_text(text.data, text.size, &faults));
	assert_int_equal(faults.count, CONFIG_FAULTS_MAX + 20);
	assert_int_equal(config_fault_lines(&faults), CONFIG_FAULTS_MAX);
	config_fault_deinit(&faults);
	buffer_deinit(&text);
}

static void files_that_cannot_be_read(void **state)
{
	static const char *const paths[] = {"/nowhere/optimax.yaml", "/tmp"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct config_faults faults;

		assert_null(config_read_file(paths[i], &faults));
		assert_non_null(strstr(faults.items[0].text, ":1: file: it cannot be read"));
		config_fault_deinit(&faults);
	}
}

/* Prose has one space behind the #; a key has none, or its indentation. */
static bool is_commented_key(const char *line)
{
	return line[0] == '#' && !(line[1] == ' ' && line[2] != ' ');
}

/* The sample file with its keys no longer commented. */
static struct config *read_sample(bool uncommented, struct config_faults *faults)
{
	const char *folder = getenv("top_srcdir");
	struct buffer path = BUFFER_INIT, text = BUFFER_INIT;
	struct config *config;
	char line[512];
	FILE *file;

	buffer_printf(&path, "%s/etc/optimax.yaml", folder ? folder : ".");
	file = fopen(buffer_string(&path), "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		/* What comes behind these words is an example, not a default. */
		if (strstr(line, "would be one more") || strstr(line, "would look like"))
			while (fgets(line, sizeof(line), file) && line[0] == '#')
				;
		buffer_append_string(&text, line + (uncommented && is_commented_key(line)));
	}
	fclose(file);
	config = config_from_text(text.data, text.size, faults);
	buffer_deinit(&path);
	buffer_deinit(&text);
	return config;
}

static void the_sample_file_holds_the_defaults(void **state)
{
	CLEAN(config) struct config *defaults = config_must_read("");

	(void)state;
	for (int uncommented = 0; uncommented < 2; uncommented++) {
		struct config_faults faults;
		CLEAN(config) struct config *config = read_sample(uncommented, &faults);
		struct config_changes changes;

		if (!config)
			fail_msg("%s", faults.items[0].text);
		config_compare(defaults, config, &changes);
		if (changes.count > 0)
			fail_msg("%s is not the default", changes.items[0].path);
		config_changes_deinit(&changes);
	}
}

static void assert_keys_stand_in(const struct config_section *section, const char *text)
{
	for (size_t i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];
		const char *dot = strrchr(key->path, '.');
		const char *name = dot ? dot + 1 : key->path;

		if (key->hidden)
			continue;
		if (!strstr(text, name))
			fail_msg("%s does not stand there", key->path);
		if (config_element_section(key->type))
			assert_keys_stand_in(config_element_section(key->type), text);
	}
}

static void every_key_is_documented(void **state)
{
	static const char *const files[] = {"etc/optimax.yaml", "doc/optimax.yaml.5"};
	const char *folder = getenv("top_srcdir");

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct buffer path = BUFFER_INIT, text = BUFFER_INIT;
		char line[512];
		FILE *file;

		buffer_printf(&path, "%s/%s", folder ? folder : ".", files[i]);
		file = fopen(buffer_string(&path), "re");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file))
			buffer_append_string(&text, line);
		fclose(file);
		assert_keys_stand_in(&config_root_section, buffer_string(&text));
		buffer_deinit(&path);
		buffer_deinit(&text);
	}
}

/* No file, however mangled, may do more than be refused. */
static void damaged_files_do_no_harm(void **state)
{
	static const char text[] =
	    "databases:\n  - name: shop\n    dsn: 'host=x'\n    limits: {rows: 5}\n"
	    "routing: {patterns: [{route: sql, regex: \"a\"}]}\ncache: {size: 64MiB}\n";
	static const char bytes[] = "{}[]:,&*!|>'\"%#-?\t\n\\ \xff~";

	(void)state;
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		for (size_t k = 0; k < sizeof(bytes) - 1; k += 3) {
			char damaged[sizeof(text)];
			struct config_faults faults;

			memcpy(damaged, text, sizeof(text));
			damaged[at] = bytes[(at + k) % (sizeof(bytes) - 1)];
			config_free(config_from_text(damaged, sizeof(text) - 1, &faults));
			config_fault_deinit(&faults);
		}
		struct config_faults faults;

		config_free(config_from_text(text, at, &faults));
		config_fault_deinit(&faults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bad_files_are_refused),
	    cmocka_unit_test(good_files_are_read),
	    cmocka_unit_test(values_are_what_is_written),
	    cmocka_unit_test(all_faults_are_told_in_order),
	    cmocka_unit_test(a_dsn_is_never_quoted),
	    cmocka_unit_test(many_faults_are_bounded),
	    cmocka_unit_test(files_that_cannot_be_read),
	    cmocka_unit_test(the_sample_file_holds_the_defaults),
	    cmocka_unit_test(every_key_is_documented),
	    cmocka_unit_test(damaged_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
