/* What a reload finds changed, and what it takes to apply it. */
#include "tests/unit/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "daemon/config.h"

#define A "{name: a, dsn: x}"
#define B "{name: b, dsn: x}"
#define C "{name: c, dsn: x}"

static const struct {
	const char *name, *before, *after;
	const char *changes; /* paths and how each is applied, in order */
} cases[] = {
    {"nothing", "cache: {size: 64MiB}", "", ""},
    {"one key", "", "cache: {ttl: {sql: 1m}}", "cache.ttl.sql live "},
    {"restart keys", "", "instance: x\ncache: {size: 32MiB}\nlisten: {socket: /a}",
        "instance restart listen.socket restart cache.size restart "},
    {"runtime_dir moves sockets", "", "runtime_dir: /x",
        "runtime_dir restart listen.socket restart listen.control_socket restart "},
    {"number", "", "routing: {min_confidence: 0.8}", "routing.min_confidence live "},
    {"list of words", "routing: {keywords: {sql: [a]}}", "routing: {keywords: {sql: [b]}}",
        "routing.keywords.sql live "},
    {"patterns", "", "routing: {patterns: [{route: sql, regex: a}]}", "routing.patterns live "},
    {"inference workers", "", "inference: {workers: 2}", "inference.workers pool "},
    {"database added", "databases: [" A "]", "databases: [" A "," B "]", "databases[b] pool "},
    {"database removed", "databases: [" A "," B "]", "databases: [" B "]", "databases[a] pool "},
    {"database added in front", "databases: [" A "]", "databases: [" B "," A "]",
        "databases[b] pool "},
    {"order", "databases: [" A "," B "]", "databases: [" B "," A "]", "databases pool "},
    {"order and one removed", "databases: [" A "," B "," C "]", "databases: [" C "," A "]",
        "databases[b] pool databases pool "},
    {"dsn", "databases: [" A "]", "databases: [{name: a, dsn: y}]", "databases[a].dsn replace "},
    {"schemas", "databases: [" A "]", "databases: [{name: a, dsn: x, schemas: [s]}]",
        "databases[a].schemas replace "},
    {"workers and limits", "databases: [" A "]",
        "databases: [{name: a, dsn: x, workers: 3, limits: {rows: 9}}]",
        "databases[a].workers pool databases[a].limits.rows live "},
    {"provider", "", "inference: {providers: [{timeout: 1s}]}",
        "inference.providers[rules].timeout live "},
};

static void append_changes(struct buffer *text, const struct config_changes *changes)
{
	static const char *const applies[] = {[CONFIG_APPLY_LIVE] = "live",
	    [CONFIG_APPLY_POOL] = "pool",
	    [CONFIG_APPLY_REPLACE] = "replace",
	    [CONFIG_APPLY_RESTART] = "restart"};

	for (size_t i = 0; i < changes->count; i++)
		buffer_printf(
		    text, "%s %s ", changes->items[i].path, applies[changes->items[i].apply]);
}

static void changes_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEAN(config) struct config *before = config_must_read(cases[i].before);
		CLEAN(config) struct config *after = config_must_read(cases[i].after);
		CLEAN(buffer) struct buffer text = BUFFER_INIT;
		struct config_changes changes;

		assert_non_null(before);
		assert_non_null(after);
		config_compare(before, after, &changes);
		append_changes(&text, &changes);
		if (strcmp(buffer_string(&text), cases[i].changes) != 0)
			fail_msg("%s: %s", cases[i].name, buffer_string(&text));
		config_changes_deinit(&changes);
	}
}

static void keys_that_need_a_restart_stay(void **state)
{
	CLEAN(config) struct config *before = config_must_read("instance: a");
	CLEAN(config)
	struct config *after = config_must_read(
	    "instance: b\ncache: {size: 32MiB, ttl: {sql: 1m}}\nlisten: {socket_group: x}");

	(void)state;
	config_keep_restart_keys(before, after);
	assert_string_equal(after->instance, "a");
	assert_int_equal(after->cache_size, 64 << 20);
	assert_null(after->socket_group);
	assert_int_equal(after->ttl_sql_ms, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_are_found),
	    cmocka_unit_test(keys_that_need_a_restart_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
