#include "text/linking.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text/linking_graph.h"
#include "text/linking_hits.h"

/*
 * CHOSEN_MAX: places that are filled one by one, each weighed by what the ones before it leave
 * unexplained; CANDIDATES_MAX: from which these are taken.
 */
enum { CHOSEN_MAX = 12, CANDIDATES_MAX = 128 };

const struct linking_weights linking_weights = {
#define LINKING_WEIGHT(name, value) .name = (value),
#include "text/linking_weights.def"
#undef LINKING_WEIGHT
};

struct linking {
	const struct linking_weights *weights;
	struct linking_names names;
	struct linking_graph *graph;
};

/* What one table says for one word of the question. */
struct word_weight {
	float weight;
	enum linking_ground ground;
	bool partly, of_table; /* by one word of several; by the table's own name */
};

struct candidate {
	uint32_t table;
	float joins; /* what its neighbours say for it */
	float own; /* what its own names say for it */
	struct word_weight *words;
};

struct ranking {
	const struct linking *linking;
	const struct linking_weights *weights;
	size_t table_count;
	struct linking_hits hits;
	size_t words; /* of the question */
	uint32_t *first_hit; /* of each table, and one more */
	float *own; /* what its own names say for a table */
	float *score; /* with its neighbours */
	struct linking_ranks *ranks;
};

/* Of the tables that are chosen one by one. */
struct choosing {
	const struct ranking *ranking;
	struct candidate *candidates; /* those that are chosen first */
	size_t count, chosen;
	float explained[LINKING_WORDS_MAX]; /* how well the chosen account for a word */
	/* Sets of chosen tables, a bit for each place: of each table those that it joins, and those
	 * of them that it refers to; of each place those that are joined with it, one by one. */
	uint16_t *joins, *refers;
	uint16_t part[CHOSEN_MAX];
};

/* ---- what a table is worth ---- */

static float kind_weight(const struct linking_weights *weights, uint8_t kind)
{
	const float by_kind[] = {
	    [VOCABULARY_TABLE] = 1.0f,
	    [VOCABULARY_COLUMN] = weights->column,
	    [VOCABULARY_LABEL] = weights->label,
	    [VOCABULARY_VALUE] = weights->value,
	    [VOCABULARY_COMMENT] = weights->comment,
	};

	return by_kind[kind];
}

/* A name of which more words are in the question is more likely meant. */
static float cover(const struct ranking *ranking, size_t first, size_t end)
{
	const struct linking_hit *hits = ranking->hits.items, *hit = &hits[first];
	float weight = hit->kind == VOCABULARY_TABLE ? ranking->weights->table_cover
	                                             : ranking->weights->column_cover;
	uint32_t words = 0;
	float part;

	if (hit->words == 0 || hit->kind == VOCABULARY_COMMENT)
		return 1.0f;
	for (size_t i = first; i < end; i++)
		words |= 1u << (hits[i].word & 31);
	part = (float)__builtin_popcount(words) / hit->words;
	return 1 - weight + weight * (part < 1 ? part : 1);
}

/* For each word of the question the best name of this table that has it. */
static void weigh_words(const struct ranking *ranking, size_t table, struct word_weight *ret_words)
{
	const struct linking_hits *hits = &ranking->hits;
	size_t end = ranking->first_hit[table + 1], next;

	memset(ret_words, 0, ranking->words * sizeof(*ret_words));
	for (size_t first = ranking->first_hit[table]; first < end; first = next) {
		float part;
		bool is_part;

		next = linking_hits_name_end(hits, first, end);
		part = cover(ranking, first, next);
		is_part = part < 1;
		part *= kind_weight(ranking->weights, hits->items[first].kind);
		for (size_t i = first; i < next; i++) {
			const struct linking_hit *hit = &hits->items[i];
			struct word_weight *word = &ret_words[hit->question_word];

			if (part * hit->weight > word->weight)
				*word = (struct word_weight){part * hit->weight, hit->ground,
				    is_part, hit->kind == VOCABULARY_TABLE};
		}
	}
}

static void weigh_table(struct ranking *ranking, size_t table)
{
	struct word_weight words[LINKING_WORDS_MAX];

	if (ranking->first_hit[table] == ranking->first_hit[table + 1])
		return;
	weigh_words(ranking, table, words);
	for (size_t i = 0; i < ranking->words; i++)
		ranking->own[table] += words[i].weight;
}

/* A table whose neighbours are meant may be needed to join them. */
static void weigh_neighbours(struct ranking *ranking, size_t table)
{
	const struct linking_weights *weights = ranking->weights;
	float best = 0, second = 0;
	bool refers = false; /* to one of both: what two refer to does not join them */
	size_t count;
	const struct linking_neighbour *neighbours =
	    linking_graph_neighbours(ranking->linking->graph, table, &count);

	for (size_t i = 0; i < count; i++) {
		float own = ranking->own[neighbours[i].table];

		if (own > best) {
			second = best;
			best = own;
		} else if (own > second) {
			second = own;
		}
		refers |= own > 0 && neighbours[i].refers;
	}
	ranking->score[table] = ranking->own[table] + weights->neighbour * best +
	                        (refers ? weights->connect : 0) * second +
	                        weights->hub * logf(1.0f + (float)count);
}

