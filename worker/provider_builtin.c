/*
 * The provider of type builtin: rules instead of a model (worker/builtin/builtin.h). It is
 * sure or declines, so what it can translate is also routed by it.
 */
#include "worker/builtin/builtin.h"
#include "worker/builtin/follow_up.h"
#include "worker/provider.h"

static bool can(const struct provider *provider, enum provider_job job)
{
	(void)provider;
	return job == PROVIDER_SQL || job == PROVIDER_ROUTE;
}

static void generate(struct provider *provider, struct provider_call *call)
{
	CLEAN(buffer) struct buffer question = BUFFER_INIT;
	struct error error = ERROR_INIT;

	(void)provider;
	if (!call->vocabulary) {
		error_set(&error, ERROR_UNANSWERABLE, "no database is configured to ask");
	} else {
		follow_up_resolve(call->question, call->history, call->vocabulary, &question);
		builtin_translate(
		    bytes_of_buffer(&question), call->vocabulary, &call->answer, &error);
	}
	if (error.code == ERROR_NONE && call->job == PROVIDER_ROUTE) {
		buffer_reset(&call->answer);
		buffer_append_string(&call->answer, "sql");
	}
	call->done(call, error.code == ERROR_NONE ? NULL : &error);
}

const struct provider_type provider_builtin = {.name = "builtin", .can = can, .generate = generate};
