#include "worker/generation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/failures.h"

struct schema {
	char *database;
	struct snapshot *snapshot;
	struct vocabulary *vocabulary;
	struct prompt_schema *prompt; /* of the vocabulary */
};

enum { TIMER_SLACK_MS = 5 }; /* a timer may fire that much before the time it stands for */

struct generation {
	LIST_ENTRY(generation) link; /* in all->list; thousands may be in it */
	struct generations *all;
	uint32_t msgid;
	int64_t began_us;
	int64_t deadline_ms;
	struct buffer strings; /* what the call's views point into */
	struct provider_call call;
	struct bytes permit; /* the provider that it may call without asking; absent: none */
	uint32_t permit_msgid; /* of the request for a permit that was sent last; 0: none */
	size_t provider; /* which one works on it */
	size_t asked; /* of those so far */
	const char *unread_by; /* whose completion call.unread is; NULL: none came */
	struct error error; /* of the last one that declined */
	struct failures failures; /* which say more than that another one declined: they may pass */
	bool starting; /* in generate: done must not free it */
	bool declined; /* or failed: the next one is to be asked */
	bool finished; /* the router has its response */
	bool streamed; /* it has a part of the text, too */
};

/* ---- schemas ---- */

static void schema_deinit(struct schema *schema)
{
	free(schema->database);
	prompt_schema_free(schema->prompt);
	vocabulary_free(schema->vocabulary);
	snapshot_free(schema->snapshot);
}

static struct schema *find_schema(const struct generations *all, struct bytes database)
{
	for (size_t i = 0; i < all->schema_count; i++)
		if (bytes_equal_string(database, all->schemas[i].database))
			return &all->schemas[i];
	return NULL;
}

static bool shares_values(const struct child_config *config, const char *database)
{
	for (size_t i = 0; config && i < config->database_count; i++)
		if (strcmp(config->databases[i].name, database) == 0)
			return config->databases[i].share_values;
	return false;
}

void generations_set_schema(
    struct generations *generations, struct bytes database, struct snapshot *snapshot)
{
	struct schema *schema = find_schema(generations, database);

	if (schema) {
		schema_deinit(schema);
	} else {
		size_t count = generations->schema_count + 1;

		generations->schemas =
		    must_realloc(generations->schemas, count * sizeof(*generations->schemas));
		schema = &generations->schemas[generations->schema_count++];
	}
	schema->database = bytes_to_string(database);
	schema->snapshot = snapshot;
	schema->vocabulary = vocabulary_new(snapshot);
	schema->prompt = prompt_schema_new(
	    schema->vocabulary, shares_values(generations->config, schema->database));
}

/* Where share_values has changed the prompts do too. */
static void renew_prompts(struct generations *all)
{
	for (size_t i = 0; i < all->schema_count; i++) {
		struct schema *schema = &all->schemas[i];

		prompt_schema_free(schema->prompt);
		schema->prompt = prompt_schema_new(
		    schema->vocabulary, shares_values(all->config, schema->database));
	}
}

const struct prompt_schema *generations_prompt_schema(
    const struct generations *generations, struct bytes database)
{
	const struct schema *schema = find_schema(generations, database);

	return schema ? schema->prompt : NULL;
}

static bool is_configured(const struct child_config *config, const char *database)
{
	for (size_t i = 0; i < config->database_count; i++)
		if (strcmp(config->databases[i].name, database) == 0)
			return true;
	return false;
}

static void forget_schemas(struct generations *all)
{
	size_t kept = 0;

	for (size_t i = 0; i < all->schema_count; i++) {
		if (all->config && is_configured(all->config, all->schemas[i].database))
			all->schemas[kept++] = all->schemas[i];
		else
			schema_deinit(&all->schemas[i]);
	}
	all->schema_count = kept;
}

/* ---- the end of a generation ---- */

/* Within generate it only ends; who called generate frees it. */
static void finish(struct generation *generation)
{
	generation->finished = true;
	if (generation->starting)
		return;
	LIST_REMOVE(generation, link);
	generation->all->count--;
	buffer_deinit(&generation->strings);
	failures_deinit(&generation->failures);
	buffer_deinit(&generation->call.answer);
	buffer_deinit(&generation->call.cache_key);
	buffer_deinit(&generation->call.unread);
	free(generation);
}

static void send_error(const struct generations *all, uint32_t msgid, const struct error *error)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_error(&message, true, msgid, error);
	all->send(all->owner, &message);
}

