/*
 * routing.min_confidence: auto. Counts how sure the heuristic was, and how often a model agreed
 * with what it leaned to where it was asked, and chooses the least confidence from which on at
 * most 3 of 100 decisions are expected to be wrong. Pure, but for the counting.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { THRESHOLD_BINS = 8 };

/* One bin for each range of confidence, from 0.5 up. */
struct threshold_evidence {
	uint64_t seen[THRESHOLD_BINS]; /* texts that the heuristic judged */
	uint64_t asked[THRESHOLD_BINS]; /* of them: a model decided */
	uint64_t agreed[THRESHOLD_BINS]; /* of them: for what the heuristic leaned to */
};

/* The least confidence of each bin. */
extern const double threshold_edges[THRESHOLD_BINS];

unsigned threshold_bin(double confidence);
/* One of the edges. Until a model was asked often enough to say anything: the default. */
double threshold_choose(const struct threshold_evidence *evidence);
