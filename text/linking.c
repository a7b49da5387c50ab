#include "text/linking.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text/linking_graph.h"
#include "text/related.h"
#include "text/stop_words.h"
#include "text/tokens.h"

/*
 * WORDS_MAX: of a question; ENTRIES_MAX: a word that so many names have tells none apart;
 * CHOSEN_MAX: places that are filled one by one, each weighed by what the ones before it leave
 * unexplained; CANDIDATES_MAX: from which these are taken.
 */
enum {
	WORDS_MAX = 96,
	ENTRIES_MAX = 4096,
	CHOSEN_MAX = 12,
	CANDIDATES_MAX = 128,
	STEM_MAX = 96,
	KINDS = VOCABULARY_COMMENT + 1,
	PREFIX_BYTES_MIN = 4,
	PREFIXED_MAX = 16
};

/* How much a word says by what kind of name has it. */
static const float kind_weights[KINDS] = {
    [VOCABULARY_TABLE] = 1.0f,
    [VOCABULARY_COLUMN] = 0.4f,
    [VOCABULARY_LABEL] = 0.6f,
    [VOCABULARY_VALUE] = 0.6f,
    [VOCABULARY_COMMENT] = 0.3f,
};

/*
 * Rounded from what was best on two halves of some 150 databases, fitted apart; bench/link_eval
 * measures them. Shares of a word's own weight, but for the last three, which are sums of words.
 */
#define WEIGHT_TABLE_COVER  0.4f /* of the words of a table's name that are in the question */
#define WEIGHT_COLUMN_COVER 0.8f
#define WEIGHT_LONGER       0.9f /* a name's word that begins with the question's */
#define WEIGHT_RELATED      0.7f /* text/related.def */
#define WEIGHT_PLACE        0.5f /* an unknown word behind "from" or "in" */
#define WEIGHT_PERSON       0.15f /* an unknown word behind "by" or "Dr." */
#define WEIGHT_NAME         0.17f /* any unknown word may be a name */
#define WEIGHT_FULL_NAME    0.2f /* two of them with capitals */
#define WEIGHT_RARE         0.45f /* how fast a word says less the more names have it */
#define WEIGHT_NEIGHBOUR    0.25f /* of the best table that it joins */
#define WEIGHT_CONNECT      0.2f /* of the second best */
#define WEIGHT_EXPLAINED    0.2f /* of a word that a chosen table accounts for already */
#define WEIGHT_CHOSEN       0.15f /* more for what joins a chosen table */
#define WEIGHT_HUB          0.05f /* for a table that joins many */
#define WEIGHT_BRIDGE       0.04f /* for each chosen table that it joins besides the first */
#define WEIGHT_ALONE        0.1f /* so that a table counts of which only its keys speak */

struct linking {
	const struct vocabulary *vocabulary;
	struct related *related;
	const char **stems; /* all of the vocabulary's, sorted */
	size_t stem_count;
	struct linking_graph *graph;
};

/* One word of the question that one name has. */
struct hit {
	uint32_t table;
	int32_t column;
	uint16_t label;
	uint8_t kind, question_word, word, words;
	float rarity;
};

struct ranking {
	const struct linking *linking;
	size_t table_count;
	struct hit *hits;
	size_t hit_count, hit_capacity;
	size_t question_words;
	uint32_t *first_hit; /* of each table, and one more */
	float *base; /* what its own names say for a table */
	float *score; /* with its neighbours */
	float explained[WORDS_MAX]; /* how well the chosen tables account for a word */
	struct linking_ranks *ranks;
};

/* ---- what the question's words find ---- */

/* How rare the word is among names of each kind: a table's own name counts where many columns of
 * other tables have the word too. */
static void measure_rarity(
    const struct vocabulary_entry *entries, size_t count, float ret_rarity[KINDS])
{
	size_t counts[KINDS] = {0};

	for (size_t i = 0; i < count; i++)
		counts[entries[i].kind]++;
	for (size_t i = 0; i < KINDS; i++)
		ret_rarity[i] =
		    1.0f / (1.0f + WEIGHT_RARE * logf((float)(counts[i] + (counts[i] == 0))));
}

