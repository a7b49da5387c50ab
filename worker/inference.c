/*
 * optimax-inference: gives the router's jobs to the providers (models, or the builtin rules).
 * This file has the process: its configuration, its channel to the router and its methods.
 */
#include "common/channel.h"
#include "common/child.h"
#include "common/log.h"
#include "common/message.h"
#include "shm/cache.h"
#include "shm/segment.h"
#include "worker/compose_reply.h"
#include "worker/generation.h"

struct inference_worker {
	struct child *child; /* NULL before the first configuration */
	struct channel *router; /* NULL: none */
	struct generations generations;
};

static void send_error(struct inference_worker *worker, uint32_t msgid, const struct error *error)
{
	CLEAN(buffer) struct buffer message = BUFFER_INIT;

	message_pack_error(&message, true, msgid, error);
	channel_send_buffer(worker->router, &message);
}

/* The last job of a worker that stops ends the process. */
static void exit_when_idle(struct inference_worker *worker)
{
	if (worker->child->stopping && worker->generations.count == 0)
		child_exit(worker->child);
}

static void send_to_router(void *owner, struct buffer *message)
{
	struct inference_worker *worker = owner;

	if (worker->router)
		channel_send_buffer(worker->router, message);
}

static void generate(struct inference_worker *worker, const struct rpc_message *message)
{
	struct generate_params params;
	struct error error = ERROR_INIT;
	struct bytes map;

	if (worker->child->stopping)
		error_set(&error, ERROR_SHUTTING_DOWN, "the daemon is stopping");
	else if (rpc_params_map(message->params, &map, &error) == 0 &&
	         message_unpack(&message_rows[MESSAGE_ID_GENERATE], map, &params, &error) == 0)
		generation_start(&worker->generations, message->msgid, &params);
	if (error.code != ERROR_NONE)
		send_error(worker, message->msgid, &error);
}

static void compose(struct inference_worker *worker, const struct rpc_message *message)
{
	CLEAN(buffer) struct buffer pairs = BUFFER_INIT;
	CLEAN(buffer) struct buffer response = BUFFER_INIT;
	struct compose_result result;
	struct compose_params params;
	struct error error = ERROR_INIT;
	struct bytes map;

	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_COMPOSE], map, &params, &error) != 0 ||
	    compose_reply_pack(&worker->generations, &params, &pairs, &error) != 0) {
		send_error(worker, message->msgid, &error);
		return;
	}
	result.pairs = bytes_of_buffer(&pairs);
	message_pack_response(&response, message->msgid, &compose_result_row, &result);
	channel_send_buffer(worker->router, &response);
}

static void joined(struct inference_worker *worker, const struct rpc_message *message)
{
	struct joined_params params;
	struct error error;
	struct bytes map;

	if (rpc_params_map(message->params, &map, &error) == 0 &&
	    message_unpack(&message_rows[MESSAGE_ID_JOINED], map, &params, &error) == 0)
		generation_joined(&worker->generations, &params);
	else
		log_error("\"joined\" came with wrong parameters: %s", error.message);
}

static void permit(struct inference_worker *worker, const struct rpc_message *message)
{
	struct error error = ERROR_INIT;

	if (message->error.data && message_unpack_error(message->error, &error) != 0)
		error_set(&error, ERROR_INTERNAL, "the router's answer can't be read");
	generation_permit(
	    &worker->generations, message->msgid, message->error.data ? &error : NULL);
}

static bool is_method(const struct rpc_message *message, enum rpc_type type, enum message_id id)
{
	return message->type == type &&
	       bytes_equal_string(message->method, message_rows[id].method);
}

static void on_message(struct channel *channel, void *owner, struct rpc_message *message)
{
	struct inference_worker *worker = owner;
	uint32_t msgid;

	(void)channel;
	if (is_method(message, RPC_REQUEST, MESSAGE_ID_GENERATE)) {
		generate(worker, message);
	} else if (is_method(message, RPC_REQUEST, MESSAGE_ID_COMPOSE)) {
		compose(worker, message);
	} else if (is_method(message, RPC_NOTIFICATION, MESSAGE_ID_JOINED)) {
		joined(worker, message);
	} else if (message->type == RPC_RESPONSE) {
		permit(worker, message);
	} else if (message->type == RPC_NOTIFICATION &&
	           bytes_equal_string(message->method, "cancel")) {
		if (rpc_cancel_msgid(message->params, &msgid))
			generation_cancel(&worker->generations, msgid);
	} else {
		log_error("the router sent a message that no inference worker knows, exiting");
		child_fail(worker->child);
	}
	exit_when_idle(worker);
}

static void forget_router(struct inference_worker *worker)
{
	channel_free(worker->router);
	worker->router = NULL;
	generations_abandon(&worker->generations);
}

