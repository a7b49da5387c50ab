#include "worker/provider_job.h"

static const struct {
	const char *name;
	enum prompt_kind prompt;
	bool makes_sql;
} jobs[PROVIDER_JOB_COUNT] = {
    [PROVIDER_ROUTE] = {"route", PROMPT_ROUTE, false},
    [PROVIDER_SQL] = {"sql", PROMPT_SQL, true},
    [PROVIDER_CHAT] = {"chat", PROMPT_CHAT, false},
    [PROVIDER_REPAIR] = {"repair", PROMPT_REPAIR, true},
};

enum provider_job provider_job_find(struct bytes name)
{
	enum provider_job job = 0;

	while (job < PROVIDER_JOB_COUNT && !bytes_equal_string(name, jobs[job].name))
		job++;
	return job;
}

enum prompt_kind provider_job_prompt(enum provider_job job)
{
	return jobs[job].prompt;
}

bool provider_job_makes_sql(enum provider_job job)
{
	return jobs[job].makes_sql;
}
