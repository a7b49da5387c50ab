#include "daemon/permits.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_AFTER_MS = 1000 };

struct permit_provider {
	TAILQ_ENTRY(permit_provider) link;
	struct permits *permits;
	char name[LIMIT_NAME_BYTES + 1];
	struct turns turns;
	bool configured; /* else it goes with its last permit */
};

struct permits {
	TAILQ_HEAD(, permit_provider) providers; /* those that are configured first, in order */
};

static struct permit *of_turn(struct turn *turn)
{
	return (struct permit *)(void *)((char *)turn - offsetof(struct permit, turn));
}

struct permits *permits_new(void)
{
	struct permits *permits = must_zalloc(sizeof(*permits));

	TAILQ_INIT(&permits->providers);
	return permits;
}

/* ---- providers ---- */

static struct permit_provider *find(const struct permits *permits, struct bytes name)
{
	struct permit_provider *provider;

	TAILQ_FOREACH(provider, &permits->providers, link)
	if (bytes_equal_string(name, provider->name))
		return provider;
	return NULL;
}

static struct permit_provider *provider_new(struct permits *permits, const char *name)
{
	struct permit_provider *provider = must_zalloc(sizeof(*provider));

	provider->permits = permits;
	snprintf(provider->name, sizeof(provider->name), "%s", name);
	turns_init(&provider->turns, 0, 0);
	TAILQ_INSERT_TAIL(&permits->providers, provider, link);
	return provider;
}

static void forget_if_idle(struct permit_provider *provider)
{
	if (provider->configured || provider->turns.under_way > 0 || provider->turns.waiting > 0)
		return;
	TAILQ_REMOVE(&provider->permits->providers, provider, link);
	free(provider);
}

static void refuse(struct permit *permit, const struct error *error)
{
	permit->provider = NULL;
	permit->answer(permit, error);
}

static void grant_free(struct permit_provider *provider)
{
	struct turn *turn;

	while ((turn = turns_next(&provider->turns))) {
		struct permit *permit = of_turn(turn);

		permit->held = true;
		permit->answer(permit, NULL);
	}
}

static void set_config_changed(struct error *error)
{
	error_set(error, ERROR_OVERLOADED, "the configuration has changed");
	error->retry_after_ms = 1;
}

static void put_out_all(struct permit_provider *provider)
{
	struct error error;
	struct turn *turn;

	set_config_changed(&error);
	while ((turn = TAILQ_FIRST(&provider->turns.queue))) {
		turns_leave(&provider->turns, turn);
		refuse(of_turn(turn), &error);
	}
}

/* The rules have no limit: they answer at once. */
static bool needs_permits(const struct child_provider *settings)
{
	return strcmp(settings->type, "builtin") != 0;
}

void permits_configure(struct permits *permits, const struct child_config *config)
{
	struct permit_provider *provider, *next;

	TAILQ_FOREACH(provider, &permits->providers, link)
	provider->configured = false;
	for (size_t i = config->provider_count; i-- > 0;) {
		const struct child_provider *settings = &config->providers[i];

		if (!needs_permits(settings))
			continue;
		provider = find(permits, bytes_of_string(settings->name));
		if (!provider)
			provider = provider_new(permits, settings->name);
		provider->configured = true;
		provider->turns.limit = (size_t)settings->concurrency;
		provider->turns.queue_limit = (size_t)settings->queue;
		TAILQ_REMOVE(&permits->providers, provider, link);
		TAILQ_INSERT_HEAD(&permits->providers, provider, link);
		grant_free(provider);
	}
	for (provider = TAILQ_FIRST(&permits->providers); provider; provider = next) {
		next = TAILQ_NEXT(provider, link);
		if (provider->configured)
			continue;
		put_out_all(provider);
		forget_if_idle(provider);
	}
}

void permits_free(struct permits *permits)
{
	struct permit_provider *provider;

	if (!permits)
		return;
	while ((provider = TAILQ_FIRST(&permits->providers))) {
		TAILQ_REMOVE(&permits->providers, provider, link);
		free(provider);
	}
	free(permits);
}

bool permits_use(const struct permits *permits, struct bytes provider, struct permits_use *ret_use)
{
	const struct permit_provider *found = find(permits, provider);

	if (!found)
		return false;
	*ret_use =
	    (struct permits_use){found->turns.under_way, found->turns.limit, found->turns.waiting};
	return true;
}

/* ---- permits ---- */

void permits_drop(struct permit *permit)
{
	struct permit_provider *provider = permit->provider;

	if (!provider)
		return;
	permit->provider = NULL;
	if (!permit->held) {
		turns_leave(&provider->turns, &permit->turn);
	} else {
		permit->held = false;
		turns_end(&provider->turns);
		grant_free(provider);
	}
	forget_if_idle(provider);
}

void permits_stop_waiting(struct permit *permit)
{
	if (!permit->held)
		permits_drop(permit);
}

struct bytes permits_offer(struct permits *permits, struct permit *permit, int64_t client)
{
	struct permit_provider *provider = TAILQ_FIRST(&permits->providers);

	permits_drop(permit);
	if (!provider || !provider->configured ||
	    !turns_take(&provider->turns, &permit->turn, client))
		return BYTES_NONE;
	permit->provider = provider;
	permit->held = true;
	return bytes_of_string(provider->name);
}

static void put_out(struct permit *permit, const struct turns *turns)
{
	struct error error;

	error_set(&error, ERROR_OVERLOADED, "%zu requests wait for it already", turns->waiting);
	error.retry_after_ms = RETRY_AFTER_MS;
	refuse(permit, &error);
}

void permits_ask(struct permits *permits, struct permit *permit, struct bytes name, int64_t client)
{
	struct permit_provider *provider;
	struct turn *last;
	struct error error;

	permits_drop(permit);
	provider = find(permits, name);
	if (!provider || !provider->configured) {
		set_config_changed(&error);
		refuse(permit, &error);
		return;
	}
	permit->provider = provider;
	last = turns_wait(&provider->turns, &permit->turn, client);
	if (last)
		put_out(of_turn(last), &provider->turns);
	grant_free(provider);
}
