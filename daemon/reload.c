/* A new configuration while all goes on: SIGHUP, or a client of the control socket. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/log.h"
#include "common/message.h"
#include "daemon/config_read.h"
#include "daemon/supervisor_parts.h"

enum { CHANGED_KEYS_MAX = 1024 }; /* as reload_request's result allows */

static int report_faults(const struct config_faults *faults, struct error *ret_error)
{
	char more[64] = "";

	for (size_t i = 0; i < config_fault_lines(faults); i++)
		log_error("%s", faults->items[i].text);
	log_error("the configuration was not reloaded; the old one stays");
	if (faults->count > 1)
		snprintf(more, sizeof(more), " (and %zu more, in the log)", faults->count - 1);
	return error_set(ret_error, ERROR_BAD_REQUEST, "%.440s%s", faults->items[0].text, more);
}

static void drop_snapshots(
    struct supervisor *supervisor, const struct config_changes *changes, const struct config *after)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct config_change *change = &changes->items[i];

		if (change->list != CONFIG_DATABASES || !change->element)
			continue;
		if (change->apply == CONFIG_APPLY_REPLACE ||
		    !config_find_database(after, change->element))
			snapshots_drop(&supervisor->snapshots, change->element);
	}
}

static void replace_children(struct supervisor *supervisor, const struct config_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct config_change *change = &changes->items[i];
		struct child_record *child;

		if (change->apply != CONFIG_APPLY_REPLACE)
			continue;
		for (child = supervisor->children.first; child; child = child->next)
			if (child->database && strcmp(child->database, change->element) == 0)
				child_restart(child);
	}
}

/* The order matters: who is to go must not see a configuration that it has no place in, and
 * who is new gets it when it is spawned. */
static void apply_changes(struct supervisor *supervisor, const struct config_changes *changes)
{
	struct children *children = &supervisor->children;
	enum log_level level;

	if (log_level_from_name(supervisor->config->log_level, &level))
		log_set_level(level);
	children_stop_unwanted(children, supervisor->config);
	replace_children(supervisor, changes);
	for (struct child_record *child = children->first; child; child = child->next)
		if (child->life.state == LIFE_STARTING || child->life.state == LIFE_READY)
			wiring_send_config(supervisor, child);
	children_start_wanted(children, supervisor->config);
}

/* What a client reads: the keys; those that wait for a restart say so. */
static void pack_changed(const struct config_changes *changes, struct buffer *ret_changed)
{
	size_t count = changes->count < CHANGED_KEYS_MAX ? changes->count : CHANGED_KEYS_MAX;
	char **names = must_zalloc((count + 1) * sizeof(*names));

	for (size_t i = 0; i < count; i++) {
		const struct config_change *change = &changes->items[i];
		struct buffer name = BUFFER_INIT;

		buffer_printf(&name, "%s%s", change->path,
		    change->apply == CONFIG_APPLY_RESTART ? " (when optimaxd is restarted)" : "");
		buffer_string(&name);
		names[i] = name.data;
		log_notice("configuration: %s has changed", names[i]);
	}
	texts_pack(ret_changed, (const char *const *)names, count);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static void adopt(struct supervisor *supervisor, struct config *after, struct buffer *ret_changed)
{
	struct config *before = supervisor->config;
	struct config_changes changes;

	config_compare(before, after, &changes);
	pack_changed(&changes, ret_changed);
	if (changes.count > 0) {
		config_keep_restart_keys(before, after);
		drop_snapshots(supervisor, &changes, after);
		supervisor->config = after;
		apply_changes(supervisor, &changes);
		after = before;
	}
	config_changes_deinit(&changes);
	config_free(after);
}

static void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

int supervisor_reload(
    struct supervisor *supervisor, struct buffer *ret_changed, struct error *ret_error)
{
	struct config_faults faults;
	struct config *config;
	int r = 0;

	if (supervisor->phase != PHASE_SERVING)
		return error_set(ret_error, ERROR_SHUTTING_DOWN, "optimaxd is stopping");
	if (supervisor->is_ready)
		notify_reloading();
	config = config_read_file(supervisor->config_file, &faults);
	if (config)
		adopt(supervisor, config, ret_changed);
	else
		r = report_faults(&faults, ret_error);
	config_fault_deinit(&faults);
	if (supervisor->is_ready)
		sd_notify(0, "READY=1");
	return r;
}