static void weigh_tables(struct ranking *ranking)
{
	const struct linking_hits *hits = &ranking->hits;
	size_t at = 0;

	for (size_t table = 0; table <= ranking->table_count; table++) {
		while (at < hits->count && hits->items[at].table < table)
			at++;
		ranking->first_hit[table] = (uint32_t)at;
	}
	for (size_t i = 0; i < ranking->table_count; i++)
		weigh_table(ranking, i);
	for (size_t i = 0; i < ranking->table_count; i++)
		weigh_neighbours(ranking, i);
}

/* ---- the order ---- */

static int compare_scores(const void *a, const void *b)
{
	const struct linked_table *left = a, *right = b;

	if (left->score != right->score)
		return left->score < right->score ? 1 : -1;
	return (left->table > right->table) - (left->table < right->table);
}

/* The best of a set of chosen tables, by what their own names say. */
static float best_own(const struct choosing *choosing, unsigned set)
{
	float best = 0;

	for (; set; set &= set - 1) {
		float own = choosing->candidates[__builtin_ctz(set)].own;

		best = own > best ? own : best;
	}
	return best;
}

/* All that is joined with a set of chosen tables. */
static unsigned parts_of(const struct choosing *choosing, unsigned set)
{
	unsigned parts = 0;

	for (; set & ~parts; set &= ~parts)
		parts |= choosing->part[__builtin_ctz(set)];
	return parts;
}

/* What stands in parts that nothing joins so far, but for the best of them. */
static float weigh_bridge(const struct choosing *choosing, unsigned joined)
{
	float most = 0, all = 0;

	for (unsigned left = joined; left;) {
		unsigned part = choosing->part[__builtin_ctz(left)];
		float best = best_own(choosing, joined & part);

		all += best;
		most = best > most ? best : most;
		left &= ~part;
	}
	return all - most;
}

/* What joining the chosen tables is worth. What two of them refer to does not join these. */
static float weigh_joins(const struct choosing *choosing, uint32_t table, float sum)
{
	const struct linking_weights *weights = choosing->ranking->weights;
	unsigned joined = choosing->joins[table];
	int count = __builtin_popcount(joined);
	float worth;

	if (!joined)
		return 0;
	worth = weights->chosen * (sum + weights->alone);
	if (choosing->refers[table])
		worth += weights->bridge * weigh_bridge(choosing, joined) +
		         weights->besides * (float)(count < 4 ? count - 1 : 3);
	return worth;
}

/* What a table adds to those that are chosen already. */
static float gain(const struct choosing *choosing, const struct candidate *candidate)
{
	const struct linking_weights *weights = choosing->ranking->weights;
	float sum = candidate->joins;

	for (size_t i = 0; i < choosing->ranking->words; i++) {
		const struct word_weight *word = &candidate->words[i];
		float share = word->ground == LINKING_GUESSED   ? weights->guessed
		              : word->ground == LINKING_RELATED ? weights->explained_related
		              : !word->of_table                 ? weights->explained_column
		              : word->partly                    ? weights->partly
		                                                : weights->explained;
		float left = word->weight - share * choosing->explained[i];

		sum += left > 0 ? left : 0;
	}
	return sum + weigh_joins(choosing, candidate->table, sum);
}

/* The new one is a part by itself, or makes one of all that it joins. */
static void join_parts(struct choosing *choosing)
{
	uint32_t added = choosing->candidates[choosing->chosen].table;
	uint16_t bit = (uint16_t)(1u << choosing->chosen);
	unsigned part = parts_of(choosing, choosing->joins[added]) | bit;
	size_t count;
	const struct linking_neighbour *neighbours =
	    linking_graph_neighbours(choosing->ranking->linking->graph, added, &count);

	for (size_t i = 0; i < count; i++) {
		choosing->joins[neighbours[i].table] |= bit;
		if (neighbours[i].referred)
			choosing->refers[neighbours[i].table] |= bit;
	}
	for (unsigned left = part; left; left &= left - 1)
		choosing->part[__builtin_ctz(left)] = (uint16_t)part;
}

static void choose_next(struct choosing *choosing)
{
	struct candidate *candidates = choosing->candidates, chosen;
	size_t place = choosing->chosen, best = place;
	float best_gain = -1;

	for (size_t i = place; i < choosing->count; i++) {
		float here = gain(choosing, &candidates[i]);

		if (here > best_gain) {
			best_gain = here;
			best = i;
		}
	}
	chosen = candidates[best];
	memmove(&candidates[place + 1], &candidates[place], (best - place) * sizeof(chosen));
	candidates[place] = chosen;
	join_parts(choosing);
	choosing->chosen++;
	for (size_t i = 0; i < choosing->ranking->words; i++)
		if (chosen.words[i].weight > choosing->explained[i])
			choosing->explained[i] = chosen.words[i].weight;
}

