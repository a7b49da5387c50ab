#include "worker/provider.h"

static const struct provider_type *const types[] = {
    &provider_builtin, &provider_ollama, &provider_openai};

static const char *const jobs[] = {
    [PROVIDER_ROUTE] = "route",
    [PROVIDER_SQL] = "sql",
    [PROVIDER_CHAT] = "chat",
};

const struct provider_type *provider_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

enum provider_job provider_job_find(struct bytes name)
{
	enum provider_job job = 0;

	while (job < PROVIDER_JOB_COUNT && !bytes_equal_string(name, jobs[job]))
		job++;
	return job;
}
