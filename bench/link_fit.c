/*
 * Fits the weights of schema linking, and measures what that is worth for databases that were not
 * fitted to: in each split the databases are dealt into folds, and each fold is judged by weights
 * fitted to the others. Databases of one name, whatever their source and number, stay together.
 */
#include <argp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link_questions.h"

enum { NEAR = 5, FAR = 10, LARGE_SCHEMA = 10, GROUPS_MAX = 1024, SETS_MAX = 32 };

/* What a fit minimises besides misses: how far down the needed ones stand, in all schemas. */
#define WEIGHT_FAR    0.5
#define WEIGHT_DEPTH  0.15
#define LEAST_BETTER  1e-4 /* of the loss */
#define WEIGHT_CHANGE 2e-4 /* of the loss, for each factor of e away from where it started */

struct settings {
	const char *schemas, *questions;
	size_t folds, splits, rounds, set_count;
	const char *sets[SETS_MAX];
};

struct fitting {
	struct link_questions questions;
	struct linking_weights weights, usual; /* those in use; those of the table */
	size_t *group; /* of each question */
	double *share; /* of each question in the loss */
	size_t group_count;
	bool held[LINKING_WEIGHT_COUNT]; /* not to be changed */
};

struct tally {
	size_t near, all, near_large, far_large, large;
};

static const double factors[] = {0.5, 0.75, 0.9, 1.1, 1.33, 2.0};

/* "spider_college_1" and "defog_college" are both of college. */
static void group_name(const char *database, char ret_name[64])
{
	const char *name = strchr(database, '_');
	size_t size;

	name = name ? name + 1 : database;
	size = strlen(name);
	while (size > 1 && strchr("0123456789_", name[size - 1]))
		size--;
	snprintf(ret_name, 64, "%.*s", (int)(size < 63 ? size : 63), name);
}

static void group_questions(struct fitting *fitting)
{
	static char names[GROUPS_MAX][64];
	size_t count = fitting->questions.count, sizes[GROUPS_MAX] = {0};

	fitting->group = must_alloc((count + 1) * sizeof(*fitting->group));
	fitting->share = must_alloc((count + 1) * sizeof(*fitting->share));
	for (size_t i = 0; i < count; i++) {
		char name[64];
		size_t group = 0;

		group_name(fitting->questions.items[i].schema->name, name);
		while (group < fitting->group_count && strcmp(names[group], name) != 0)
			group++;
		if (group == GROUPS_MAX - 1)
			exit(1);
		if (group == fitting->group_count)
			strcpy(names[fitting->group_count++], name);
		fitting->group[i] = group;
		sizes[group]++;
	}
	/* The databases with many questions are not to set all the weights. */
	for (size_t i = 0; i < count; i++)
		fitting->share[i] = 1.0 / sqrt((double)sizes[fitting->group[i]]);
}

static size_t last_place(const struct link_question *question)
{
	struct linking_ranks ranks;
	size_t last;

	linking_rank(question->linking, bytes_of_string(eval_text(question->row, "text")), &ranks);
	last = link_question_last_place(question, &ranks);
	linking_ranks_deinit(&ranks);
	return last;
}

/* Of the questions outside one fold. */
static double loss_of(struct fitting *fitting, const size_t *fold_of, size_t left_out)
{
	double sum = 0, all = 0;

	for (size_t i = 0; i < fitting->questions.count; i++) {
		const struct link_question *question = &fitting->questions.items[i];
		bool is_large = question->schema->snapshot.table_count > LARGE_SCHEMA;
		double loss;
		size_t last;

		if (fold_of[fitting->group[i]] == left_out)
			continue;
		last = last_place(question);
		loss = (last > NEAR) + WEIGHT_FAR * (is_large && last > FAR) +
		       WEIGHT_DEPTH * log((double)last / (double)question->table_count);
		sum += fitting->share[i] * loss;
		all += fitting->share[i];
	}
	for (size_t i = 0; i < LINKING_WEIGHT_COUNT; i++) {
		float ours = *link_weight_at(&fitting->weights, i);
		float usual = *link_weight_at(&fitting->usual, i);

		if (ours > 0 && usual > 0)
			sum += all * WEIGHT_CHANGE * fabs(log((double)ours / (double)usual));
	}
	return sum / all;
}

/* One weight at a time, by steps that are no finer than the data can tell. */
static double fit(struct fitting *fitting, const size_t *fold_of, size_t left_out, size_t rounds)
{
	double best = loss_of(fitting, fold_of, left_out);

	for (size_t round = 0; round < rounds; round++) {
		double before = best;

		for (size_t i = 0; i < LINKING_WEIGHT_COUNT; i++) {
			float *weight = link_weight_at(&fitting->weights, i);
			float start = *weight, kept = start;

			for (size_t k = 0; k < sizeof(factors) / sizeof(factors[0]); k++) {
				double loss;

				if (fitting->held[i])
					break;
				*weight = start * (float)factors[k];
				loss = loss_of(fitting, fold_of, left_out);
				if (loss < best * (1 - LEAST_BETTER)) {
					best = loss;
					kept = *weight;
				}
			}
			*weight = kept;
		}
		if (best >= before)
			break;
	}
	return best;
}