/* The first places of what is sorted by score. */
static void choose_first(const struct ranking *ranking, size_t count)
{
	struct choosing choosing = {.ranking = ranking, .count = count};
	struct linked_table *tables = ranking->ranks->tables;
	struct word_weight *words = must_alloc((count * ranking->words + 1) * sizeof(*words));

	choosing.candidates = must_alloc((count + 1) * sizeof(*choosing.candidates));
	choosing.joins = must_zalloc((ranking->table_count + 1) * sizeof(*choosing.joins));
	choosing.refers = must_zalloc((ranking->table_count + 1) * sizeof(*choosing.refers));
	for (size_t i = 0; i < count; i++) {
		uint32_t table = tables[i].table;

		choosing.candidates[i] =
		    (struct candidate){table, ranking->score[table] - ranking->own[table],
		        ranking->own[table], words + i * ranking->words};
		weigh_words(ranking, table, choosing.candidates[i].words);
	}
	while (choosing.chosen < count && choosing.chosen < CHOSEN_MAX)
		choose_next(&choosing);
	for (size_t i = 0; i < count; i++) {
		uint32_t table = choosing.candidates[i].table;

		tables[i] = (struct linked_table){table, ranking->score[table]};
	}
	free(choosing.candidates);
	free(choosing.joins);
	free(choosing.refers);
	free(words);
}

static void order_tables(const struct ranking *ranking)
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
	choose_first(ranking, candidates);
}

/* ---- columns ---- */

static void order_columns(const struct ranking *ranking)
{
	const struct linking_hits *hits = &ranking->hits;
	struct linking_ranks *ranks = ranking->ranks;
	size_t next;

	ranks->columns = must_alloc((hits->count + 1) * sizeof(*ranks->columns));
	for (size_t first = 0; first < hits->count; first = next) {
		const struct linking_hit *hit = &hits->items[first];
		struct linked_column *last = ranks->columns + ranks->column_count;
		float score = 0;

		next = linking_hits_name_end(hits, first, hits->count);
		if (hit->column < 0)
			continue;
		for (size_t i = first; i < next; i++)
			score += hits->items[i].weight;
		score *= cover(ranking, first, next) * kind_weight(ranking->weights, hit->kind);
		if (ranks->column_count > 0 && last[-1].table == hit->table &&
		    last[-1].column == (uint32_t)hit->column)
			last[-1].score += score;
		else
			ranks->columns[ranks->column_count++] =
			    (struct linked_column){hit->table, (uint32_t)hit->column, score};
	}
}

/* ---- the interface ---- */

struct linking *linking_new_weighted(
    const struct vocabulary *vocabulary, const struct linking_weights *weights)
{
	struct linking *linking = must_zalloc(sizeof(*linking));

	linking->weights = weights ? weights : &linking_weights;
	linking_names_init(&linking->names, vocabulary, linking->weights);
	linking->graph = linking_graph_new(vocabulary_snapshot(vocabulary));
	return linking;
}

struct linking *linking_new(const struct vocabulary *vocabulary)
{
	return linking_new_weighted(vocabulary, NULL);
}

void linking_free(struct linking *linking)
{
	if (!linking)
		return;
	linking_graph_free(linking->graph);
	linking_names_deinit(&linking->names);
	free(linking);
}

void linking_rank(
    const struct linking *linking, struct bytes question, struct linking_ranks *ret_ranks)
{
	size_t count = vocabulary_snapshot(linking->names.vocabulary)->table_count;
	struct ranking ranking = {.linking = linking,
	    .weights = linking->weights,
	    .table_count = count,
	    .ranks = ret_ranks};
	struct tokens tokens;

	*ret_ranks =
	    (struct linking_ranks){.tables = must_alloc((count + 1) * sizeof(*ret_ranks->tables))};
	ranking.first_hit = must_alloc((count + 1) * sizeof(*ranking.first_hit));
	ranking.own = must_zalloc((count + 1) * sizeof(*ranking.own));
	ranking.score = must_zalloc((count + 1) * sizeof(*ranking.score));
	tokens_split(question, LINKING_WORDS_MAX, &tokens);
	linking_hits_find(&linking->names, &tokens, &ranking.hits);
	ranking.words = ranking.hits.question_words;
	weigh_tables(&ranking);
	order_tables(&ranking);
	order_columns(&ranking);
	tokens_free(&tokens);
	linking_hits_deinit(&ranking.hits);
	free(ranking.first_hit);
	free(ranking.own);
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

float linking_column_worth(
    const struct linking *linking, const struct linking_ranks *ranks, size_t table, size_t column)
{
	bool is_key = linking_graph_is_key(linking->graph, table, column);

	return linking_column_score(ranks, table, column) + (is_key ? linking->weights->key : 0);
}
