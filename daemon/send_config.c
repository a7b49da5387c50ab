#include "daemon/send_config.h"

#include <string.h>

#include "common/log.h"
#include "common/message.h"
#include "daemon/config_files.h"

static void pack_begin(
    const struct config *config, const struct config_receiver *receiver, struct buffer *buffer)
{
	struct config_begin_params params;
	enum log_level level = LOG_LEVEL_INFO;
	char version[17];

	message_init(&message_rows[MESSAGE_ID_CONFIG_BEGIN], &params);
	log_level_from_name(config->log_level, &level);
	params.instance = bytes_of_string(config->instance);
	params.index = receiver->index;
	params.log_level = (int64_t)level;
	params.cache_size = config->cache_size;
	params.max_value = config->max_value;
	params.ttl_route_ms = config->ttl_route_ms;
	params.ttl_chat_ms = config->ttl_chat_ms;
	params.ttl_sql_ms = config->ttl_sql_ms;
	params.ttl_sql_polled_ms = config->ttl_sql_polled_ms;
	params.ttl_llm_ms = config->ttl_llm_ms;
	params.max_clients = config->max_clients;
	params.min_confidence = config->min_confidence;
	params.when_unsure = bytes_of_string(config->when_unsure);
	config_files_version(config, version);
	params.prompts_version = bytes_of_string(version);
	params.repairs = config->repairs;
	params.started_ms = receiver->started_ms;
	params.supervisor_pid = receiver->supervisor_pid;
	message_pack_notification(buffer, MESSAGE_ID_CONFIG_BEGIN, &params);
}

static void pack_keywords(
    const char *database, const char *route, const struct config_list *words, struct buffer *buffer)
{
	for (size_t i = 0; i < words->count; i++) {
		struct config_keyword_params params;

		message_init(&message_rows[MESSAGE_ID_CONFIG_KEYWORD], &params);
		params.database = bytes_of_string(database);
		params.route = bytes_of_string(route);
		params.word = bytes_of_string(words->items[i]);
		message_pack_notification(buffer, MESSAGE_ID_CONFIG_KEYWORD, &params);
	}
}

static void pack_patterns(
    const char *database, const struct config_list *patterns, struct buffer *buffer)
{
	for (size_t i = 0; i < patterns->count; i++) {
		const struct config_pattern *pattern = patterns->items[i];
		struct config_pattern_params params;

		message_init(&message_rows[MESSAGE_ID_CONFIG_PATTERN], &params);
		params.database = bytes_of_string(database);
		params.route = bytes_of_string(pattern->route);
		params.regex = bytes_of_string(pattern->regex);
		params.weight = pattern->weight;
		message_pack_notification(buffer, MESSAGE_ID_CONFIG_PATTERN, &params);
	}
}

static void pack_routing(const struct config *config, struct buffer *buffer)
{
	pack_keywords(NULL, "sql", &config->keywords_sql, buffer);
	pack_keywords(NULL, "chat", &config->keywords_chat, buffer);
	pack_patterns(NULL, &config->patterns, buffer);
	for (size_t i = 0; i < config->databases.count; i++) {
		const struct config_database *database = config->databases.items[i];

		pack_keywords(database->name, "sql", &database->keywords_sql, buffer);
		pack_keywords(database->name, "chat", &database->keywords_chat, buffer);
		pack_patterns(database->name, &database->patterns, buffer);
	}
}

static void pack_list(struct buffer *out, const struct config_list *list)
{
	texts_pack(out, (const char *const *)list->items, list->count);
}

static void pack_corrections(const struct state_records *corrections, struct buffer *buffer)
{
	for (size_t i = 0; i < corrections->count; i++) {
		const struct state_record *correction = &corrections->items[i];
		struct config_correction_params params;

		message_init(&message_rows[MESSAGE_ID_CONFIG_CORRECTION], &params);
		params.database = bytes_of_string(correction->database);
		params.route = bytes_of_string(correction->value);
		params.text = bytes_of_string(correction->key);
		message_pack_notification(buffer, MESSAGE_ID_CONFIG_CORRECTION, &params);
	}
}

static void pack_database(
    const struct config_database *database, bool with_dsn, struct buffer *buffer)
{
	CLEAN(buffer) struct buffer schemas = BUFFER_INIT, functions = BUFFER_INIT;
	CLEAN(buffer) struct buffer tables = BUFFER_INIT, views = BUFFER_INIT;
	CLEAN(buffer) struct buffer columns = BUFFER_INIT;
	struct config_database_params params;

	message_init(&message_rows[MESSAGE_ID_CONFIG_DATABASE], &params);
	pack_list(&schemas, &database->schemas);
	pack_list(&functions, &database->allow_functions);
	pack_list(&tables, &database->allow_tables);
	pack_list(&views, &database->allow_views);
	params.name = bytes_of_string(database->name);
	pack_list(&columns, &database->private_columns);
	if (with_dsn) {
		params.dsn = bytes_of_string(database->dsn);
		params.private_columns = bytes_of_buffer(&columns);
	}
	params.share_values = database->share_values;
	params.workers = database->workers;
	params.queue = database->queue;
	params.schemas = bytes_of_buffer(&schemas);
	params.limit_rows = database->limit_rows;
	params.limit_bytes = database->limit_bytes;
	params.limit_time_ms = database->limit_time_ms;
	params.limit_plan_cost = database->limit_plan_cost;
	params.trust_role = database->trust_role;
	params.allow_functions = bytes_of_buffer(&functions);
	params.allow_tables = bytes_of_buffer(&tables);
	params.allow_views = bytes_of_buffer(&views);
	message_pack_notification(buffer, MESSAGE_ID_CONFIG_DATABASE, &params);
}

