/* What children say: ready, schemas, requests to reload, the line for systemd. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/log.h"
#include "common/message.h"
#include "daemon/corrections.h"
#include "daemon/supervisor_parts.h"
#include "daemon/taught.h"

static int take_ready(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	(void)message;
	log_debug("%s (pid %d): ready", child->title, (int)child->pid);
	child_said_ready(child);
	watchdog_alive(child);
	if (child->role == ROLE_ROUTER && !supervisor->is_ready) {
		supervisor->is_ready = true;
		log_notice("ready: %s", supervisor->config->socket);
		sd_notify(0, "READY=1\nSTATUS=serving");
	}
	return 0;
}

static int take_alive(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	(void)supervisor;
	(void)message;
	watchdog_alive(child);
	return 0;
}

static int take_snapshot(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	int fd = channel_take_fd(child->control);
	struct snapshot_params params;
	struct error error;
	struct bytes map;

	if (fd < 0)
		return -EBADMSG;
	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_SNAPSHOT], map, &params, &error) != 0 ||
	    !bytes_equal_string(params.database, child->database)) {
		close(fd);
		return -EBADMSG;
	}
	/* One that is about to be replaced may have read the schema by an older configuration. */
	if (child->life.state == LIFE_RESTARTING || child->life.state == LIFE_STOPPING) {
		close(fd);
		return 0;
	}
	wiring_send_snapshot(
	    supervisor, snapshots_set(&supervisor->snapshots, child->database, params.version, fd));
	return 0;
}

static int take_reload_request(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	CLEAN(buffer) struct buffer changed = BUFFER_INIT;
	CLEAN(buffer) struct buffer reply = BUFFER_INIT;
	struct error error = ERROR_INIT;

	if (supervisor_reload(supervisor, &changed, &error) == 0) {
		struct reload_request_result result = {.changed = bytes_of_buffer(&changed)};

		message_pack_response(&reply, message->msgid, &reload_request_result_row, &result);
	} else {
		message_pack_error(&reply, true, message->msgid, &error);
	}
	channel_send(child->control, bytes_of_buffer(&reply));
	return 0;
}

/* The answer comes when the checker has ended, or never where this router has by then. */
static int take_inspect_cache(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	CLEAN(buffer) struct buffer reply = BUFFER_INIT;
	struct inspect_cache_params params;
	struct error error;
	struct bytes map;

	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_INSPECT_CACHE], map, &params, &error) != 0)
		return -EBADMSG;
	if (inspections_start(&supervisor->inspections, supervisor->config, supervisor->lock_fd,
	        &params, child->pid, message->msgid, &error) == 0)
		return 0;
	message_pack_error(&reply, true, message->msgid, &error);
	channel_send(child->control, bytes_of_buffer(&reply));
	return 0;
}

/* The router has what is kept now when it reads the answer: the channel keeps the order. */
static void answer_kept(struct supervisor *supervisor, struct child_record *child, uint32_t msgid,
    const struct error *error, const struct message_row *row, const void *result)
{
	CLEAN(buffer) struct buffer reply = BUFFER_INIT;

	if (error->code == ERROR_NONE) {
		wiring_send_config(supervisor, child);
		message_pack_response(&reply, msgid, row, result);
	} else {
		message_pack_error(&reply, true, msgid, error);
	}
	channel_send(child->control, bytes_of_buffer(&reply));
}

static int take_learn_request(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	struct learn_request_result result;
	struct learn_request_params params;
	struct error error = ERROR_INIT;
	struct bytes map;

	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_LEARN_REQUEST], map, &params, &error) != 0)
		return -EBADMSG;
	corrections_learn(&supervisor->corrections, supervisor->config->state_dir, params.database,
	    params.route, params.text, &error);
	result.corrections = (int64_t)supervisor->corrections.count;
	answer_kept(supervisor, child, message->msgid, &error, &learn_request_result_row, &result);
	return 0;
}

static int take_teach_request(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	CLEAN(free) char *database = NULL;
	struct teach_request_result result;
	struct teach_request_params params;
	struct error error = ERROR_INIT;
	struct bytes map;

	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_TEACH_REQUEST], map, &params, &error) != 0)
		return -EBADMSG;
	state_records_put(&supervisor->taught, &taught_kind, supervisor->config->state_dir,
	    params.database, params.question, params.sql, &error);
	database = bytes_to_string(params.database);
	result.taught = (int64_t)taught_count(&supervisor->taught, database);
	answer_kept(supervisor, child, message->msgid, &error, &teach_request_result_row, &result);
	return 0;
}

static int take_service_state(
    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message)
{
	struct service_state_params params;
	struct error error;
	struct bytes map;

	(void)child;
	if (rpc_params_map(message->params, &map, &error) != 0 ||
	    message_unpack(&message_rows[MESSAGE_ID_SERVICE_STATE], map, &params, &error) != 0)
		return -EBADMSG;
	if (supervisor->phase == PHASE_SERVING)
		sd_notifyf(0, "STATUS=%.*s", (int)params.text.size, params.text.data);
	return 0;
}

static const struct {
	enum message_id id;
	enum rpc_type type;
	enum role from; /* ROLE_COUNT: all */
	int (*take)(
	    struct supervisor *supervisor, struct child_record *child, struct rpc_message *message);
} methods[] = {
    {MESSAGE_ID_READY, RPC_NOTIFICATION, ROLE_COUNT, take_ready},
    {MESSAGE_ID_ALIVE, RPC_NOTIFICATION, ROLE_COUNT, take_alive},
    {MESSAGE_ID_SNAPSHOT, RPC_NOTIFICATION, ROLE_WATCHER, take_snapshot},
    {MESSAGE_ID_INSPECT_CACHE, RPC_REQUEST, ROLE_ROUTER, take_inspect_cache},
    {MESSAGE_ID_RELOAD_REQUEST, RPC_REQUEST, ROLE_ROUTER, take_reload_request},
    {MESSAGE_ID_LEARN_REQUEST, RPC_REQUEST, ROLE_ROUTER, take_learn_request},
    {MESSAGE_ID_TEACH_REQUEST, RPC_REQUEST, ROLE_ROUTER, take_teach_request},
    {MESSAGE_ID_SERVICE_STATE, RPC_NOTIFICATION, ROLE_ROUTER, take_service_state},
};

void relay_message(void *owner, struct child_record *child, struct rpc_message *message)
{
	struct supervisor *supervisor = owner;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (message->type != methods[i].type ||
		    (methods[i].from != ROLE_COUNT && methods[i].from != child->role) ||
		    !bytes_equal_string(message->method, message_rows[methods[i].id].method))
			continue;
		if (methods[i].take(supervisor, child, message) != 0)
			child_kill(child, "it sent a message that can't be read");
		return;
	}
	child_kill(child, "it sent a message that is not its to send");
}
