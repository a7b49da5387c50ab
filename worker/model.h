/*
 * A provider that is a model server: time, retries, the breaker, the cache of completions, and
 * what status says. How many may be called at once, and who next, is the router's. The callbacks of
 * struct provider_type for every kind of server; model_wire.h has what they differ in.
 */
#pragma once

#include "worker/model_wire.h"
#include "worker/provider.h"

void model_configure(
    struct provider *provider, struct event_base *base, const struct model_wire *wire);
void model_deinit(struct provider *provider);
bool model_can(const struct provider *provider, enum provider_job job);
void model_generate(struct provider *provider, struct provider_call *call);
void model_permit(struct provider *provider, struct provider_call *call, const struct error *error);
void model_joined(struct provider *provider, struct provider_call *call, bool wants_text);
void model_cancel(struct provider *provider, struct provider_call *call);
