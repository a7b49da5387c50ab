/*
 * Texts whose route was learnt, in one classifier. Internal to the classifier; the public side,
 * classify_fold and classifier_correction, is in classify.h.
 */
#pragma once

#include "daemon/classify.h"

struct classify_corrections {
	size_t count;
	struct classify_correction *items; /* sorted by text, those of the one database first */
};

void classify_corrections_add(
    struct classify_corrections *corrections, const struct classifier_rule *rule);
/* After the last one was added. */
void classify_corrections_sort(struct classify_corrections *corrections);
void classify_corrections_deinit(struct classify_corrections *corrections);
enum route classify_corrections_find(
    const struct classify_corrections *corrections, struct bytes text);
