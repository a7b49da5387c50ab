/* Stands in for every program of ours in test_supervisor.c: the skeleton of a child that does
 * nothing but say on its log what it was told. Its role is the name it is run by. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/child.h"
#include "common/log.h"

static bool was_configured;

static void send_schema(struct child *child)
{
	struct snapshot_params params = {
	    .database = bytes_of_string(child->config->databases[0].name),
	    .version = bytes_of_string("v1"),
	};
	int fd = memfd_create("schema", MFD_CLOEXEC);

	child_notify(child, MESSAGE_ID_SNAPSHOT, &params, fd);
	close(fd);
}

static void configure(struct child *child)
{
	const struct child_config *config = child->config;

	if (!was_configured)
		log_notice("pid %d", (int)getpid());
	log_notice("configured: %zu databases, %lld clients", config->database_count,
	    (long long)config->max_clients);
	if (was_configured)
		return;
	was_configured = true;
	child_ready(child);
	if (child->role == ROLE_WATCHER)
		send_schema(child);
}

static void attach(struct child *child, int fd)
{
	(void)child;
	log_notice("attached");
	close(fd);
}

static void snapshot(struct child *child, struct bytes database, struct bytes version, int fd)
{
	(void)child;
	log_notice("schema %.*s %.*s%s", (int)database.size, database.data, (int)version.size,
	    version.data, fd >= 0 ? "" : " without a descriptor");
}

static void take_state(struct bytes map)
{
	struct child_state_params params;
	struct error error;

	if (message_unpack(&message_rows[MESSAGE_ID_CHILD_STATE], map, &params, &error) != 0)
		log_error("bad state: %s", error.message);
	else
		log_notice("hears: %s %.*s %d is %.*s, %d restarts", role_rows[params.role].name,
		    (int)params.database.size, params.database.data, (int)params.index,
		    (int)params.state.size, params.state.data, (int)params.restarts);
}

static void control(struct child *child, struct rpc_message *message)
{
	struct error error;
	struct bytes map;
	int fd;

	if (rpc_params_map(message->params, &map, &error) != 0)
		return;
	if (bytes_equal_string(message->method, "child_state")) {
		take_state(map);
	} else if (bytes_equal_string(message->method, "worker")) {
		fd = channel_take_fd(child->control);
		log_notice("has a worker%s", fd >= 0 ? "" : " without a descriptor");
		close(fd);
	}
}

static void stop(struct child *child)
{
	log_notice("stops");
	child_exit(child);
}

static enum role role_of(const char *program)
{
	const char *slash = strrchr(program, '/');
	int role = 0;

	while (role < ROLE_COUNT && strcmp(role_rows[role].program, slash ? slash + 1 : program))
		role++;
	return (enum role)role;
}

int main(int argc, char **argv)
{
	static const struct child_ops ops = {
	    .configure = configure,
	    .attach = attach,
	    .snapshot = snapshot,
	    .control = control,
	    .stop = stop,
	};
	enum role role = role_of(argv[0]);

	/* optimax-check runs and exits: 0 unless the instance is one it does not like. */
	if (role == ROLE_CHECK) {
		fprintf(stderr, "check %s %s\n", argc > 7 ? argv[7] : "", argc > 8 ? argv[8] : "");
		return argc > 2 && strcmp(argv[2], "refused") == 0;
	}
	return child_main(role, &ops, NULL, argc, argv);
}
