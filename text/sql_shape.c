#include "text/sql_shape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text/sql_pieces.h"

static bool is_word(const struct sql_piece *piece, const char *word)
{
	return piece->known && strcmp(piece->known->word, word) == 0;
}

static bool has_role(const struct sql_piece *piece, unsigned roles)
{
	return piece->known && (piece->known->roles & roles) != 0;
}

static bool is_symbol(const struct sql_piece *piece, char symbol)
{
	return piece->kind == KIND_SYMBOL && piece->raw.data[0] == symbol;
}

/* A name as prose or SQL has it: no keyword. */
static bool is_name(const struct sql_piece *piece)
{
	return piece->kind == KIND_NAME || (piece->kind == KIND_WORD && !has_role(piece, KEYWORD));
}

/* What was counted in a statement, whatever it is. */
struct evidence {
	unsigned calls, dotted, operators, clauses, english, stars, strings, semicolons;
	unsigned longest_run; /* names in a row: prose has long ones */
	bool from, shouted; /* keywords in capitals */
	bool question;
	struct bytes relation;
};

static void note_run(struct evidence *evidence, const struct sql_piece *piece, unsigned *run)
{
	*run =
	    piece->kind == KIND_WORD && is_name(piece) && !has_role(piece, OBJECT) ? *run + 1 : 0;
	if (*run > evidence->longest_run)
		evidence->longest_run = *run;
}

static bool is_clause_pair(const struct sql_piece *piece)
{
	static const char *const pairs[][2] = {{"group", "by"}, {"order", "by"},
	    {"partition", "by"}, {"is", "null"}, {"not", "in"}, {"not", "null"}, {"not", "exists"},
	    {"union", "all"}, {"union", "select"}, {"inner", "join"}, {"left", "join"},
	    {"right", "join"}, {"full", "join"}, {"cross", "join"}, {"outer", "join"},
	    {"nulls", "last"}, {"nulls", "first"}, {"intersect", "select"}, {"except", "select"},
	    {"not", "like"}};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (is_word(piece, pairs[i][0]) && is_word(piece + 1, pairs[i][1]))
			return true;
	return (is_word(piece, "limit") || is_word(piece, "top") || is_word(piece, "offset")) &&
	       piece[1].kind == KIND_NUMBER;
}

static void note_word(struct evidence *evidence, const struct sql_piece *piece)
{
	const struct sql_piece *next = piece + 1;
	bool is_dotted =
	    is_symbol(next, '.') && !next->space_before && !next[1].space_before &&
	    (next[1].kind == KIND_WORD || next[1].kind == KIND_NAME || is_symbol(&next[1], '*'));

	evidence->dotted += is_dotted;
	evidence->clauses += is_clause_pair(piece) || is_word(piece, "where") ||
	                     is_word(piece, "having") || is_word(piece, "join");
	evidence->shouted = evidence->shouted || (piece->upper && has_role(piece, CLAUSE));
	if (is_symbol(next, '(') && (!next->space_before || is_word(piece, "in") ||
	                                is_word(piece, "exists") || is_word(piece, "over")))
		evidence->calls++;
	if (is_dotted || is_symbol(next, '('))
		return;
	evidence->english += has_role(piece, ENGLISH) && !piece->upper;
	evidence->english += has_role(piece, PROSE) && is_name(next) && next->kind == KIND_WORD;
	evidence->english += has_role(piece, ARTICLE) && is_name(next) && !is_word(next, "on") &&
	                     piece[-1].kind != KIND_NAME && !is_name(&piece[-1]);
}

static void note_symbol(struct evidence *evidence, const struct sql_piece *piece)
{
	char symbol = piece->raw.data[0];

	evidence->operators += symbol == '=' || symbol == '<' || symbol == '>' ||
	                       (symbol == '|' && is_symbol(piece + 1, '|')) ||
	                       (symbol == ':' && is_symbol(piece + 1, ':'));
	evidence->stars += symbol == '*';
	evidence->semicolons += symbol == ';';
	evidence->question = symbol == '?' && piece[1].kind == KIND_END;
}

static void note_relation(struct evidence *evidence, const struct sql_piece *piece)
{
	const struct sql_piece *name = piece + 1;

	if (evidence->relation.data || !(is_word(piece, "from") || is_word(piece, "into") ||
	                                   is_word(piece, "update") || is_word(piece, "table")))
		return;
	if (is_name(name) && is_symbol(&name[1], '.') && is_name(&name[2]))
		name += 2;
	if (is_name(name))
		evidence->relation = name->raw;
}

