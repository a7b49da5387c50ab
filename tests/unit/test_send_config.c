/* What each role is told: read back as a child reads it, and no secret where it is not needed. */
#include "daemon/send_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/child_config.h"
#include "common/message.h"
#include "common/msgpack_scan.h"
#include "common/rpc.h"
#include "tests/unit/config_file.h"

static const char text[] =
    "cache: {ttl: {sql: 5m}}\n"
    "routing: {keywords: {sql: [Umsatz], chat: [hallo]}, patterns: [{route: sql, regex: kpi}]}\n"
    "inference:\n  providers:\n    - {}\n"
    "    - {name: m, type: ollama, url: 'http://secret-host', model: x, models: {route: r},"
    " api_key_file: /secret-key}\n"
    "databases:\n"
    "  - {name: a, dsn: secret-a, schemas: [s, t], limits: {rows: 7}, allow: {functions: [s.f], "
    "views: [s.v, -s.w]}, routing: {keywords: {sql: [w]}},\n"
    "     private: [secret-column.x], share_values: true}\n"
    "  - {name: b, dsn: secret-b, workers: 3}\n";

static const struct {
	enum role role;
	const char *database;
	size_t databases, providers, keywords, patterns;
	const char *sees; /* of the secrets, these and no other */
} cases[] = {
    {ROLE_ROUTER, NULL, 2, 2, 3, 1, ""},
    {ROLE_INFERENCE, NULL, 2, 2, 0, 0, "secret-host /secret-key"},
    {ROLE_DATABASE, "a", 1, 0, 0, 0, "secret-a secret-column"},
    {ROLE_WATCHER, "b", 1, 0, 0, 0, "secret-b"},
};

static enum message_id find_config_message(struct bytes method)
{
	for (int id = MESSAGE_ID_CONFIG_BEGIN; id <= MESSAGE_ID_CONFIG_END; id++)
		if (bytes_equal_string(method, message_rows[id].method))
			return (enum message_id)id;
	fail_msg("%.*s is no message of the configuration", (int)method.size, method.data);
	return MESSAGE_ID_COUNT;
}

static struct child_config *read_back(struct bytes bytes)
{
	struct child_config *config = NULL;
	int taken = 0;

	while (bytes.size > 0) {
		struct msgpack_scan scan = MSGPACK_SCAN_INIT;
		struct rpc_message message;
		struct error error;
		struct bytes map;
		size_t size;

		assert_int_equal(taken, 0); /* config_end is the last */
		assert_int_equal(
		    msgpack_scan(&scan, bytes, LIMIT_CONTROL_MESSAGE_BYTES, &size), SCAN_WHOLE);
		assert_true(rpc_parse(bytes_of(bytes.data, size), &message));
		assert_int_equal(message.type, RPC_NOTIFICATION);
		assert_int_equal(rpc_params_map(message.params, &map, &error), 0);
		taken =
		    child_config_take(&config, find_config_message(message.method), map, &error);
		if (taken < 0)
			fail_msg("%s", error.message);
		bytes = bytes_of(bytes.data + size, bytes.size - size);
	}
	assert_int_equal(taken, 1);
	return config;
}

static void pack_case(const struct config *config, size_t i, struct buffer *buffer)
{
	const struct config_receiver receiver = {
	    .role = cases[i].role,
	    .index = 5,
	    .database = cases[i].database,
	    .started_ms = 99,
	    .supervisor_pid = 1,
	};

	send_config_pack(config, &receiver, buffer);
}

static void every_role_reads_its_part(void **state)
{
	CLEAN(config) struct config *config = config_must_read(text);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
		struct child_config *read;

		pack_case(config, i, &buffer);
		read = read_back(bytes_of_buffer(&buffer));
		assert_int_equal(read->index, 5);
		assert_int_equal(read->started_ms, 99);
		assert_string_equal(read->instance, "main");
		assert_int_equal(read->ttl_sql_ms, 300000);
		assert_true(read->min_confidence == 0.75);
		assert_int_equal(read->database_count, cases[i].databases);
		assert_int_equal(read->provider_count, cases[i].providers);
		assert_int_equal(read->keyword_count, cases[i].keywords);
		assert_int_equal(read->pattern_count, cases[i].patterns);
		child_config_free(read);
	}
}