static void judge(const struct fitting *fitting, const size_t *fold_of, size_t fold, bool inside,
    struct tally *tally)
{
	for (size_t i = 0; i < fitting->questions.count; i++) {
		const struct link_question *question = &fitting->questions.items[i];
		size_t last;

		if ((fold_of[fitting->group[i]] == fold) != inside)
			continue;
		last = last_place(question);
		tally->all++;
		tally->near += last <= NEAR;
		if (question->schema->snapshot.table_count <= LARGE_SCHEMA)
			continue;
		tally->large++;
		tally->near_large += last <= NEAR;
		tally->far_large += last <= FAR;
	}
}

static double percent(size_t part, size_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

static void print_tally(const char *name, const struct tally *tally)
{
	printf("%-28s first 5: %.2f %% of %zu; more than 10 tables: first 5 %.2f %%, first 10 "
	       "%.2f %% of %zu\n",
	    name, percent(tally->near, tally->all), tally->all,
	    percent(tally->near_large, tally->large), percent(tally->far_large, tally->large),
	    tally->large);
	fflush(stdout);
}

static void print_weights(struct fitting *fitting)
{
	for (size_t i = 0; i < LINKING_WEIGHT_COUNT; i++)
		printf("%s %s=%.3g", i % 6 ? "" : "\n   ", link_weight_name(i),
		    (double)*link_weight_at(&fitting->weights, i));
	printf("\n");
}

static void deal(size_t *fold_of, size_t groups, size_t folds, unsigned split)
{
	size_t order[GROUPS_MAX];

	srandom(split);
	for (size_t i = 0; i < groups; i++) {
		size_t other = (size_t)random() % (i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	for (size_t i = 0; i < groups; i++)
		fold_of[order[i]] = i % folds;
}

/* The table's weights have seen all databases, so a fit that leaves some out starts from no more
 * than their order of magnitude: powers of two. */
static void round_weights(struct fitting *fitting)
{
	for (size_t i = 0; i < LINKING_WEIGHT_COUNT; i++) {
		float *weight = link_weight_at(&fitting->weights, i);

		if (*weight > 0 && !fitting->held[i])
			*weight = exp2f(roundf(log2f(*weight)));
	}
	fitting->usual = fitting->weights;
}

static void cross(struct fitting *fitting, const struct settings *settings)
{
	const struct linking_weights table = fitting->weights;
	struct linking_weights start;
	size_t fold_of[GROUPS_MAX] = {0};
	struct tally all = {0};

	round_weights(fitting);
	start = fitting->weights;
	for (size_t split = 1; split <= settings->splits; split++) {
		for (size_t fold = 0; fold < settings->folds; fold++) {
			struct tally held = {0};
			char name[64];

			deal(fold_of, fitting->group_count, settings->folds, (unsigned)split);
			fitting->weights = start;
			fit(fitting, fold_of, fold, settings->rounds);
			judge(fitting, fold_of, fold, true, &held);
			judge(fitting, fold_of, fold, true, &all);
			snprintf(
			    name, sizeof(name), "split %zu, fold %zu held out", split, fold + 1);
			print_tally(name, &held);
		}
	}
	fitting->weights = fitting->usual = table;
	if (settings->splits > 0)
		print_tally("all that was held out", &all);
}

static const struct argp_option argp_options[] = {
    {"schemas", 's', "FILE", 0, "JSON {database: {table: [columns]}}", 0},
    {"questions", 'q', "FILE", 0, "JSON lines {id, db, text, tables, …}", 0},
    {"folds", 'f', "N", 0, "of databases (5)", 0},
    {"splits", 'n', "N", 0, "into folds, each another; 0: fit to all only (2)", 0},
    {"rounds", 'r', "N", 0, "through all weights, at most; 0: measure only (2)", 0},
    {"set", 'w', "NAME=VALUE", 0, "hold one weight", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 's':
		settings->schemas = argument;
		return 0;
	case 'q':
		settings->questions = argument;
		return 0;
	case 'f':
		settings->folds = strtoul(argument, NULL, 10);
		return 0;
	case 'n':
		settings->splits = strtoul(argument, NULL, 10);
		return 0;
	case 'r':
		settings->rounds = strtoul(argument, NULL, 10);
		return 0;
	case 'w':
		if (settings->set_count < SETS_MAX)
			settings->sets[settings->set_count++] = argument;
		return 0;
	case ARGP_KEY_END:
		if (!settings->schemas || !settings->questions || settings->folds < 2)
			argp_error(state, "--schemas, --questions and at least 2 folds are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {argp_options, parse_option, NULL,
	    "Fits the weights of schema linking and measures them on held out databases.", NULL,
	    NULL, NULL};
	static struct fitting fitting;
	static const size_t no_folds[GROUPS_MAX];
	struct settings settings = {.folds = 5, .splits = 2, .rounds = 2};
	struct tally all = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	fitting.weights = fitting.usual = linking_weights;
	for (size_t i = 0; i < settings.set_count; i++)
		fitting.held[link_weight_set(&fitting.weights, settings.sets[i])] = true;
	link_questions_load(
	    settings.schemas, settings.questions, &fitting.weights, &fitting.questions);
	link_questions_keep_judged(&fitting.questions);
	group_questions(&fitting);
	judge(&fitting, no_folds, 0, true, &all);
	print_tally("as it is", &all);
	if (settings.rounds > 0) {
		cross(&fitting, &settings);
		fit(&fitting, no_folds, 1, settings.rounds);
		all = (struct tally){0};
		judge(&fitting, no_folds, 0, true, &all);
		print_tally("fitted to all", &all);
		print_weights(&fitting);
	}
	free(fitting.group);
	free(fitting.share);
	link_questions_deinit(&fitting.questions);
	return 0;
}