static bool add_hits(struct ranking *ranking, const char *stem, float factor)
{
	size_t count;
	const struct vocabulary_entry *entries =
	    vocabulary_find(ranking->linking->vocabulary, stem, &count);
	float rarity[KINDS];

	if (count == 0)
		return false;
	if (count > ENTRIES_MAX)
		count = ENTRIES_MAX;
	measure_rarity(entries, count, rarity);
	if (ranking->hit_count + count > ranking->hit_capacity) {
		ranking->hit_capacity = (ranking->hit_count + count) * 2;
		ranking->hits =
		    must_realloc(ranking->hits, ranking->hit_capacity * sizeof(struct hit));
	}
	for (size_t i = 0; i < count; i++)
		ranking->hits[ranking->hit_count++] = (struct hit){.table = entries[i].table,
		    .column = entries[i].column,
		    .label = entries[i].label,
		    .kind = (uint8_t)entries[i].kind,
		    .question_word = (uint8_t)ranking->question_words,
		    .word = entries[i].word,
		    .words = entries[i].words,
		    .rarity = rarity[entries[i].kind] * factor};
	return true;
}

static void add_related(struct ranking *ranking, const char *stem, float factor)
{
	struct bytes stems = related_find(ranking->linking->related, stem);

	for (size_t at = 0; at < stems.size; at += strlen(stems.data + at) + 1)
		add_hits(ranking, stems.data + at, factor);
}

/* "card types" may be cardtypes. */
static void add_joined(struct ranking *ranking, const struct token *left, const struct token *right)
{
	char joined[STEM_MAX * 2];
	CLEAN(buffer) struct buffer stem = BUFFER_INIT;

	if (left->kind != TOKEN_WORD || right->kind != TOKEN_WORD)
		return;
	if (strlen(left->folded) + strlen(right->folded) >= sizeof(joined))
		return;
	strcpy(joined, left->folded);
	strcat(joined, right->folded);
	token_stem(bytes_of_string(joined), &stem);
	add_hits(ranking, buffer_string(&stem), 1.0f);
}

/* "advises" and the table advisor: stems that begin with a word's stem. */
static bool add_longer(struct ranking *ranking, const char *stem)
{
	const struct linking *linking = ranking->linking;
	size_t size = strlen(stem), low = 0, high = linking->stem_count;

	if (size < PREFIX_BYTES_MIN)
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(linking->stems[middle], stem) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < linking->stem_count && high < low + PREFIXED_MAX; high++) {
		if (strncmp(linking->stems[high], stem, size) != 0)
			break;
		add_hits(ranking, linking->stems[high], WEIGHT_LONGER);
	}
	return high > low;
}

static bool is_one_of(const struct token *token, const char *const *words)
{
	for (; token && *words; words++)
		if (strcmp(token->folded, *words) == 0)
			return true;
	return false;
}

/* A word that no name has is likely a value; of what, the last known word before it may say. */
static void add_value(struct ranking *ranking, const struct token *before, bool is_full_name)
{
	static const char *const places[] = {
	    "from", "to", "in", "at", "near", "into", "via", "through", "between", "and", NULL};
	static const char *const persons[] = {
	    "by", "dr", "prof", "professor", "mr", "mrs", "ms", NULL};
	/* Stems of what a person's name is split into. */
	static const char *const parts[] = {
	    "first", "last", "forenam", "surnam", "given", "firstnam", "lastnam"};

	if (is_one_of(before, places))
		add_related(ranking, "where", WEIGHT_PLACE);
	if (is_one_of(before, persons))
		add_related(ranking, "who", WEIGHT_PERSON);
	add_hits(ranking, "name", WEIGHT_NAME);
	add_hits(ranking, "titl", WEIGHT_NAME);
	for (size_t i = 0; is_full_name && i < sizeof(parts) / sizeof(parts[0]); i++)
		add_hits(ranking, parts[i], WEIGHT_FULL_NAME);
}

