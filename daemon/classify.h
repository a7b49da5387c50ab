/*
 * Decides from words alone whether a text is a data question, chat, or not surely either.
 * A pure function: no I/O, linear in the text, bounded memory. The signals and their weights
 * are tables (classify_signals.def and the .c); every signal that counted is in the reasons.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "text/vocabulary.h"

enum route { ROUTE_UNSURE, ROUTE_SQL, ROUTE_CHAT };

struct classify_reason {
	const char *signal; /* a name from the table of signals */
	char text[96]; /* the words that it saw, UTF-8 */
	double weight; /* towards sql where positive, towards chat where negative */
};

enum { CLASSIFY_REASONS_MAX = 16 };

struct classification {
	enum route route; /* unsure where confidence is below min_confidence */
	enum route lean; /* sql or chat, whichever is likelier */
	double confidence; /* 0 to 1, of the lean */
	bool is_sql_text; /* the text itself is SQL: it is run, not generated */
	size_t reason_count;
	struct classify_reason reasons[CLASSIFY_REASONS_MAX]; /* strongest first */
};

struct classifier; /* keywords and compiled patterns, global and of one database */

struct classifier_rule {
	const char *database; /* NULL: all */
	enum route route;
	const char *text; /* a keyword, a PCRE2 pattern, or a folded text */
	double weight; /* of a keyword or pattern */
	bool is_pattern;
	bool is_correction; /* of the text as a whole: its route is that, whatever else is said */
};

/* Rules of other databases are left out. ret_error names a pattern that does not compile;
 * NULL then. */
struct classifier *classifier_new(const struct classifier_rule *rules, size_t count,
    const char *database, char *ret_error, size_t error_size);
void classifier_free(struct classifier *classifier);

/* The form in which corrections are compared: NFKC, case folded, white space collapsed, the marks
 * at the end gone. False where nothing is left, or the text is too long or not UTF-8. */
bool classify_fold(struct bytes text, struct buffer *ret_folded);

/* The route that a correction gives to the text; ROUTE_UNSURE where there is none. */
enum route classifier_correction(const struct classifier *classifier, struct bytes text);

struct classify_options {
	double min_confidence;
	bool has_history; /* earlier turns were data questions */
};

/* vocabulary NULL: no schema is known. */
void classify(struct bytes text, const struct vocabulary *vocabulary,
    const struct classifier *classifier, const struct classify_options *options,
    struct classification *ret_classification);

/* "sql", "chat" or "unsure". */
const char *route_name(enum route route);
