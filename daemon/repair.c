#include "daemon/repair.h"

#include <string.h>

#include "daemon/ask.h"
#include "daemon/entry.h"
#include "daemon/router.h"
#include "daemon/teach.h"
#include "shm/metrics.h"

/* Syntax, names and types. Other errors may have rows' values in their text, which no model is to
 * see, and are not the wording's fault. */
static bool is_mendable_state(const char *sqlstate)
{
	return strncmp(sqlstate, "42", 2) == 0 && strcmp(sqlstate, "42501") != 0;
}

static bool is_mendable_code(const char *name)
{
	static const struct {
		const char *name;
		bool mendable;
	} codes[] = {
#define CHECK_CODE(id, name, mendable, meaning) {name, mendable},
#include "common/check_codes.def"
#undef CHECK_CODE
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].name, name) == 0)
			return codes[i].mendable;
	return false;
}

static bool is_mendable(const struct error *error)
{
	if (error->code == ERROR_SQL_ERROR)
		return is_mendable_state(error->sqlstate);
	return error->code == ERROR_SQL_REJECTED && error->sqlstate[0] == '\0' &&
	       is_mendable_code(error->detail);
}

static void forget_completion(struct request *request)
{
	if (request->completion_key.size > 0)
		cache_remove(request->router->cache, CACHE_LLM, entry_database(request),
		    bytes_of_buffer(&request->completion_key));
	buffer_reset(&request->completion_key);
}

/* What the model could not mend is what the client is told. */
static void not_mended(struct request *request, const struct error *error)
{
	struct error refusal = *request->refusal;

	reply_add_attempt(&request->attempts, error, BYTES_NONE);
	request_fail(request, &refusal);
}

static void mend(struct request *request, const struct error *error)
{
	reply_add_attempt(&request->attempts, error, bytes_of_buffer(&request->sql));
	request->attempts.repairs++;
	if (!request->refusal)
		request->refusal = must_alloc(sizeof(*request->refusal));
	*request->refusal = *error;
	/* A statement that ran once and doesn't any more is replaced. */
	request->has_statement = false;
	request->failed = not_mended;
	metrics_add(request->router->metrics, METRIC_SQL_REPAIRS, 1);
	ask_generate(request, "repair", CACHE_STATEMENT, ask_generated);
}

static void mend_or_fail(struct request *request, const struct error *error)
{
	if (request->attempts.repairs < (unsigned)request->router->config->repairs)
		mend(request, error);
	else
		request_fail(request, error);
}

void repair_or_fail(struct request *request, const struct error *error)
{
	bool generated =
	    request->provider.size > 0 && request->question.data && !teach_has_answered(request);

	request->failed = NULL;
	if (!generated || request->sequence > 0 || !is_mendable(error)) {
		request_fail(request, error);
		return;
	}
	forget_completion(request);
	mend_or_fail(request, error);
}

void repair_unread(struct request *request, struct bytes fault)
{
	struct error error;

	error_set(&error, ERROR_MODEL_ERROR, "no provider could be asked successfully");
	error_set_detail(&error, "%.*s", (int)fault.size, fault.data);
	mend_or_fail(request, &error);
}

bool repair_is_stuck(struct request *request, struct bytes sql)
{
	struct error error;

	if (!bytes_equal(sql, bytes_of_buffer(&request->sql)))
		return false;
	error_set(&error, ERROR_UNANSWERABLE, "the model gave the same statement again");
	not_mended(request, &error);
	return true;
}

void repair_reason(const struct request *request, struct buffer *ret_reason)
{
	const struct error *refusal = request->refusal;

	if (refusal->code != ERROR_MODEL_ERROR)
		buffer_append_string(ret_reason, refusal->message);
	/* PostgreSQL's hint, or what the completion lacks; of a refusal it is the code, which says
	 * nothing more. */
	if (refusal->code != ERROR_SQL_REJECTED && refusal->detail[0] != '\0')
		buffer_printf(
		    ret_reason, "%s%s", ret_reason->size > 0 ? ". " : "", refusal->detail);
}

void repair_succeeded(struct request *request)
{
	if (request->attempts.repairs > 0)
		metrics_add(request->router->metrics, METRIC_SQL_REPAIRED, 1);
}