static bool is_year(const struct token *token)
{
	return token->kind == TOKEN_NUMBER && token->raw.size == 4 &&
	       (memcmp(token->raw.data, "19", 2) == 0 || memcmp(token->raw.data, "20", 2) == 0);
}

static bool has_content(const struct token *token)
{
	return token->kind == TOKEN_QUOTED ||
	       (token->kind == TOKEN_WORD && stop_word_find(token->folded) == STOP_WORD_NONE);
}

/* False where the token is content that no name has. */
static bool find_token(struct ranking *ranking, const struct token *token)
{
	bool known = !has_content(token) || add_hits(ranking, token->stem, 1.0f) ||
	             add_longer(ranking, token->stem);

	if (token->kind == TOKEN_WORD)
		add_related(ranking, token->stem, WEIGHT_RELATED);
	if (is_year(token)) {
		add_hits(ranking, "year", WEIGHT_RELATED);
		add_hits(ranking, "date", WEIGHT_RELATED);
	}
	return known;
}

static void find_hits(struct ranking *ranking, const struct tokens *tokens)
{
	const struct token *before = NULL;

	for (size_t i = 0; i < tokens->count && i < WORDS_MAX; i++) {
		const struct token *token = &tokens->items[i];

		if (i + 1 < tokens->count)
			add_joined(ranking, token, &token[1]);
		/* The first word has its capital for another reason. */
		if (find_token(ranking, token))
			before = token;
		else
			add_value(ranking, before, i > 1 && token->capital && token[-1].capital);
		ranking->question_words++;
	}
}

static int compare_hits(const void *a, const void *b)
{
	const struct hit *left = a, *right = b;

	if (left->table != right->table)
		return left->table < right->table ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	return (left->label > right->label) - (left->label < right->label);
}

static void sort_hits(struct ranking *ranking)
{
	size_t at = 0;

	if (ranking->hit_count > 0)
		qsort(ranking->hits, ranking->hit_count, sizeof(struct hit), compare_hits);
	for (size_t table = 0; table <= ranking->table_count; table++) {
		while (at < ranking->hit_count && ranking->hits[at].table < table)
			at++;
		ranking->first_hit[table] = (uint32_t)at;
	}
}

/* ---- what a table is worth ---- */

/* The hits of one name: of a table, a column, one label, one value, one comment. */
static size_t name_end(const struct ranking *ranking, size_t first, size_t end)
{
	size_t at = first + 1;

	while (at < end && compare_hits(&ranking->hits[at], &ranking->hits[first]) == 0)
		at++;
	return at;
}

/* A name of which more words are in the question is more likely meant. */
static float cover(const struct ranking *ranking, size_t first, size_t end)
{
	const struct hit *hit = &ranking->hits[first];
	float weight = hit->kind == VOCABULARY_TABLE ? WEIGHT_TABLE_COVER : WEIGHT_COLUMN_COVER;
	uint32_t words = 0;
	float part;

	if (hit->words == 0 || hit->kind == VOCABULARY_COMMENT)
		return 1.0f;
	for (size_t i = first; i < end; i++)
		words |= 1u << (ranking->hits[i].word & 31);
	part = (float)__builtin_popcount(words) / hit->words;
	return 1 - weight + weight * (part < 1 ? part : 1);
}

/* For each word of the question the best name of this table that has it. */
static void weigh_words(const struct ranking *ranking, size_t table, float ret_words[WORDS_MAX])
{
	size_t end = ranking->first_hit[table + 1], next;

	memset(ret_words, 0, WORDS_MAX * sizeof(float));
	for (size_t first = ranking->first_hit[table]; first < end; first = next) {
		float part;

		next = name_end(ranking, first, end);
		part = cover(ranking, first, next) * kind_weights[ranking->hits[first].kind];
		for (size_t i = first; i < next; i++) {
			const struct hit *hit = &ranking->hits[i];

			if (part * hit->rarity > ret_words[hit->question_word])
				ret_words[hit->question_word] = part * hit->rarity;
		}
	}
}

