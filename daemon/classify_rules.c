/* The rules of the configuration: keywords and PCRE2 patterns of one database. */
#include "daemon/classify_corrections.h"
#include "daemon/classify_signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * A pattern is the administrator's, the text is anybody's: the work of a match is bounded, for
 * each place where it may start and by how much of the text it sees.
 */
enum {
	KEYWORD_WORDS_MAX = 8,
	PATTERN_TEXT_MAX = 2048,
	PATTERN_MATCH_LIMIT = 5000,
	PATTERN_DEPTH_LIMIT = 500,
	PATTERN_HEAP_LIMIT_KIB = 1024,
};

struct keyword {
	char *stems[KEYWORD_WORDS_MAX];
	size_t count;
	double weight; /* towards sql where positive */
};

struct pattern {
	pcre2_code *code;
	double weight;
};

struct classifier {
	struct keyword *keywords; /* by their first stem */
	size_t keyword_count;
	struct pattern *patterns;
	size_t pattern_count;
	struct classify_corrections corrections;
	pcre2_match_context *limits;
	pcre2_match_data *match;
};

static double signed_weight(const struct classifier_rule *rule)
{
	return rule->route == ROUTE_CHAT ? -rule->weight : rule->weight;
}

static void add_keyword(struct classifier *classifier, const struct classifier_rule *rule)
{
	struct keyword *keyword = &classifier->keywords[classifier->keyword_count];
	struct tokens tokens;

	*keyword = (struct keyword){.weight = signed_weight(rule)};
	tokens_split(bytes_of_string(rule->text), KEYWORD_WORDS_MAX, &tokens);
	for (size_t i = 0; i < tokens.count; i++)
		keyword->stems[keyword->count++] = must_strdup(tokens.items[i].stem);
	tokens_free(&tokens);
	if (keyword->count > 0)
		classifier->keyword_count++;
}

static int add_pattern(struct classifier *classifier, const struct classifier_rule *rule,
    char *ret_error, size_t error_size)
{
	PCRE2_UCHAR message[128];
	PCRE2_SIZE offset;
	int code;
	pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)rule->text, PCRE2_ZERO_TERMINATED,
	    PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);

	if (!compiled) {
		pcre2_get_error_message(code, message, sizeof(message));
		snprintf(ret_error, error_size, "pattern '%s': %s at character %zu", rule->text,
		    (const char *)message, (size_t)offset + 1);
		return 1;
	}
	classifier->patterns[classifier->pattern_count++] =
	    (struct pattern){compiled, signed_weight(rule)};
	return 0;
}

static int compare_keywords(const void *a, const void *b)
{
	const struct keyword *left = a, *right = b;

	return strcmp(left->stems[0], right->stems[0]);
}

static void make_limits(struct classifier *classifier)
{
	classifier->limits = pcre2_match_context_create(NULL);
	classifier->match = pcre2_match_data_create(1, NULL);
	if (!classifier->limits || !classifier->match)
		abort();
	pcre2_set_match_limit(classifier->limits, PATTERN_MATCH_LIMIT);
	pcre2_set_depth_limit(classifier->limits, PATTERN_DEPTH_LIMIT);
	pcre2_set_heap_limit(classifier->limits, PATTERN_HEAP_LIMIT_KIB);
}

struct classifier *classifier_new(const struct classifier_rule *rules, size_t count,
    const char *database, char *ret_error, size_t error_size)
{
	struct classifier *classifier = must_zalloc(sizeof(*classifier));

	classifier->keywords = must_zalloc(count * sizeof(*classifier->keywords));
	classifier->patterns = must_zalloc(count * sizeof(*classifier->patterns));
	make_limits(classifier);
	for (size_t i = 0; i < count; i++) {
		if (rules[i].database && (!database || strcmp(rules[i].database, database) != 0))
			continue;
		if (rules[i].is_correction) {
			classify_corrections_add(&classifier->corrections, &rules[i]);
		} else if (!rules[i].is_pattern) {
			add_keyword(classifier, &rules[i]);
		} else if (add_pattern(classifier, &rules[i], ret_error, error_size)) {
			classifier_free(classifier);
			return NULL;
		}
	}
	classify_corrections_sort(&classifier->corrections);
	if (classifier->keyword_count > 0)
		qsort(classifier->keywords, classifier->keyword_count,
		    sizeof(*classifier->keywords), compare_keywords);
	return classifier;
}

void classifier_free(struct classifier *classifier)
{
	if (!classifier)
		return;
	for (size_t i = 0; i < classifier->keyword_count; i++)
		for (size_t k = 0; k < classifier->keywords[i].count; k++)
			free(classifier->keywords[i].stems[k]);
	for (size_t i = 0; i < classifier->pattern_count; i++)
		pcre2_code_free(classifier->patterns[i].code);
	classify_corrections_deinit(&classifier->corrections);
	pcre2_match_data_free(classifier->match);
	pcre2_match_context_free(classifier->limits);
	free(classifier->keywords);
	free(classifier->patterns);
	free(classifier);
}

enum route classifier_correction(const struct classifier *classifier, struct bytes text)
{
	return classifier ? classify_corrections_find(&classifier->corrections, text)
	                  : ROUTE_UNSURE;
}

static size_t first_keyword(const struct classifier *classifier, const char *stem)
{
	size_t low = 0, high = classifier->keyword_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(classifier->keywords[middle].stems[0], stem) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool keyword_stands(const struct keyword *keyword, const struct tokens *tokens, size_t index)
{
	if (keyword->count > tokens->count - index)
		return false;
	for (size_t i = 0; i < keyword->count; i++)
		if (strcmp(keyword->stems[i], tokens->items[index + i].stem) != 0)
			return false;
	return true;
}

static void apply_keywords(
    const struct classifier *classifier, const struct tokens *tokens, struct signals *signals)
{
	for (size_t i = 0; i < tokens->count; i++) {
		const char *stem = tokens->items[i].stem;

		for (size_t k = first_keyword(classifier, stem);
		     k < classifier->keyword_count &&
		     strcmp(classifier->keywords[k].stems[0], stem) == 0;
		     k++) {
			const struct keyword *keyword = &classifier->keywords[k];
			const struct token *first = &tokens->items[i];
			const struct token *last = first + keyword->count - 1;

			if (keyword_stands(keyword, tokens, i))
				signals_add(signals, SIGNAL_KEYWORD, keyword->weight,
				    bytes_of(first->raw.data,
				        (size_t)(last->raw.data - first->raw.data) +
				            last->raw.size));
		}
	}
}

static void apply_patterns(
    const struct classifier *classifier, struct bytes text, struct signals *signals)
{
	text = bytes_cut(text, PATTERN_TEXT_MAX);
	for (size_t i = 0; i < classifier->pattern_count; i++) {
		const struct pattern *pattern = &classifier->patterns[i];
		const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(classifier->match);
		/* Past a limit the result is negative too: it counts as no match. */
		int found = pcre2_match(pattern->code, (PCRE2_SPTR)text.data, text.size, 0, 0,
		    classifier->match, classifier->limits);

		/* \K in a lookahead can put the end before the start. */
		if (found >= 0 && ends[1] >= ends[0])
			signals_add(signals, SIGNAL_PATTERN, pattern->weight,
			    bytes_of(text.data + ends[0], ends[1] - ends[0]));
	}
}

void classifier_apply(const struct classifier *classifier, struct bytes text,
    const struct tokens *tokens, struct signals *signals)
{
	if (!text.data)
		return;
	apply_keywords(classifier, tokens, signals);
	apply_patterns(classifier, text, signals);
}
