#include "daemon/examples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/pool.h"
#include "text/stop_words.h"
#include "text/tokens.h"

enum {
	PICKED_MAX = 3,
	PICKED_BYTES_MAX = 8 * 1024, /* a prompt has more to say */
	WORDS_MAX = 64,
	CHECK_TIMEOUT_MS = 60 * 1000,
};

/* Of two questions' words in common, by their geometric mean. */
#define NEAR_ENOUGH 0.25

enum example_verdict { EXAMPLE_UNKNOWN, EXAMPLE_ALLOWED, EXAMPLE_REFUSED };

/* The hashes of a question's stems, each once; that two collide brings a worse example. */
struct word_set {
	size_t count;
	uint64_t words[WORDS_MAX];
};

struct example {
	char *question, *sql;
	struct word_set words;
	enum example_verdict verdict;
	bool is_due; /* the verdict is of an older schema, or there is none */
	char *reason; /* of a refusal */
};

struct examples {
	const char *database;
	struct pool *pool;
	char *schema_version; /* NULL: no schema yet, nothing to check by */
	size_t count;
	struct example *items;
	uint64_t version;
	struct waiter waiter; /* for the check of one at a time */
	size_t checking; /* which one */
	bool is_checking;
};

/* ---- words ---- */

static bool has_content(const struct token *token)
{
	return token->kind == TOKEN_WORD && stop_word_find(token->folded) == STOP_WORD_NONE;
}

static void add_word(struct word_set *set, const char *stem)
{
	uint64_t word = XXH3_64bits(stem, strlen(stem));

	for (size_t i = 0; i < set->count; i++)
		if (set->words[i] == word)
			return;
	set->words[set->count++] = word;
}

static void read_words(struct bytes question, struct word_set *ret_set)
{
	struct tokens tokens;

	ret_set->count = 0;
	tokens_split(question, WORDS_MAX, &tokens);
	for (size_t i = 0; i < tokens.count; i++)
		if (has_content(&tokens.items[i]))
			add_word(ret_set, tokens.items[i].stem);
	tokens_free(&tokens);
}

static double nearness(const struct word_set *a, const struct word_set *b)
{
	size_t common = 0;

	if (a->count == 0 || b->count == 0)
		return 0;
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			common += a->words[i] == b->words[k];
	return (double)common / sqrt((double)a->count * (double)b->count);
}

/* ---- checking ---- */

static void check_next(struct examples *examples);

static void take_verdict(struct examples *examples, const struct error *refusal)
{
	struct example *example = &examples->items[examples->checking];
	bool was_refused = example->verdict == EXAMPLE_REFUSED;

	free(example->reason);
	example->reason = refusal ? must_strdup(refusal->message) : NULL;
	example->verdict = refusal ? EXAMPLE_REFUSED : EXAMPLE_ALLOWED;
	example->is_due = false;
	if (refusal && !was_refused)
		log_warning("database %s: the example \"%.100s\" is left out: %s",
		    examples->database, example->question, refusal->message);
}

static void checked(struct waiter *waiter, const struct job_outcome *outcome)
{
	struct examples *examples =
	    (struct examples *)(void *)((char *)waiter - offsetof(struct examples, waiter));
	const struct error *error = outcome->error;

	examples->is_checking = false;
	/* No verdict: the next question that could use it tries again. */
	if (error && error->code != ERROR_SQL_REJECTED && error->code != ERROR_SQL_ERROR)
		return;
	take_verdict(examples, error);
	check_next(examples);
}

static void check_next(struct examples *examples)
{
	struct execute_params params;
	struct error error;
	size_t next = 0;

	while (next < examples->count && !examples->items[next].is_due)
		next++;
	if (examples->is_checking || next == examples->count || !examples->schema_version)
		return;
	examples->checking = next;
	examples->waiter.done = checked;
	examples_plan_job(
	    bytes_of_string(examples->items[next].sql), examples->schema_version, &params);
	examples->is_checking =
	    pool_submit(examples->pool, BYTES_NONE, MESSAGE_ID_EXECUTE, &params, &examples->waiter,
	        clock_now_ms() + CHECK_TIMEOUT_MS, &error) == 0;
}

void examples_plan_job(struct bytes sql, const char *schema_version, struct execute_params *ret_job)
{
	message_init(&message_rows[MESSAGE_ID_EXECUTE], ret_job);
	ret_job->sql = sql;
	ret_job->schema_version = bytes_of_string(schema_version);
	ret_job->key = bytes_of_string("");
	ret_job->limit = INT64_MAX; /* limits.rows: the plan is the one that would run */
	ret_job->timeout_ms = 1; /* the pool says how much is left */
	ret_job->plan_only = true;
}

static void stop_checking(struct examples *examples)
{
	if (examples->is_checking)
		pool_leave(&examples->waiter);
	examples->is_checking = false;
}

/* ---- the list ---- */

static void example_deinit(struct example *example)
{
	free(example->question);
	free(example->sql);
	free(example->reason);
}

