/* How the inference worker's jobs go from provider to provider, with one that answers later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/message.h"
#include "common/rpc.h"
#include "tests/unit/builtin_schema.h"
#include "worker/generation.h"

static struct child_provider settings[] = {
    {.name = (char *)(uintptr_t) "slow", .type = (char *)(uintptr_t) "parrot"},
    {.name = (char *)(uintptr_t) "rules", .type = (char *)(uintptr_t) "builtin"},
};
static struct child_database databases[] = {{.name = (char *)(uintptr_t) "library"}};

/* The later provider: keeps its call until the test ends it. */
static struct provider_call *waiting;
static int cancelled;

static bool later_can(const struct provider *provider, enum provider_job job)
{
	(void)provider;
	(void)job;
	return true;
}

static void later_generate(struct provider *provider, struct provider_call *call)
{
	(void)provider;
	assert_null(waiting);
	assert_true(call->timeout_ms > 0);
	waiting = call;
}

static void later_cancel(struct provider *provider, struct provider_call *call)
{
	(void)provider;
	if (waiting == call)
		waiting = NULL;
	cancelled++;
}

static const struct provider_type later = {
    .name = "later", .can = later_can, .generate = later_generate, .cancel = later_cancel};

struct scene {
	struct generations generations;
	struct child_config config;
	int sent;
	struct buffer message;
};

static void take(void *owner, struct buffer *message)
{
	struct scene *scene = owner;

	scene->sent++;
	buffer_reset(&scene->message);
	buffer_append_bytes(&scene->message, bytes_of_buffer(message));
}

static struct scene *scene_new(bool with_later)
{
	struct scene *scene = must_zalloc(sizeof(*scene));

	waiting = NULL;
	cancelled = 0;
	scene->config.providers = settings;
	scene->config.provider_count = 2;
	scene->config.databases = databases;
	scene->config.database_count = 1;
	scene->generations.send = take;
	scene->generations.owner = scene;
	generations_configure(&scene->generations, &scene->config);
	generations_set_schema(
	    &scene->generations, bytes_of_string("library"), builtin_schema_new());
	if (with_later)
		scene->generations.providers[0].type = &later;
	return scene;
}

static void scene_free(struct scene *scene)
{
	generations_deinit(&scene->generations);
	assert_int_equal(scene->generations.count, 0);
	buffer_deinit(&scene->message);
	free(scene);
}

static void start(struct scene *scene, uint32_t msgid, const char *job, const char *question,
    const char *database)
{
	struct generate_params params;

	message_init(&message_rows[MESSAGE_ID_GENERATE], &params);
	params.job = bytes_of_string(job);
	params.question = bytes_of_string(question);
	params.database = bytes_of_string(database);
	params.timeout_ms = 60000;
	generation_start(&scene->generations, msgid, &params);
}

/* The response that came last, which must be to that request. */
static void last_response(struct scene *scene, uint32_t msgid, struct rpc_message *ret_message)
{
	assert_true(rpc_parse(bytes_of_buffer(&scene->message), ret_message));
	assert_int_equal(ret_message->type, RPC_RESPONSE);
	assert_int_equal(ret_message->msgid, msgid);
}

static void expect_error(
    struct scene *scene, uint32_t msgid, enum error_code code, const char *says)
{
	struct rpc_message message;
	struct error error;

	last_response(scene, msgid, &message);
	assert_non_null(message.error.data);
	assert_int_equal(message_unpack_error(message.error, &error), 0);
	assert_string_equal(error_name(error.code), error_name(code));
	if (!strstr(error.message, says) && !strstr(error.detail, says))
		fail_msg("\"%s\" (%s) does not say \"%s\"", error.message, error.detail, says);
}

static struct generate_result expect_result(struct scene *scene, uint32_t msgid)
{
	struct generate_result result;
	struct rpc_message message;
	struct error error;

	last_response(scene, msgid, &message);
	assert_null(message.error.data);
	assert_int_equal(message_unpack(&generate_result_row, message.result, &result, &error), 0);
	return result;
}

