#include "worker/sql_weight.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "worker/sql_tokens.h"

enum weight {
#define WEIGHT(kind, bytes) WEIGHT_##kind = (bytes),
#define LIGHT(word)
#include "worker/sql_weight.def"
#undef WEIGHT
#undef LIGHT
};

static const char *const light_words[] = {
#define WEIGHT(kind, bytes)
#define LIGHT(word) #word,
#include "worker/sql_weight.def"
#undef WEIGHT
#undef LIGHT
};

struct weighing {
	size_t weight;
	unsigned open; /* brackets */
	char before; /* the last byte of the token before */
	bool after_as, after_name, after_filter;
	/* What a comma weighs inside each of them. */
	unsigned char comma[SQL_BRACKETS_MAX + 1];
};

static bool is_word(struct bytes token, const char *word)
{
	return token.size == strlen(word) && strncasecmp(token.data, word, token.size) == 0;
}

static bool is_light(struct bytes token)
{
	for (size_t i = 0; i < sizeof(light_words) / sizeof(light_words[0]); i++)
		if ((token.data[0] | 32) == light_words[i][0] && is_word(token, light_words[i]))
			return true;
	return false;
}

static unsigned word_weight(struct weighing *weighing, struct bytes token, bool after_as)
{
	if (weighing->before == '.')
		return WEIGHT_PART;
	if (is_word(token, "select")) {
		weighing->comma[weighing->open] = WEIGHT_TARGET;
		return WEIGHT_SELECT;
	}
	if (is_word(token, "order"))
		weighing->comma[weighing->open] = WEIGHT_SORT_KEY;
	weighing->after_as = is_word(token, "as");
	weighing->after_filter = weighing->before == ')' && is_word(token, "filter");
	if (weighing->after_filter || is_light(token))
		return WEIGHT_LIGHT;
	if (is_word(token, "table"))
		return WEIGHT_TABLE;
	weighing->after_name = true;
	return after_as ? WEIGHT_ALIAS : WEIGHT_NAME;
}

/* Signs at its end are operators of their own: 1+-+-1. */
static unsigned operator_weight(struct bytes token)
{
	unsigned count = 1;

	while (token.size > 1 && strchr("+-", token.data[token.size - 1])) {
		token.size--;
		count++;
	}
	return count * WEIGHT_OPERATOR;
}

static unsigned token_weight(struct weighing *weighing, struct bytes token)
{
	bool after_as = weighing->after_as, after_name = weighing->after_name,
	     after_filter = weighing->after_filter;
	char first = token.data[0], last = token.data[token.size - 1];

	weighing->after_as = weighing->after_name = weighing->after_filter = false;
	if (last == '\'' || (first == '$' && token.size > 1))
		return WEIGHT_CONSTANT + (after_name ? WEIGHT_TYPE : 0);
	if (first == '"' || isalpha((unsigned char)first) || first == '_' ||
	    (unsigned char)first >= 0x80)
		return word_weight(weighing, token, after_as);
	if (isdigit((unsigned char)first) || (first == '.' && token.size > 1))
		return WEIGHT_CONSTANT;
	switch (first) {
	case '(':
	case '[':
		return after_filter ? 0 : WEIGHT_BRACKET;
	case ',':
		return weighing->comma[weighing->open];
	case ';':
		return WEIGHT_STATEMENT;
	case '.':
	case ')':
	case ']':
		return 0;
	default:
		return operator_weight(token);
	}
}

/* False: one too many. */
static bool follow_brackets(struct weighing *weighing, char first)
{
	if (first == '(' || first == '[') {
		if (weighing->open == SQL_BRACKETS_MAX)
			return false;
		weighing->comma[++weighing->open] = 0;
	} else if ((first == ')' || first == ']') && weighing->open > 0) {
		weighing->open--;
	}
	return true;
}

enum sql_excess sql_weigh(struct bytes sql, size_t weight_max, struct sql_weight *ret_weight)
{
	struct weighing weighing = {.weight = sql.size};
	enum sql_excess excess = SQL_WITHIN;
	size_t at = sql_skip_blank(sql, 0);

	while (at < sql.size) {
		size_t end = sql_skip_token(sql, at);
		struct bytes token = bytes_of(sql.data + at, end - at);

		weighing.weight += token_weight(&weighing, token);
		weighing.before = token.data[token.size - 1];
		if (!follow_brackets(&weighing, token.data[0]))
			excess = SQL_TOO_DEEP;
		else if (weighing.weight > weight_max)
			excess = SQL_TOO_HEAVY;
		if (excess != SQL_WITHIN)
			break;
		at = sql_skip_blank(sql, end);
	}
	*ret_weight = (struct sql_weight){weighing.weight, at};
	return excess;
}