static void fail(struct generation *generation, const struct error *error)
{
	send_error(generation->all, generation->msgid, error);
	finish(generation);
}

static void answer(struct generation *generation)
{
	const struct provider_call *call = &generation->call;
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct generate_result result;
	struct bytes text = bytes_of_buffer(&call->answer);

	message_init(&generate_result_row, &result);
	result.provider =
	    bytes_of_string(generation->all->providers[generation->provider].settings->name);
	if (provider_job_makes_sql(call->job))
		result.sql = text;
	else if (call->job == PROVIDER_CHAT)
		result.text = text.data ? text : bytes_of("", 0);
	else
		result.route = text;
	if (call->age_ms >= 0)
		result.age_ms = call->age_ms;
	if (provider_job_makes_sql(call->job) && call->cache_key.size > 0)
		result.completion_key = bytes_of_buffer(&call->cache_key);
	result.generate_us = clock_now_us() - generation->began_us;
	message_pack_response(&message, generation->msgid, &generate_result_row, &result);
	generation->all->send(generation->all->owner, &message);
	finish(generation);
}

/* ---- one provider after the other ---- */

static void no_model(const struct generation *generation, struct error *error)
{
	static const char *const jobs[] = {[PROVIDER_ROUTE] = "decide whether this is about data",
	    [PROVIDER_SQL] = "turn a question into SQL",
	    [PROVIDER_CHAT] = "answer what is not about data",
	    [PROVIDER_REPAIR] = "mend SQL"};
	const struct generations *all = generation->all;

	error_set(error, ERROR_NO_MODEL,
	    "no configured provider can %s: add %s to inference.providers",
	    jobs[generation->call.job],
	    generation->call.job == PROVIDER_CHAT ? "one of type ollama or openai"
	                                          : "{name: rules, type: builtin}");
	for (size_t i = 0; i < all->provider_count; i++)
		if (!all->providers[i].type)
			error_set_detail(error, "%s: %s", all->providers[i].settings->name,
			    all->providers[i].last_error);
}

/* Not understood, but the model may be shown its fault. */
static void answer_unread(struct generation *generation, const struct error *error)
{
	struct generations *all = generation->all;
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct generate_result result;

	message_init(&generate_result_row, &result);
	result.provider = bytes_of_string(generation->unread_by);
	result.sql = bytes_of_buffer(&generation->call.unread);
	result.fault = bytes_of_string(error->detail);
	result.generate_us = clock_now_us() - generation->began_us;
	message_pack_response(&message, generation->msgid, &generate_result_row, &result);
	all->send(all->owner, &message);
	finish(generation);
}

/* Nobody is left to ask. */
static void give_up(struct generation *generation)
{
	struct error error = generation->error;

	if (generation->failures.count > 0)
		failures_tell(&generation->failures, &error);
	if (generation->asked == 0)
		no_model(generation, &error);
	/* Who gave too little time is told so, whatever the providers say of it. */
	else if (generation->failures.count > 0 &&
	         clock_now_ms() + TIMER_SLACK_MS >= generation->deadline_ms)
		error_set(&error, ERROR_TIMEOUT, "no provider answered in the time of the request");
	else if (generation->unread_by) {
		answer_unread(generation, &error);
		return;
	}
	fail(generation, &error);
}

/* One provider works on it now; it may be done before this returns. */
static void ask(struct generation *generation, struct provider *provider)
{
	struct generations *all = generation->all;
	struct provider_call *call = &generation->call;
	const struct schema *schema = find_schema(all, call->database);

	generation->asked++;
	call->state = NULL;
	call->permitted = bytes_equal_string(generation->permit, provider->settings->name);
	generation->permit_msgid = 0;
	call->age_ms = -1;
	buffer_reset(&call->answer);
	buffer_reset(&call->cache_key);
	call->vocabulary = schema ? schema->vocabulary : NULL;
	call->schema = schema ? schema->prompt : NULL;
	call->config = all->config;
	generation->declined = false;
	generation->starting = true;
	provider->type->generate(provider, call);
	generation->starting = false;
	call->vocabulary = NULL;
	call->schema = NULL;
}

static void try_providers(struct generation *generation)
{
	struct generations *all = generation->all;

	for (; generation->provider < all->provider_count; generation->provider++) {
		struct provider *provider = &all->providers[generation->provider];

		if (!provider->type || !provider->type->can(provider, generation->call.job))
			continue;
		generation->call.timeout_ms = generation->deadline_ms - clock_now_ms();
		if (generation->call.timeout_ms <= 0) {
			generation->asked++;
			error_set(&generation->error, ERROR_TIMEOUT, "no time is left for the job");
			break;
		}
		ask(generation, provider);
		if (generation->finished) {
			finish(generation);
			return;
		}
		if (!generation->declined)
			return;
	}
	give_up(generation);
}