static void weigh_table(struct ranking *ranking, size_t table)
{
	float words[WORDS_MAX];

	if (ranking->first_hit[table] == ranking->first_hit[table + 1])
		return;
	weigh_words(ranking, table, words);
	for (size_t i = 0; i < ranking->question_words; i++)
		ranking->base[table] += words[i];
}

/* A table whose neighbours are meant may be needed to join them. */
static void weigh_neighbours(struct ranking *ranking, size_t table)
{
	size_t count;
	const uint32_t *neighbours =
	    linking_graph_neighbours(ranking->linking->graph, table, &count);
	float best = 0, second = 0;

	for (size_t i = 0; i < count; i++) {
		float score = ranking->base[neighbours[i]];

		if (score > best) {
			second = best;
			best = score;
		} else if (score > second) {
			second = score;
		}
	}
	ranking->score[table] = ranking->base[table] + WEIGHT_NEIGHBOUR * best +
	                        WEIGHT_CONNECT * second + WEIGHT_HUB * logf(1.0f + (float)count);
}

/* ---- the order ---- */

static int compare_scores(const void *a, const void *b)
{
	const struct linked_table *left = a, *right = b;

	if (left->score != right->score)
		return left->score < right->score ? 1 : -1;
	return (left->table > right->table) - (left->table < right->table);
}

/* How many of the chosen tables it can be joined with. */
static size_t chosen_neighbours(const struct ranking *ranking, size_t table, size_t chosen)
{
	size_t count, joined = 0;
	const uint32_t *neighbours =
	    linking_graph_neighbours(ranking->linking->graph, table, &count);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < chosen; k++)
			joined += ranking->ranks->tables[k].table == neighbours[i];
	return joined;
}

/* What a table adds to those that are chosen already. */
static float gain(const struct ranking *ranking, size_t table, size_t chosen)
{
	float words[WORDS_MAX], sum = 0;
	size_t joined;

	weigh_words(ranking, table, words);
	for (size_t i = 0; i < ranking->question_words; i++) {
		float left = words[i] - WEIGHT_EXPLAINED * ranking->explained[i];

		sum += left > 0 ? left : 0;
	}
	sum += ranking->score[table] - ranking->base[table];
	joined = chosen_neighbours(ranking, table, chosen);
	if (joined > 0)
		sum += WEIGHT_CHOSEN * (sum + WEIGHT_ALONE);
	if (joined > 1)
		sum += WEIGHT_BRIDGE * (float)(joined < 4 ? joined - 1 : 3);
	return sum;
}

static void choose(struct ranking *ranking, size_t place, size_t candidates)
{
	struct linked_table *tables = ranking->ranks->tables, chosen;
	size_t best = place;
	float best_gain = -1, words[WORDS_MAX];

	for (size_t i = place; i < candidates; i++) {
		float here = gain(ranking, tables[i].table, place);

		if (here > best_gain) {
			best_gain = here;
			best = i;
		}
	}
	chosen = tables[best];
	memmove(&tables[place + 1], &tables[place], (best - place) * sizeof(*tables));
	tables[place] = chosen;
	weigh_words(ranking, chosen.table, words);
	for (size_t i = 0; i < ranking->question_words; i++)
		if (words[i] > ranking->explained[i])
			ranking->explained[i] = words[i];
}

static void order_tables(struct ranking *ranking)
{
	struct linking_ranks *ranks = ranking->ranks;
	size_t candidates = 0;

	for (size_t i = 0; i < ranking->table_count; i++)
		ranks->tables[i] = (struct linked_table){(uint32_t)i, ranking->score[i]};
	ranks->count = ranking->table_count;
	if (ranks->count > 0)
		qsort(ranks->tables, ranks->count, sizeof(*ranks->tables), compare_scores);
	while (candidates < ranks->count && candidates < CANDIDATES_MAX &&
	       ranks->tables[candidates].score > 0)
		candidates++;
	for (size_t place = 0; place < CHOSEN_MAX && place < candidates; place++)
		choose(ranking, place, candidates);
}

