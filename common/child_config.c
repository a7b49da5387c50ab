#include "common/child_config.h"

#include <errno.h>
#include <stdlib.h>

/* Room for one more in an array of *count entries, zeroed. */
#define APPEND(array, count)                                            \
	(array = must_realloc(array, ((count) + 1) * sizeof(*(array))), \
	    memset(&(array)[count], 0, sizeof(*(array))), &(array)[(count)++])

struct child_config *child_config_new(void)
{
	return must_zalloc(sizeof(struct child_config));
}

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void database_deinit(struct child_database *database)
{
	free(database->name);
	free(database->dsn);
	free_texts(database->schemas, database->schema_count);
	free_texts(database->allow_functions, database->allow_function_count);
	free_texts(database->allow_tables, database->allow_table_count);
	free_texts(database->allow_views, database->allow_view_count);
	free_texts(database->private_columns, database->private_count);
}

static void provider_deinit(struct child_provider *provider)
{
	free(provider->name);
	free(provider->type);
	free(provider->url);
	free(provider->model);
	free(provider->model_route);
	free(provider->model_sql);
	free(provider->model_chat);
	free(provider->model_hard);
	free(provider->api_key_file);
	free(provider->ca_file);
}

void child_config_free(struct child_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->database_count; i++)
		database_deinit(&config->databases[i]);
	for (size_t i = 0; i < config->provider_count; i++)
		provider_deinit(&config->providers[i]);
	for (size_t i = 0; i < config->keyword_count; i++) {
		free(config->keywords[i].database);
		free(config->keywords[i].route);
		free(config->keywords[i].word);
	}
	for (size_t i = 0; i < config->pattern_count; i++) {
		free(config->patterns[i].database);
		free(config->patterns[i].route);
		free(config->patterns[i].regex);
	}
	for (size_t i = 0; i < config->prompt_count; i++) {
		free(config->prompts[i].name);
		free(config->prompts[i].text);
	}
	for (size_t i = 0; i < config->example_count; i++) {
		free(config->examples[i].database);
		free(config->examples[i].question);
		free(config->examples[i].sql);
	}
	free(config->prompts);
	free(config->examples);
	free(config->prompts_version);
	for (size_t i = 0; i < config->correction_count; i++) {
		free(config->corrections[i].database);
		free(config->corrections[i].route);
		free(config->corrections[i].text);
	}
	free(config->corrections);
	free(config->databases);
	free(config->providers);
	free(config->keywords);
	free(config->patterns);
	free(config->instance);
	free(config->when_unsure);
	free(config);
}

static void take_begin(struct child_config *config, const struct config_begin_params *from)
{
	config->instance = bytes_to_string(from->instance);
	config->index = from->index;
	config->log_level = (int)from->log_level;
	config->cache_size = from->cache_size;
	config->max_value = from->max_value;
	config->ttl_route_ms = from->ttl_route_ms;
	config->ttl_chat_ms = from->ttl_chat_ms;
	config->ttl_sql_ms = from->ttl_sql_ms;
	config->ttl_sql_polled_ms = from->ttl_sql_polled_ms;
	config->ttl_llm_ms = from->ttl_llm_ms;
	config->max_clients = from->max_clients;
	config->min_confidence = from->min_confidence;
	config->when_unsure = bytes_to_string(from->when_unsure);
	config->prompts_version = bytes_to_string(from->prompts_version);
	config->repairs = from->repairs;
	config->started_ms = from->started_ms;
	config->supervisor_pid = from->supervisor_pid;
}

static void take_keyword(struct child_config *config, const struct config_keyword_params *from)
{
	struct child_keyword *keyword = APPEND(config->keywords, config->keyword_count);

	keyword->database = bytes_to_string(from->database);
	keyword->route = bytes_to_string(from->route);
	keyword->word = bytes_to_string(from->word);
}

static void take_pattern(struct child_config *config, const struct config_pattern_params *from)
{
	struct child_pattern *pattern = APPEND(config->patterns, config->pattern_count);

	pattern->database = bytes_to_string(from->database);
	pattern->route = bytes_to_string(from->route);
	pattern->regex = bytes_to_string(from->regex);
	pattern->weight = from->weight;
}

static void take_texts(struct bytes list, char ***ret_texts, size_t *ret_count)
{
	struct texts_walk walk = texts_begin(list);
	struct bytes text;

	while (texts_next(&walk, &text))
		*APPEND(*ret_texts, *ret_count) = bytes_to_string(text);
}

static void take_correction(
    struct child_config *config, const struct config_correction_params *from)
{
	struct child_correction *correction = APPEND(config->corrections, config->correction_count);