struct examples *examples_new(const char *database, struct pool *pool)
{
	struct examples *examples = must_zalloc(sizeof(*examples));

	examples->database = database;
	examples->pool = pool;
	return examples;
}

void examples_free(struct examples *examples)
{
	if (!examples)
		return;
	stop_checking(examples);
	for (size_t i = 0; i < examples->count; i++)
		example_deinit(&examples->items[i]);
	free(examples->items);
	free(examples->schema_version);
	free(examples);
}

static uint64_t version_of(const struct child_config *config, const char *database)
{
	CLEAN(buffer) struct buffer all = BUFFER_INIT;

	for (size_t i = 0; i < config->example_count; i++) {
		const struct child_example *example = &config->examples[i];

		if (strcmp(example->database, database) != 0)
			continue;
		buffer_append(&all, example->question, strlen(example->question) + 1);
		buffer_append(&all, example->sql, strlen(example->sql) + 1);
	}
	return all.size ? XXH3_64bits(all.data, all.size) : 0;
}

/* What is known of the same pair. The search starts where it was: a list rarely changes by more
 * than one. */
static void keep_verdict(struct examples *before, size_t at, struct example *example)
{
	for (size_t i = 0; i < before->count; i++) {
		struct example *old = &before->items[(at + i) % before->count];

		if (strcmp(old->question, example->question) != 0 ||
		    strcmp(old->sql, example->sql) != 0)
			continue;
		example->verdict = old->verdict;
		example->is_due = old->is_due;
		free(example->reason);
		example->reason = old->reason ? must_strdup(old->reason) : NULL;
		return;
	}
}

static void add(
    struct examples *examples, struct examples *before, const struct child_example *from)
{
	struct example *example = &examples->items[examples->count];

	example->question = must_strdup(from->question);
	example->sql = must_strdup(from->sql);
	example->is_due = true;
	read_words(bytes_of_string(from->question), &example->words);
	keep_verdict(before, examples->count++, example);
}

void examples_configure(struct examples *examples, const struct child_config *config)
{
	uint64_t version = version_of(config, examples->database);
	struct examples before = *examples;

	if (version == examples->version)
		return;
	stop_checking(examples);
	examples->version = version;
	examples->items = must_zalloc((config->example_count + 1) * sizeof(*examples->items));
	examples->count = 0;
	for (size_t i = 0; i < config->example_count; i++)
		if (strcmp(config->examples[i].database, examples->database) == 0)
			add(examples, &before, &config->examples[i]);
	for (size_t i = 0; i < before.count; i++)
		example_deinit(&before.items[i]);
	free(before.items);
	check_next(examples);
}

void examples_schema_changed(struct examples *examples, const char *schema_version)
{
	free(examples->schema_version);
	examples->schema_version = must_strdup(schema_version);
	examples_policy_changed(examples);
	check_next(examples);
}

void examples_policy_changed(struct examples *examples)
{
	stop_checking(examples);
	for (size_t i = 0; i < examples->count; i++)
		examples->items[i].is_due = true;
}

uint64_t examples_version(const struct examples *examples)
{
	return examples->version;
}

/* ---- the nearest ---- */

/* The indexes of the nearest, the nearest first, those listed first among equals. */
static size_t find_nearest(
    const struct examples *examples, const struct word_set *words, size_t *ret_picked)
{
	double scores[PICKED_MAX + 1];
	size_t picked[PICKED_MAX + 1], count = 0;

	for (size_t i = 0; i < examples->count; i++) {
		const struct example *example = &examples->items[i];
		double score = nearness(words, &example->words);
		size_t at = count;

		if (example->verdict != EXAMPLE_ALLOWED || example->is_due || score < NEAR_ENOUGH)
			continue;
		for (; at > 0 && scores[at - 1] < score; at--) {
			scores[at] = scores[at - 1];
			picked[at] = picked[at - 1];
		}
		scores[at] = score;
		picked[at] = i;
		count = count < PICKED_MAX ? count + 1 : PICKED_MAX;
	}
	memcpy(ret_picked, picked, count * sizeof(*picked));
	return count;
}

bool examples_pick(struct examples *examples, struct bytes question, struct buffer *ret_texts)
{
	const char *texts[2 * PICKED_MAX];
	size_t picked[PICKED_MAX], count, left = PICKED_BYTES_MAX, at = 0;
	struct word_set words;

	check_next(examples);
	if (examples->count == 0)
		return false;
	read_words(question, &words);
	count = find_nearest(examples, &words, picked);
	for (size_t i = 0; i < count; i++) {
		const struct example *example = &examples->items[picked[i]];
		size_t size = strlen(example->question) + strlen(example->sql);

		if (size > left)
			continue;
		left -= size;
		texts[at++] = example->question;
		texts[at++] = example->sql;
	}
	if (at > 0)
		texts_pack(ret_texts, texts, at);
	return at > 0;
}
