/*
 * The jobs that providers do: their names on the wire, what a model is sent for each, and whether
 * what comes of it is SQL.
 */
#pragma once

#include <stdbool.h>

#include "worker/prompt.h"

enum provider_job {
	PROVIDER_ROUTE,
	PROVIDER_SQL,
	PROVIDER_CHAT,
	PROVIDER_REPAIR, /* SQL once more, for a statement that was refused */
	PROVIDER_JOB_COUNT
};

/* The job of that name on the wire, or PROVIDER_JOB_COUNT. */
enum provider_job provider_job_find(struct bytes name);
/* What a model is sent for it. */
enum prompt_kind provider_job_prompt(enum provider_job job);
bool provider_job_makes_sql(enum provider_job job);
