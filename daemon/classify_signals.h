/*
 * The signals that a text is judged by, and how much of each it has. Their weights and meanings
 * are classify_signals.def. Internal to the classifier; bench/route_eval reads them to fit weights.
 */
#pragma once

#include "daemon/classify.h"
#include "text/tokens.h"

enum signal {
#define SIGNAL(id, name, weight, limit, meaning) SIGNAL_##id,
#include "daemon/classify_signals.def"
#undef SIGNAL
	SIGNAL_COUNT
};

/* Log-odds of a data question before a word is read; fitted with the signals' weights. */
#define CLASSIFY_BASE (0.40)

/* Tokens, and bytes, that are read: the rest of a longer text adds nothing that could be trusted
 * more. */
enum { CLASSIFY_TOKENS_MAX = 256, CLASSIFY_BYTES_MAX = 8 * 1024 };

struct signal_row {
	const char *name;
	double weight; /* of one unit, towards a data question where positive */
	double limit; /* of the amount, to both sides */
	const char *meaning;
};

extern const struct signal_row signal_rows[SIGNAL_COUNT];

struct signals {
	double amounts[SIGNAL_COUNT];
	char texts[SIGNAL_COUNT][sizeof(((struct classify_reason *)0)->text)];
};

/* Adds to one signal, up to its limit, and notes the words that were seen. */
void signals_add(struct signals *signals, enum signal signal, double amount, struct bytes seen);

/* All signals of the words and of the schema; vocabulary NULL: none is known. */
void signals_read(const struct tokens *tokens, const struct vocabulary *vocabulary,
    bool has_history, struct signals *signals);

/* The rules of the configuration: their weights become the amounts. */
void classifier_apply(const struct classifier *classifier, struct bytes text,
    const struct tokens *tokens, struct signals *signals);