	correction->database = bytes_to_string(from->database);
	correction->route = bytes_to_string(from->route);
	correction->text = bytes_to_string(from->text);
}

static void take_database(struct child_config *config, const struct config_database_params *from)
{
	struct child_database *database = APPEND(config->databases, config->database_count);

	database->name = bytes_to_string(from->name);
	database->dsn = bytes_to_string(from->dsn);
	database->workers = from->workers;
	database->queue = from->queue;
	take_texts(from->schemas, &database->schemas, &database->schema_count);
	database->limit_rows = from->limit_rows;
	database->limit_bytes = from->limit_bytes;
	database->limit_time_ms = from->limit_time_ms;
	database->limit_plan_cost = from->limit_plan_cost;
	database->trust_role = from->trust_role;
	take_texts(from->private_columns, &database->private_columns, &database->private_count);
	database->share_values = from->share_values;
	take_texts(
	    from->allow_functions, &database->allow_functions, &database->allow_function_count);
	take_texts(from->allow_tables, &database->allow_tables, &database->allow_table_count);
	take_texts(from->allow_views, &database->allow_views, &database->allow_view_count);
}

static void take_prompt(struct child_config *config, const struct config_prompt_params *from)
{
	struct child_prompt *prompt = APPEND(config->prompts, config->prompt_count);

	prompt->name = bytes_to_string(from->name);
	prompt->text = bytes_to_string(from->text);
}

static void take_example(struct child_config *config, const struct config_example_params *from)
{
	struct child_example *example = APPEND(config->examples, config->example_count);

	example->database = bytes_to_string(from->database);
	example->question = bytes_to_string(from->question);
	example->sql = bytes_to_string(from->sql);
	example->taught = from->taught;
}

static void take_provider(struct child_config *config, const struct config_provider_params *from)
{
	struct child_provider *provider = APPEND(config->providers, config->provider_count);

	provider->name = bytes_to_string(from->name);
	provider->type = bytes_to_string(from->type);
	provider->url = bytes_to_string(from->url);
	provider->model = bytes_to_string(from->model);
	provider->model_route = bytes_to_string(from->model_route);
	provider->model_sql = bytes_to_string(from->model_sql);
	provider->model_chat = bytes_to_string(from->model_chat);
	provider->model_hard = bytes_to_string(from->model_hard);
	provider->api_key_file = bytes_to_string(from->api_key_file);
	provider->ca_file = bytes_to_string(from->ca_file);
	provider->timeout_ms = from->timeout_ms;
	provider->connect_timeout_ms = from->connect_timeout_ms;
	provider->first_token_ms = from->first_token_ms;
	provider->keep_alive_ms = from->keep_alive_ms;
	provider->max_tokens = from->max_tokens;
	provider->max_prompt = from->max_prompt;
	provider->concurrency = from->concurrency;
	provider->queue = from->queue;
}

int child_config_take(
    struct child_config **config, enum message_id id, struct bytes map, struct error *ret_error)
{
	union {
		struct config_begin_params begin;
		struct config_keyword_params keyword;
		struct config_pattern_params pattern;
		struct config_correction_params correction;
		struct config_database_params database;
		struct config_provider_params provider;
		struct config_prompt_params prompt;
		struct config_example_params example;
		struct config_end_params end;
	} params;

	if (message_unpack(&message_rows[id], map, &params, ret_error) != 0)
		return -EBADMSG;
	if (id == MESSAGE_ID_CONFIG_BEGIN) {
		child_config_free(*config);
		*config = child_config_new();
		take_begin(*config, &params.begin);
		return 0;
	}
	if (!*config) {
		error_set(ret_error, ERROR_INTERNAL, "no config_begin came first");
		return -EBADMSG;
	}
	if (id == MESSAGE_ID_CONFIG_KEYWORD)
		take_keyword(*config, &params.keyword);
	else if (id == MESSAGE_ID_CONFIG_PATTERN)
		take_pattern(*config, &params.pattern);
	else if (id == MESSAGE_ID_CONFIG_CORRECTION)
		take_correction(*config, &params.correction);
	else if (id == MESSAGE_ID_CONFIG_DATABASE)
		take_database(*config, &params.database);
	else if (id == MESSAGE_ID_CONFIG_PROVIDER)
		take_provider(*config, &params.provider);
	else if (id == MESSAGE_ID_CONFIG_PROMPT)
		take_prompt(*config, &params.prompt);
	else if (id == MESSAGE_ID_CONFIG_EXAMPLE)
		take_example(*config, &params.example);
	return id == MESSAGE_ID_CONFIG_END;
}
