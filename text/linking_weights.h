/*
 * What speaks how much for a table in schema linking. The table is linking_weights.def; others
 * than those are for measuring (bench/link_fit).
 */
#pragma once

struct linking_weights {
#define LINKING_WEIGHT(name, value) float name;
#include "text/linking_weights.def"
#undef LINKING_WEIGHT
};

extern const struct linking_weights linking_weights;