static void on_delta(struct provider_call *call, struct bytes text)
{
	struct generation *generation = call->owner;

	generation->streamed = true;
	generation->all->delta(generation->all->owner, generation->msgid, text);
}

/* The one that came with the job goes back for it. */
static void on_want_permit(struct provider_call *call)
{
	struct generation *generation = call->owner;
	struct generations *all = generation->all;

	if (++all->last_permit_msgid == 0)
		all->last_permit_msgid = 1;
	generation->permit = BYTES_NONE;
	generation->permit_msgid = all->last_permit_msgid;
	all->want_permit(all->owner, generation->permit_msgid, generation->msgid,
	    all->providers[generation->provider].settings->name);
}

/* Within generate the loop above goes on, so that the stack does not grow with the providers. */
static void on_done(struct provider_call *call, const struct error *error)
{
	struct generation *generation = call->owner;
	const char *provider = generation->all->providers[generation->provider].settings->name;

	if (!error) {
		answer(generation);
		return;
	}
	if (error->code == ERROR_UNANSWERABLE)
		generation->error = *error;
	else
		failures_add(&generation->failures, provider, error);
	if (call->unread.size > 0 && !generation->unread_by)
		generation->unread_by = provider;
	/* What was begun by one can't be finished by another. */
	if (generation->streamed)
		generation->provider = generation->all->provider_count;
	generation->declined = true;
	if (generation->starting)
		return;
	generation->provider++;
	try_providers(generation);
}

static struct bytes keep(struct buffer *strings, struct bytes bytes)
{
	size_t at = strings->size;

	if (!bytes.data)
		return BYTES_NONE;
	buffer_append_bytes(strings, bytes);
	return bytes_of(strings->data + at, bytes.size);
}

static struct generation *new_generation(
    struct generations *all, uint32_t msgid, const struct generate_params *params)
{
	struct generation *generation = must_zalloc(sizeof(*generation));
	struct provider_call *call = &generation->call;

	generation->all = all;
	generation->msgid = msgid;
	generation->began_us = clock_now_us();
	generation->deadline_ms = clock_now_ms() + params->timeout_ms;
	buffer_reserve(&generation->strings, params->question.size + params->history.size +
	                                         params->database.size + params->examples.size +
	                                         params->sql.size + params->error.size +
	                                         params->permit.size + 1);
	call->job = provider_job_find(params->job);
	call->question = keep(&generation->strings, params->question);
	call->history = keep(&generation->strings, params->history);
	call->examples = keep(&generation->strings, params->examples);
	call->sql = keep(&generation->strings, params->sql);
	call->error = keep(&generation->strings, params->error);
	call->database = keep(&generation->strings, params->database);
	generation->permit = keep(&generation->strings, params->permit);
	call->max_age_ms = params->max_age_ms == FIELD_ABSENT ? -1 : params->max_age_ms;
	call->delta = params->stream && all->delta ? on_delta : NULL;
	call->want_permit = on_want_permit;
	call->done = on_done;
	call->owner = generation;
	LIST_INSERT_HEAD(&all->list, generation, link);
	all->count++;
	return generation;
}

/* 0, or the error that answers it at once. */
static int check(
    const struct generations *all, const struct generate_params *params, struct error *ret_error)
{
	if (provider_job_find(params->job) == PROVIDER_JOB_COUNT)
		return error_set(
		    ret_error, ERROR_BAD_REQUEST, "job must be route, sql, chat or repair");
	if (all->count >= GENERATIONS_MAX) {
		error_set(ret_error, ERROR_OVERLOADED, "the inference worker has too many jobs");
		ret_error->retry_after_ms = 100;
		return (int)ret_error->code;
	}
	if (provider_job_makes_sql(provider_job_find(params->job)) && params->database.data &&
	    !find_schema(all, params->database))
		return error_set(ret_error, ERROR_DATABASE_UNAVAILABLE,
		    "the schema of %.*s has not been read yet", (int)params->database.size,
		    params->database.data);
	return 0;
}

void generation_start(
    struct generations *generations, uint32_t msgid, const struct generate_params *params)
{
	struct error error = ERROR_INIT;