static void on_router_ended(struct channel *channel, void *owner, enum channel_end why)
{
	struct inference_worker *worker = owner;

	(void)channel;
	if (why == CHANNEL_BAD_MESSAGE) {
		log_error("the router sent what is no message, exiting");
		child_fail(worker->child);
	}
	forget_router(worker);
	exit_when_idle(worker);
}

static const struct channel_ops router_ops = {.message = on_message, .ended = on_router_ended};

static void send_delta(void *owner, uint32_t msgid, struct bytes text)
{
	struct inference_worker *worker = owner;
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct delta_params params;

	if (!worker->router)
		return;
	message_init(&message_rows[MESSAGE_ID_DELTA], &params);
	params.msgid = msgid;
	params.text = text;
	message_pack_notification(&message, MESSAGE_ID_DELTA, &params);
	channel_send_buffer(worker->router, &message);
}

static void send_want_permit(
    void *owner, uint32_t permit_msgid, uint32_t msgid, const char *provider)
{
	struct inference_worker *worker = owner;
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct permit_params params = {.msgid = msgid, .provider = bytes_of_string(provider)};

	if (!worker->router)
		return;
	message_pack_request(&message, permit_msgid, MESSAGE_ID_PERMIT, &params);
	channel_send_buffer(worker->router, &message);
}

static void send_provider_state(void *owner, const struct provider *provider)
{
	struct inference_worker *worker = owner;
	CLEAN(buffer) struct buffer message = BUFFER_INIT;
	struct provider_state_params params;

	if (!worker->router)
		return;
	message_init(&message_rows[MESSAGE_ID_PROVIDER_STATE], &params);
	params.name = bytes_of_string(provider->settings->name);
	params.state = bytes_of_string(provider->state);
	if (provider->last_error[0])
		params.last_error = bytes_of_string(provider->last_error);
	params.latency_ms = provider->latency_ms;
	params.tokens_per_s = provider->tokens_per_s;
	message_pack_notification(&message, MESSAGE_ID_PROVIDER_STATE, &params);
	channel_send_buffer(worker->router, &message);
}

static void send_provider_states(struct inference_worker *worker)
{
	for (size_t i = 0; i < worker->generations.provider_count; i++)
		send_provider_state(worker, &worker->generations.providers[i]);
}

static void attach_segments(struct inference_worker *worker)
{
	const struct child_config *config = worker->child->config;
	struct metrics *metrics = NULL;
	struct cache *cache = NULL;
	int r = segment_attach_metrics(config->instance, true, &metrics);

	if (r == 0)
		r = metrics_claim(metrics, ROLE_INFERENCE, "", (unsigned)config->index);
	if (r == 0)
		r = segment_attach_cache(config->instance, &cache);
	if (r < 0) {
		log_error("cannot attach the shared memory of instance %s: %s", config->instance,
		    segment_attach_fault(r));
		child_fail(worker->child);
	}
	cache_count_in(cache, metrics);
	worker->generations.metrics = metrics;
	worker->generations.cache = cache;
}

static void configure(struct child *child)
{
	struct inference_worker *worker = child->owner;
	bool first = !worker->child;

	worker->child = child;
	worker->generations.base = child->base;
	worker->generations.send = send_to_router;
	worker->generations.delta = send_delta;
	worker->generations.want_permit = send_want_permit;
	worker->generations.changed = send_provider_state;
	worker->generations.owner = worker;
	if (first)
		attach_segments(worker);
	generations_configure(&worker->generations, child->config);
	send_provider_states(worker);
	if (first)
		child_ready(child);
}

static void attach(struct child *child, int fd)
{
	struct inference_worker *worker = child->owner;

	if (worker->router)
		forget_router(worker);
	worker->router = child_router_channel(child, fd, &router_ops);
	send_provider_states(worker);
}

static void take_snapshot(struct child *child, struct bytes database, struct bytes version, int fd)
{
	struct inference_worker *worker = child->owner;
	struct snapshot *snapshot;
	int r = snapshot_from_fd(fd, &snapshot);

	(void)version;
	if (r < 0) {
		log_error(
		    "the schema of database \"%.*s\" cannot be read: %s; keeping the one before",
		    (int)database.size, database.data, strerror(-r));
		return;
	}
	generations_set_schema(&worker->generations, database, snapshot);
}

static void stop(struct child *child)
{
	struct inference_worker *worker = child->owner;

	if (!worker->child || worker->generations.count == 0)
		child_exit(child);
}

static void deinit(struct child *child)
{
	struct inference_worker *worker = child->owner;

	generations_deinit(&worker->generations);
	channel_free(worker->router);
	worker->router = NULL;
}

static const struct child_ops ops = {.configure = configure,
    .attach = attach,
    .snapshot = take_snapshot,
    .stop = stop,
    .deinit = deinit};

int main(int argc, char **argv)
{
	static struct inference_worker worker;

	return child_main(ROLE_INFERENCE, &ops, &worker, argc, argv);
}