/* `first` has one piece before it in the array, or is itself a keyword. */
static void gather(const struct sql_piece *first, struct evidence *evidence)
{
	unsigned run = 0;

	*evidence = (struct evidence){0};
	for (const struct sql_piece *piece = first; piece->kind != KIND_END; piece++) {
		if (piece > first)
			note_run(evidence, piece, &run);
		if (piece->kind == KIND_WORD && piece > first)
			note_word(evidence, piece);
		if (piece->kind == KIND_SYMBOL)
			note_symbol(evidence, piece);
		evidence->strings += piece->kind == KIND_STRING;
		evidence->from = evidence->from || (piece > first && is_word(piece, "from"));
		note_relation(evidence, piece);
	}
}

static double at_most(unsigned count, double each, double limit)
{
	double sum = count * each;

	return sum < limit ? sum : limit;
}

/* What all statements have in common; prose goes below 0. */
static double common_score(const struct evidence *evidence, const struct sql_piece *first)
{
	double score = 0;

	score += at_most(evidence->calls, 1.5, 3) + at_most(evidence->dotted, 1.5, 3);
	score += at_most(evidence->operators, 1, 2) + at_most(evidence->clauses, 1, 3);
	score += at_most(evidence->semicolons, 0.5, 0.5) + at_most(evidence->strings, 0.5, 0.5);
	score += evidence->shouted && first->upper ? 1 : 0;
	score += evidence->longest_run <= 2 ? 1 : -1.0 * (evidence->longest_run - 2);
	score -= at_most(evidence->english, 2, 8);
	score -= evidence->question ? 1 : 0;
	return score;
}

/* SELECT 1, SELECT 'x', SELECT true; and nothing else. */
static bool is_literal_list(const struct sql_piece *piece)
{
	for (; piece->kind != KIND_END; piece++)
		if (piece->kind == KIND_WORD && !is_word(piece, "true") &&
		    !is_word(piece, "false") && !is_word(piece, "null") && !is_word(piece, "as"))
			return false;
		else if (piece[1].kind == KIND_END && piece->kind != KIND_SYMBOL)
			return true;
	return piece[-1].kind != KIND_WORD;
}

static double score_select(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *list = first + 1;
	double score = 1 + (evidence->from ? 1 : 0);

	if (list->kind == KIND_END)
		return 0;
	if (is_word(list, "distinct") || is_word(list, "all"))
		list++;
	score += is_symbol(list, '*') ? 2 : 0;
	score += is_literal_list(first + 1) ? 2 : 0;
	score += list->kind == KIND_NAME ? 0.5 : 0;
	score += list->kind == KIND_NUMBER || list->kind == KIND_STRING ? 1 : 0;
	return score + common_score(evidence, first);
}

/* WITH name [(columns)] AS [NOT] [MATERIALIZED] ( */
static double score_with(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *piece = first + 1;

	piece += is_word(piece, "recursive");
	if (!is_name(piece))
		return 0;
	piece++;
	if (is_symbol(piece, '('))
		while (piece->kind != KIND_END && !is_symbol(piece, ')'))
			piece++;
	piece += is_symbol(piece, ')');
	if (!is_word(piece, "as"))
		return 0;
	piece++;
	piece += is_word(piece, "not");
	piece += is_word(piece, "materialized");
	return is_symbol(piece, '(') ? 6 : common_score(evidence, first);
}

static double score_insert(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *piece = first + 1;

	if (!is_word(piece, "into") || !is_name(&piece[1]))
		return 0;
	for (; piece->kind != KIND_END; piece++)
		if (is_word(piece, "values") || is_word(piece, "select"))
			return 3 + common_score(evidence, first);
	return 1 + common_score(evidence, first);
}

static double score_update(const struct sql_piece *first, const struct evidence *evidence)
{
	for (size_t i = 1; i <= 6 && first[i].kind != KIND_END; i++)
		if (i > 1 && is_word(&first[i], "set"))
			return (evidence->operators ? 3 : 1) + common_score(evidence, first);
	return 0;
}