static void pack_databases(
    const struct config *config, const struct config_receiver *receiver, struct buffer *buffer)
{
	for (size_t i = 0; i < config->databases.count; i++) {
		const struct config_database *database = config->databases.items[i];

		if (!receiver->database)
			pack_database(database, false, buffer);
		else if (strcmp(receiver->database, database->name) == 0)
			pack_database(database, true, buffer);
	}
}

static void pack_provider(const struct config_provider *provider,
    const struct config_receiver *receiver, struct buffer *buffer)
{
	bool with_address = receiver->role == ROLE_INFERENCE;
	struct config_provider_params params;

	message_init(&message_rows[MESSAGE_ID_CONFIG_PROVIDER], &params);
	params.name = bytes_of_string(provider->name);
	params.type = bytes_of_string(provider->type);
	if (with_address) {
		params.url = bytes_of_string(provider->url);
		params.api_key_file = bytes_of_string(provider->api_key_file);
		params.ca_file = bytes_of_string(provider->ca_file);
	}
	params.model = bytes_of_string(provider->model);
	params.model_route = bytes_of_string(provider->model_route);
	params.model_sql = bytes_of_string(provider->model_sql);
	params.model_chat = bytes_of_string(provider->model_chat);
	params.model_hard = bytes_of_string(provider->model_hard);
	params.timeout_ms = provider->timeout_ms;
	params.connect_timeout_ms = provider->connect_timeout_ms;
	params.first_token_ms = provider->first_token_ms;
	params.keep_alive_ms = provider->keep_alive_ms;
	params.max_tokens = provider->max_tokens;
	params.max_prompt = provider->max_prompt;
	if (receiver->role == ROLE_ROUTER) {
		params.concurrency = provider->concurrency;
		params.queue = provider->queue;
	}
	message_pack_notification(buffer, MESSAGE_ID_CONFIG_PROVIDER, &params);
}

static void pack_providers(
    const struct config *config, const struct config_receiver *receiver, struct buffer *buffer)
{
	for (size_t i = 0; i < config->providers.count; i++)
		pack_provider(config->providers.items[i], receiver, buffer);
}

static void pack_prompts(const struct config *config, struct buffer *buffer)
{
	for (size_t i = 0; i < config->prompt_texts.count; i++) {
		const struct config_prompt *prompt = config->prompt_texts.items[i];
		struct config_prompt_params params = {
		    .name = bytes_of_string(prompt->name), .text = bytes_of_string(prompt->text)};

		message_pack_notification(buffer, MESSAGE_ID_CONFIG_PROMPT, &params);
	}
}

static void pack_examples(const struct config_database *database, struct buffer *buffer)
{
	for (size_t i = 0; i < database->example_pairs.count; i++) {
		const struct config_example *example = database->example_pairs.items[i];
		struct config_example_params params = {.database = bytes_of_string(database->name),
		    .question = bytes_of_string(example->question),
		    .sql = bytes_of_string(example->sql)};

		message_pack_notification(buffer, MESSAGE_ID_CONFIG_EXAMPLE, &params);
	}
}

static void pack_taught(const struct state_records *taught, struct buffer *buffer)
{
	for (size_t i = 0; i < taught->count; i++) {
		const struct state_record *pair = &taught->items[i];
		struct config_example_params params = {.database = bytes_of_string(pair->database),
		    .question = bytes_of_string(pair->key),
		    .sql = bytes_of_string(pair->value),
		    .taught = true};

		message_pack_notification(buffer, MESSAGE_ID_CONFIG_EXAMPLE, &params);
	}
}

void send_config_pack(
    const struct config *config, const struct config_receiver *receiver, struct buffer *buffer)
{
	struct config_end_params end = {0};

	pack_begin(config, receiver, buffer);
	if (receiver->role == ROLE_ROUTER)
		pack_routing(config, buffer);
	if (receiver->role == ROLE_ROUTER && receiver->corrections)
		pack_corrections(receiver->corrections, buffer);
	pack_databases(config, receiver, buffer);
	if (receiver->role == ROLE_ROUTER || receiver->role == ROLE_INFERENCE)
		pack_providers(config, receiver, buffer);
	if (receiver->role == ROLE_INFERENCE)
		pack_prompts(config, buffer);
	for (size_t i = 0; receiver->role == ROLE_ROUTER && i < config->databases.count; i++)
		pack_examples(config->databases.items[i], buffer);
	if (receiver->role == ROLE_ROUTER && receiver->taught)
		pack_taught(receiver->taught, buffer);
	message_pack_notification(buffer, MESSAGE_ID_CONFIG_END, &end);
}