static void secrets_go_only_where_they_are_needed(void **state)
{
	static const char *const secrets[] = {
	    "secret-a", "secret-b", "secret-host", "/secret-key", "secret-column"};
	CLEAN(config) struct config *config = config_must_read(text);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEAN(buffer) struct buffer buffer = BUFFER_INIT;

		pack_case(config, i, &buffer);
		for (size_t k = 0; k < sizeof(secrets) / sizeof(secrets[0]); k++) {
			bool is_there =
			    memmem(buffer.data, buffer.size, secrets[k], strlen(secrets[k]));
			bool may_be = strstr(cases[i].sees, secrets[k]);

			if (is_there != may_be)
				fail_msg("%s: %s is %s", role_rows[cases[i].role].name, secrets[k],
				    is_there ? "told" : "missing");
		}
	}
}

static void values_arrive(void **state)
{
	CLEAN(config) struct config *config = config_must_read(text);
	CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
	struct child_config *read;

	(void)state;
	pack_case(config, 0, &buffer);
	read = read_back(bytes_of_buffer(&buffer));
	assert_int_equal(read->databases[0].limit_rows, 7);
	assert_int_equal(read->databases[0].schema_count, 2);
	assert_string_equal(read->databases[0].schemas[1], "t");
	assert_int_equal(read->databases[0].allow_function_count, 1);
	assert_string_equal(read->databases[0].allow_functions[0], "s.f");
	assert_int_equal(read->databases[0].allow_table_count, 0);
	assert_int_equal(read->databases[0].allow_view_count, 2);
	assert_string_equal(read->databases[0].allow_views[1], "-s.w");
	assert_null(read->databases[0].dsn);
	assert_true(read->databases[0].share_values);
	assert_false(read->databases[1].share_values);
	assert_int_equal(read->databases[1].workers, 3);
	assert_int_equal(read->databases[1].queue, 256);
	assert_string_equal(read->providers[0].name, "rules");
	assert_string_equal(read->providers[1].model_route, "r");
	assert_null(read->providers[1].url);
	assert_null(read->keywords[0].database);
	assert_string_equal(read->keywords[1].route, "chat");
	assert_string_equal(read->keywords[2].database, "a");
	assert_true(read->patterns[0].weight == 2.0);
	child_config_free(read);
}

/* The router holds the permits for all workers. */
static void limits_are_for_the_router(void **state)
{
	CLEAN(config)
	struct config *config = config_must_read(
	    "inference: {workers: 3, providers: [{name: m, type: ollama, url: 'http://h', "
	    "model: x, concurrency: 2, queue: 7}]}\n");
	static const struct {
		enum role role;
		int64_t concurrency, queue;
	} limits[] = {{ROLE_ROUTER, 2, 7}, {ROLE_INFERENCE, FIELD_ABSENT, FIELD_ABSENT}};

	(void)state;
	assert_non_null(config);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct config_receiver receiver = {
		    .role = limits[i].role, .started_ms = 1, .supervisor_pid = 1};
		CLEAN(buffer) struct buffer buffer = BUFFER_INIT;
		struct child_config *read;

		send_config_pack(config, &receiver, &buffer);
		read = read_back(bytes_of_buffer(&buffer));
		assert_int_equal(read->providers[0].concurrency, limits[i].concurrency);
		assert_int_equal(read->providers[0].queue, limits[i].queue);
		child_config_free(read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_are_for_the_router),
	    cmocka_unit_test(every_role_reads_its_part),
	    cmocka_unit_test(secrets_go_only_where_they_are_needed),
	    cmocka_unit_test(values_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