static void test_rules_answer(void **state)
{
	struct scene *scene = scene_new(false);
	struct generate_result result;

	(void)state;
	start(scene, 7, "sql", "how many books", "library");
	result = expect_result(scene, 7);
	assert_true(bytes_equal_string(result.provider, "rules"));
	assert_true(bytes_equal_string(result.sql, "SELECT count(*) AS count FROM books"));
	assert_null(result.text.data);
	start(scene, 8, "route", "how many books", "library");
	result = expect_result(scene, 8);
	assert_true(bytes_equal_string(result.route, "sql"));
	assert_null(result.sql.data);
	assert_int_equal(scene->sent, 2);
	scene_free(scene);
}

static void test_errors(void **state)
{
	struct scene *scene = scene_new(false);

	(void)state;
	start(scene, 1, "sql", "how many dragons", "library");
	expect_error(scene, 1, ERROR_UNANSWERABLE, "'dragons'");
	start(scene, 2, "route", "tell me a joke", "library");
	expect_error(scene, 2, ERROR_UNANSWERABLE, "'joke'");
	start(scene, 3, "chat", "hello", NULL);
	expect_error(scene, 3, ERROR_NO_MODEL, "inference.providers");
	expect_error(scene, 3, ERROR_NO_MODEL, "no client for type parrot yet");
	start(scene, 4, "sql", "how many books", "elsewhere");
	expect_error(scene, 4, ERROR_DATABASE_UNAVAILABLE, "elsewhere has not been read yet");
	start(scene, 5, "dance", "how many books", "library");
	expect_error(scene, 5, ERROR_BAD_REQUEST, "job");
	start(scene, 6, "sql", "how many books", NULL);
	expect_error(scene, 6, ERROR_UNANSWERABLE, "no database");
	assert_int_equal(scene->sent, 6);
	scene_free(scene);
}

static void test_later(void **state)
{
	struct scene *scene = scene_new(true);
	struct generate_result result;
	struct provider_call *call;
	struct error error;

	(void)state;
	start(scene, 1, "chat", "hello", NULL);
	assert_int_equal(scene->sent, 0);
	call = waiting;
	waiting = NULL;
	buffer_append_string(&call->answer, "good day");
	call->done(call, NULL);
	result = expect_result(scene, 1);
	assert_true(bytes_equal_string(result.text, "good day"));
	assert_true(bytes_equal_string(result.provider, "slow"));

	/* It fails: the rules are asked, with the schema, and answer. */
	start(scene, 2, "sql", "how many books", "library");
	call = waiting;
	waiting = NULL;
	error_set(&error, ERROR_MODEL_ERROR, "connection refused");
	call->done(call, &error);
	assert_true(bytes_equal_string(expect_result(scene, 2).provider, "rules"));

	/* It fails and the rules decline: the failure may pass, so it is what is said. */
	start(scene, 3, "sql", "how many dragons", "library");
	call = waiting;
	waiting = NULL;
	call->done(call, &error);
	expect_error(scene, 3, ERROR_MODEL_ERROR, "slow: connection refused");
	assert_int_equal(scene->sent, 3);
	assert_int_equal(scene->generations.count, 0);
	scene_free(scene);
}

static void test_ends(void **state)
{
	struct scene *scene = scene_new(true);

	(void)state;
	start(scene, 1, "chat", "hello", NULL);
	generation_cancel(&scene->generations, 99);
	assert_int_equal(scene->sent, 0);
	generation_cancel(&scene->generations, 1);
	expect_error(scene, 1, ERROR_CANCELLED, "cancelled");
	assert_int_equal(cancelled, 1);

	start(scene, 2, "chat", "hello", NULL);
	generations_abandon(&scene->generations);
	assert_int_equal(scene->sent, 1);
	assert_int_equal(cancelled, 2);

	start(scene, 3, "chat", "hello", NULL);
	generations_configure(&scene->generations, &scene->config);
	expect_error(scene, 3, ERROR_OVERLOADED, "configuration");
	start(scene, 4, "sql", "how many books", "library");
	expect_result(scene, 4);
	scene->config.database_count = 0;
	generations_configure(&scene->generations, &scene->config);
	start(scene, 5, "sql", "how many books", "library");
	expect_error(scene, 5, ERROR_DATABASE_UNAVAILABLE, "not been read");
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules_answer),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_later),
	    cmocka_unit_test(test_ends),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
