#include "daemon/threshold.h"

const double threshold_edges[THRESHOLD_BINS] = {0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95};

enum {
	DEFAULT_BIN = 3, /* routing.min_confidence where nothing else is written */
	ASKED_MIN = 50, /* below this the evidence says nothing */
	PRIOR_ASKED = 20, /* what the confidence itself says counts like so many answers, a bin */
	PRIOR_SEEN = 10,
};

static const double wrong_max = 0.03;
/* Nor is it lowered to where one of four is wrong, however many others are right. */
static const double wrong_max_of_bin = 0.25;
static const double factor_min = 0.25, factor_max = 4;

unsigned threshold_bin(double confidence)
{
	unsigned bin = THRESHOLD_BINS - 1;

	while (bin > 0 && confidence < threshold_edges[bin])
		bin--;
	return bin;
}

/* What the confidence itself promises: the share that is wrong. In the last bin most are near 1. */
static const double promised[THRESHOLD_BINS] = {
    0.45, 0.35, 0.275, 0.225, 0.175, 0.125, 0.075, 0.01};

/* By how much the promise was broken where a model was asked; that is below the threshold only,
 * and what is above is judged by it. */
static double broken_factor(const struct threshold_evidence *evidence)
{
	double wrong = PRIOR_ASKED, expected = PRIOR_ASKED, factor;

	for (unsigned i = 0; i < THRESHOLD_BINS; i++) {
		wrong += (double)(evidence->asked[i] - evidence->agreed[i]);
		expected += (double)evidence->asked[i] * promised[i];
	}
	factor = wrong / expected;
	return factor < factor_min ? factor_min : factor > factor_max ? factor_max : factor;
}

static double wrong_share(const struct threshold_evidence *evidence, unsigned bin, double factor)
{
	double wrong = (double)(evidence->asked[bin] - evidence->agreed[bin]);

	return (wrong + PRIOR_ASKED * promised[bin] * factor) /
	       ((double)evidence->asked[bin] + PRIOR_ASKED);
}

double threshold_choose(const struct threshold_evidence *evidence)
{
	double factor = broken_factor(evidence), wrong = 0, seen = 0;
	unsigned best = THRESHOLD_BINS - 1;
	uint64_t asked = 0;

	for (unsigned i = 0; i < THRESHOLD_BINS; i++)
		asked += evidence->asked[i];
	if (asked < ASKED_MIN)
		return threshold_edges[DEFAULT_BIN];
	for (unsigned i = THRESHOLD_BINS; i-- > 0;) {
		double texts = (double)evidence->seen[i] + PRIOR_SEEN;

		if (wrong_share(evidence, i, factor) > wrong_max_of_bin)
			break;
		wrong += texts * wrong_share(evidence, i, factor);
		seen += texts;
		if (wrong <= wrong_max * seen)
			best = i;
	}
	return threshold_edges[best];
}
