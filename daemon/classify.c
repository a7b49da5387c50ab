#include "daemon/classify.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "daemon/classify_signals.h"
#include "text/sql_shape.h"

/* Below this a signal did not count enough to be a reason. */
static const double reason_min = 0.02;

static const char *const route_names[] = {
    [ROUTE_UNSURE] = "unsure", [ROUTE_SQL] = "sql", [ROUTE_CHAT] = "chat"};

const char *route_name(enum route route)
{
	return route_names[route];
}

static bool is_table_word(const struct vocabulary *vocabulary, struct bytes name)
{
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;
	const struct snapshot *snapshot = vocabulary_snapshot(vocabulary);
	const struct vocabulary_entry *entries;
	size_t count;

	token_stem(name, &stem);
	entries = vocabulary_find(vocabulary, buffer_string(&stem), &count);
	if (count > 0 && entries->kind == VOCABULARY_TABLE)
		return true;
	for (size_t i = 0; i < snapshot->table_count; i++)
		if (strlen(snapshot->tables[i].name) == name.size &&
		    strncasecmp(snapshot->tables[i].name, name.data, name.size) == 0)
			return true;
	return false;
}

/* What could be prose too is SQL only where it names a table that is there. */
static bool is_sql_text(struct bytes text, const struct vocabulary *vocabulary)
{
	struct sql_shape shape;

	sql_shape(text, &shape);
	if (shape.strength == SQL_SHAPE_WEAK)
		return vocabulary && shape.relation.size > 0 &&
		       is_table_word(vocabulary, shape.relation);
	return shape.strength == SQL_SHAPE_STRONG;
}

static void add_reason(
    struct classification *classification, enum signal signal, double weight, const char *text)
{
	struct classify_reason *reasons = classification->reasons;
	size_t at = classification->reason_count;

	while (at > 0 && fabs(reasons[at - 1].weight) < fabs(weight))
		at--;
	if (at == CLASSIFY_REASONS_MAX)
		return;
	if (classification->reason_count < CLASSIFY_REASONS_MAX)
		classification->reason_count++;
	memmove(reasons + at + 1, reasons + at,
	    (classification->reason_count - 1 - at) * sizeof(*reasons));
	reasons[at].signal = signal_rows[signal].name;
	reasons[at].weight = weight;
	memcpy(reasons[at].text, text, strlen(text) + 1);
}

static void decide(double log_odds, double min_confidence, struct classification *classification)
{
	double sql = 1 / (1 + exp(-log_odds));

	classification->lean = sql >= 0.5 ? ROUTE_SQL : ROUTE_CHAT;
	classification->confidence = sql >= 0.5 ? sql : 1 - sql;
	classification->route =
	    classification->confidence < min_confidence ? ROUTE_UNSURE : classification->lean;
}

static void weigh(
    const struct signals *signals, double min_confidence, struct classification *classification)
{
	double log_odds = CLASSIFY_BASE;

	for (enum signal i = 0; i < SIGNAL_COUNT; i++) {
		double weight = signals->amounts[i] * signal_rows[i].weight;

		log_odds += weight;
		if (fabs(weight) >= reason_min)
			add_reason(classification, i, weight, signals->texts[i]);
	}
	decide(log_odds, min_confidence, classification);
}

static void decide_corrected(enum route route, struct classification *classification)
{
	double weight = signal_rows[SIGNAL_CORRECTION].weight;

	weight = route == ROUTE_SQL ? weight : -weight;
	add_reason(classification, SIGNAL_CORRECTION, weight, "");
	decide(weight, 0, classification);
}

void classify(struct bytes text, const struct vocabulary *vocabulary,
    const struct classifier *classifier, const struct classify_options *options,
    struct classification *ret_classification)
{
	struct classification *classification = ret_classification;
	enum route correction = classifier_correction(classifier, text);
	struct signals signals;
	struct tokens tokens;

	text = bytes_cut(text, CLASSIFY_BYTES_MAX);
	classification->reason_count = 0;
	if (correction != ROUTE_UNSURE) {
		decide_corrected(correction, classification);
		classification->is_sql_text =
		    correction == ROUTE_SQL && is_sql_text(text, vocabulary);
		return;
	}
	classification->is_sql_text = is_sql_text(text, vocabulary);
	if (classification->is_sql_text) {
		double weight = signal_rows[SIGNAL_SQL_TEXT].weight;

		add_reason(classification, SIGNAL_SQL_TEXT, weight, "");
		decide(weight, 0, classification);
		return;
	}
	tokens_split(text, CLASSIFY_TOKENS_MAX, &tokens);
	signals_read(&tokens, vocabulary, options->has_history, &signals);
	if (classifier)
		classifier_apply(classifier, text, &tokens, &signals);
	tokens_free(&tokens);
	weigh(&signals, options->min_confidence, classification);
}