static double score_delete(const struct sql_piece *first, const struct evidence *evidence)
{
	if (is_word(&first[1], "from") && is_name(&first[2]))
		return 2 + common_score(evidence, first);
	return is_name(&first[1]) && is_word(&first[2], "where") && evidence->operators
	           ? 1 + common_score(evidence, first)
	           : 0;
}

/* CREATE, ALTER, DROP: an object of SQL within the next words, and a name behind it. */
static double score_definition(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *piece = first + 1;

	while (has_role(piece, KEYWORD) && !has_role(piece, OBJECT))
		piece++;
	if (!has_role(piece, OBJECT) || piece[1].kind == KIND_END)
		return 0;
	if (is_name(&piece[1]) && is_symbol(&piece[2], '('))
		return 6 + common_score(evidence, first);
	return (is_word(first, "drop") ? 2.5 : 2) + common_score(evidence, first);
}

/* TRUNCATE [TABLE] name, TABLE name: short, and nothing behind it. */
static double score_short(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *piece = first + 1;

	piece += is_word(piece, "table");
	if (!is_name(piece))
		return 0;
	while (is_name(piece) || is_symbol(piece, '.') || is_symbol(piece, ',') ||
	       is_symbol(piece, ';'))
		piece++;
	return piece->kind == KIND_END ? 1.5 + common_score(evidence, first) : 0;
}

/* BEGIN; COMMIT; ROLLBACK: words of daily life too, so only as a whole statement. */
static double score_transaction(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *last = first;

	while (last[1].kind != KIND_END)
		last++;
	if (last - first > 3)
		return 0;
	return (is_symbol(last, ';') ? 2 : 0) + (first->upper ? 2 : 0) +
	       common_score(evidence, first);
}

static double score_grant(const struct sql_piece *first, const struct evidence *evidence)
{
	bool on = false;

	for (const struct sql_piece *piece = first + 1; piece->kind != KIND_END; piece++) {
		on = on || is_word(piece, "on");
		if (on && (is_word(piece, "to") || is_word(piece, "from")) && is_name(&piece[1]))
			return 6 + common_score(evidence, first); /* TO counted as prose */
	}
	return 0;
}

static double score_copy(const struct sql_piece *first, const struct evidence *evidence)
{
	for (const struct sql_piece *piece = first + 1; piece->kind != KIND_END; piece++) {
		if (!is_word(piece, "from") && !is_word(piece, "to"))
			continue;
		if (piece[1].kind == KIND_STRING)
			return 2.5 + common_score(evidence, first);
		if (bytes_equal_string(piece[1].raw, "stdin") ||
		    bytes_equal_string(piece[1].raw, "stdout"))
			return 6 + common_score(evidence, first);
	}
	return 0;
}

/* VALUES (, CALL name(, DO $$, SET name =, PRAGMA name, VACUUM;, SHOW search_path */
static double score_other(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *second = first + 1,
	                       *third = second->kind != KIND_END ? second + 1 : second;
	bool fits = (is_word(first, "values") && is_symbol(second, '(')) ||
	            (is_word(first, "do") && is_symbol(second, '$')) ||
	            (is_word(first, "call") && is_name(second) && is_symbol(third, '(')) ||
	            (is_word(first, "set") && is_name(second) && is_symbol(third, '=')) ||
	            (is_word(first, "set") && is_name(second) && is_word(third, "to") &&
	                memchr(second->raw.data, '_', second->raw.size)) ||
	            (is_word(first, "pragma") && is_name(second)) ||
	            (is_word(first, "show") && third->kind == KIND_END && second->raw.size &&
	                memchr(second->raw.data, '_', second->raw.size)) ||
	            (is_word(first, "merge") && is_word(second, "into"));

	if (fits)
		return 7 + common_score(evidence, first);
	return first->upper && evidence->semicolons ? 1.5 + common_score(evidence, first) : 0;
}

static double score_explain(const struct sql_piece *first, const struct evidence *evidence);

static const struct {
	const char *word;
	double (*score)(const struct sql_piece *first, const struct evidence *evidence);
} statements[] = {
    {"select", score_select},
    {"with", score_with},
    {"explain", score_explain},
    {"insert", score_insert},
    {"update", score_update},
    {"delete", score_delete},
    {"create", score_definition},
    {"alter", score_definition},
    {"drop", score_definition},
    {"truncate", score_short},
    {"table", score_short},
    {"begin", score_transaction},
    {"commit", score_transaction},
    {"rollback", score_transaction},
    {"vacuum", score_transaction},
    {"analyze", score_transaction},
    {"grant", score_grant},
    {"revoke", score_grant},
    {"copy", score_copy},
};