/* ---- columns ---- */

static void order_columns(struct ranking *ranking)
{
	struct linking_ranks *ranks = ranking->ranks;
	size_t next;

	ranks->columns = must_alloc((ranking->hit_count + 1) * sizeof(*ranks->columns));
	for (size_t first = 0; first < ranking->hit_count; first = next) {
		const struct hit *hit = &ranking->hits[first];
		struct linked_column *last = ranks->columns + ranks->column_count;
		float score = 0;

		next = name_end(ranking, first, ranking->hit_count);
		if (hit->column < 0)
			continue;
		for (size_t i = first; i < next; i++)
			score += ranking->hits[i].rarity;
		score *= cover(ranking, first, next) * kind_weights[hit->kind];
		if (ranks->column_count > 0 && last[-1].table == hit->table &&
		    last[-1].column == (uint32_t)hit->column)
			last[-1].score += score;
		else
			ranks->columns[ranks->column_count++] =
			    (struct linked_column){hit->table, (uint32_t)hit->column, score};
	}
}

/* ---- the interface ---- */

static int compare_stems(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct linking *linking_new(const struct vocabulary *vocabulary)
{
	struct linking *linking = must_zalloc(sizeof(*linking));

	linking->vocabulary = vocabulary;
	linking->graph = linking_graph_new(vocabulary_snapshot(vocabulary));
	linking->related = related_new();
	linking->stem_count = vocabulary_stems(vocabulary, &linking->stems);
	if (linking->stem_count > 0)
		qsort(linking->stems, linking->stem_count, sizeof(*linking->stems), compare_stems);
	return linking;
}

void linking_free(struct linking *linking)
{
	if (!linking)
		return;
	linking_graph_free(linking->graph);
	related_free(linking->related);
	free(linking->stems);
	free(linking);
}

void linking_rank(
    const struct linking *linking, struct bytes question, struct linking_ranks *ret_ranks)
{
	size_t count = vocabulary_snapshot(linking->vocabulary)->table_count;
	struct ranking ranking = {.linking = linking, .table_count = count, .ranks = ret_ranks};
	struct tokens tokens;

	*ret_ranks =
	    (struct linking_ranks){.tables = must_alloc((count + 1) * sizeof(*ret_ranks->tables))};
	ranking.first_hit = must_alloc((count + 1) * sizeof(*ranking.first_hit));
	ranking.base = must_zalloc((count + 1) * sizeof(*ranking.base));
	ranking.score = must_zalloc((count + 1) * sizeof(*ranking.score));
	tokens_split(question, WORDS_MAX, &tokens);
	find_hits(&ranking, &tokens);
	sort_hits(&ranking);
	for (size_t i = 0; i < count; i++)
		weigh_table(&ranking, i);
	for (size_t i = 0; i < count; i++)
		weigh_neighbours(&ranking, i);
	order_tables(&ranking);
	order_columns(&ranking);
	tokens_free(&tokens);
	free(ranking.hits);
	free(ranking.first_hit);
	free(ranking.base);
	free(ranking.score);
}

void linking_ranks_deinit(struct linking_ranks *ranks)
{
	free(ranks->tables);
	free(ranks->columns);
	*ranks = (struct linking_ranks){0};
}

float linking_column_score(const struct linking_ranks *ranks, size_t table, size_t column)
{
	size_t low = 0, high = ranks->column_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct linked_column *at = &ranks->columns[middle];

		if (at->table < table || (at->table == table && at->column < column))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ranks->column_count || ranks->columns[low].table != table ||
	    ranks->columns[low].column != column)
		return 0;
	return ranks->columns[low].score;
}
