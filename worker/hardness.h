/*
 * Whether a data question is hard enough for the stronger model (models.hard): from the tables
 * that it names, its length, its aggregates, and attempts that failed. Pure.
 */
#pragma once

#include <stdbool.h>

#include "text/vocabulary.h"

struct hardness {
	unsigned words;
	unsigned tables; /* that are named: one join fewer */
	unsigned aggregates; /* words such as average, most, per */
	unsigned failures; /* earlier attempts at this question */
};

/* vocabulary NULL: no table is known. Leaves failures 0. */
struct hardness hardness_measure(struct bytes question, const struct vocabulary *vocabulary);
bool hardness_is_hard(const struct hardness *hardness);