static double score_statement(const struct sql_piece *first, const struct evidence *evidence)
{
	if (!has_role(first, START))
		return 0;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		if (is_word(first, statements[i].word))
			return statements[i].score(first, evidence);
	return score_other(first, evidence);
}

/* EXPLAIN [ANALYZE] [VERBOSE] [(options)] in front of a statement; never in front of itself. */
static double score_explain(const struct sql_piece *first, const struct evidence *evidence)
{
	const struct sql_piece *piece = first + 1;

	piece += is_word(piece, "analyze");
	piece += piece->kind == KIND_WORD && !piece->known;
	if (is_symbol(piece, '('))
		while (piece->kind != KIND_END && !is_symbol(piece, ')'))
			piece++;
	piece += is_symbol(piece, ')');
	return is_word(piece, "explain") ? 0 : score_statement(piece, evidence);
}

/* SELCT, UPDTE: the first word of a broken statement. One letter left out, doubled or wrong,
 * or two that changed places. */
static bool is_nearly(struct bytes raw, const char *word)
{
	size_t size = strlen(word), front = 0, back = 0;
	size_t shorter = raw.size < size ? raw.size : size;
	size_t longer = raw.size < size ? size : raw.size;

	while (front < shorter && tolower((unsigned char)raw.data[front]) == word[front])
		front++;
	while (back < shorter - front &&
	       tolower((unsigned char)raw.data[raw.size - 1 - back]) == word[size - 1 - back])
		back++;
	if (longer - front - back <= 1)
		return true;
	return raw.size == size && size - front - back == 2 &&
	       tolower((unsigned char)raw.data[front]) == word[front + 1] &&
	       tolower((unsigned char)raw.data[front + 1]) == word[front];
}

static double score_misspelt(const struct sql_piece *first, const struct evidence *evidence)
{
	static const char *const words[] = {"select", "insert", "update", "delete"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && first->kind == KIND_WORD; i++)
		if (!first->known && is_nearly(first->raw, words[i]))
			return (is_symbol(&first[1], '*') ? 1.5 : 0) + (evidence->from ? 1 : 0) +
			       common_score(evidence, first) - 0.5;
	return 0;
}

/* Markdown's ```sql in front of a statement. */
static struct bytes skip_fence(struct bytes text)
{
	static const char fence[] = "```";
	size_t at = 0;

	while (at < text.size && isspace((unsigned char)text.data[at]))
		at++;
	if (text.size - at < strlen(fence) || memcmp(text.data + at, fence, strlen(fence)) != 0)
		return text;
	at += strlen(fence);
	while (at < text.size && isalpha((unsigned char)text.data[at]))
		at++;
	return bytes_of(text.data + at, text.size - at);
}

/* Behind opening parentheses and stray semicolons. */
static const struct sql_piece *find_first(const struct sql_pieces *pieces)
{
	const struct sql_piece *piece = pieces->items;

	while (is_symbol(piece, '(') || is_symbol(piece, ';'))
		piece++;
	return piece;
}

void sql_shape(struct bytes text, struct sql_shape *ret_shape)
{
	struct sql_pieces pieces;
	struct evidence evidence;
	const struct sql_piece *first;
	double score;

	*ret_shape = (struct sql_shape){0};
	sql_pieces_read(skip_fence(text), &pieces);
	first = find_first(&pieces);
	if (first->kind != KIND_WORD)
		return;
	gather(first, &evidence);
	score = score_statement(first, &evidence);
	if (score <= 0)
		score = score_misspelt(first, &evidence);
	*ret_shape = (struct sql_shape){
	    .strength = score >= 3.5   ? SQL_SHAPE_STRONG
	                : score >= 2.5 ? SQL_SHAPE_WEAK
	                               : SQL_SHAPE_NONE,
	    .score = score,
	    .relation = evidence.relation,
	};
}

bool sql_shape_is_sql(struct bytes text)
{
	struct sql_shape shape;

	sql_shape(text, &shape);
	return shape.strength != SQL_SHAPE_NONE;
}