	if (check(generations, params, &error)) {
		send_error(generations, msgid, &error);
		return;
	}
	try_providers(new_generation(generations, msgid, params));
}

static void stop_call(struct generation *generation)
{
	struct provider *provider = &generation->all->providers[generation->provider];

	if (provider->type && provider->type->cancel)
		provider->type->cancel(provider, &generation->call);
}

static struct generation *find_generation(const struct generations *all, uint32_t msgid)
{
	struct generation *generation = LIST_FIRST(&all->list);

	while (generation && generation->msgid != msgid)
		generation = LIST_NEXT(generation, link);
	return generation;
}

void generation_permit(
    struct generations *generations, uint32_t permit_msgid, const struct error *error)
{
	struct generation *generation = LIST_FIRST(&generations->list);
	struct provider *provider;

	while (generation && generation->permit_msgid != permit_msgid)
		generation = LIST_NEXT(generation, link);
	if (!generation || permit_msgid == 0)
		return;
	provider = &generations->providers[generation->provider];
	generation->permit_msgid = 0;
	provider->type->permit(provider, &generation->call, error);
}

void generation_joined(struct generations *generations, const struct joined_params *params)
{
	struct generation *generation = find_generation(generations, (uint32_t)params->msgid);
	struct provider_call *call = generation ? &generation->call : NULL;
	bool wants_text = call && params->stream && !call->delta && generations->delta;
	struct provider *provider;

	if (!generation)
		return;
	generation->deadline_ms = clock_now_ms() + params->timeout_ms;
	call->timeout_ms = params->timeout_ms;
	if (wants_text)
		call->delta = on_delta;
	provider = &generations->providers[generation->provider];
	if (provider->type->joined)
		provider->type->joined(provider, call, wants_text);
}

void generation_cancel(struct generations *generations, uint32_t msgid)
{
	struct generation *generation = find_generation(generations, msgid);
	struct error error = ERROR_INIT;

	if (!generation)
		return;
	stop_call(generation);
	error_set(&error, ERROR_CANCELLED, "the request was cancelled");
	fail(generation, &error);
}

void generations_abandon(struct generations *generations)
{
	struct generation *generation;

	while ((generation = LIST_FIRST(&generations->list))) {
		stop_call(generation);
		finish(generation);
	}
}

/* ---- the configuration ---- */

static void free_providers(struct generations *all)
{
	for (size_t i = 0; i < all->provider_count; i++)
		if (all->providers[i].type && all->providers[i].type->deinit)
			all->providers[i].type->deinit(&all->providers[i]);
	free(all->providers);
	all->providers = NULL;
	all->provider_count = 0;
}

static void on_changed(struct provider *provider)
{
	const struct generations *all = provider->owner;

	if (all->changed)
		all->changed(all->owner, provider);
}

static void init_provider(
    struct generations *all, struct provider *provider, const struct child_provider *settings)
{
	provider->settings = settings;
	provider->type = provider_type_find(settings->type);
	provider->state = provider->type ? "ready" : "unsupported";
	provider->latency_ms = FIELD_ABSENT;
	provider->tokens_per_s = (double)NAN;
	provider->metrics = all->metrics;
	provider->cache = all->cache;
	provider->ttl_llm_ms = all->config->ttl_llm_ms;
	provider->changed = on_changed;
	provider->owner = all;
	if (!provider->type)
		snprintf(provider->last_error, sizeof(provider->last_error),
		    "this version has no client for type %s yet", settings->type);
	else if (provider->type->configure)
		provider->type->configure(provider, all->base);
}

void generations_configure(struct generations *generations, const struct child_config *config)
{
	struct error error = ERROR_INIT;
	struct generation *generation;

	error_set(&error, ERROR_OVERLOADED, "the configuration has changed");
	error.retry_after_ms = 1;
	while ((generation = LIST_FIRST(&generations->list))) {
		stop_call(generation);
		fail(generation, &error);
	}
	free_providers(generations);
	generations->config = config;
	forget_schemas(generations);
	renew_prompts(generations);
	generations->providers =
	    must_zalloc((config->provider_count + 1) * sizeof(struct provider));
	generations->provider_count = config->provider_count;
	for (size_t i = 0; i < config->provider_count; i++)
		init_provider(generations, &generations->providers[i], &config->providers[i]);
}

void generations_deinit(struct generations *generations)
{
	generations_abandon(generations);
	free_providers(generations);
	generations->config = NULL;
	forget_schemas(generations);
	free(generations->schemas);
	generations->schemas = NULL;
}
