#include "daemon/examples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pack.h"
#include "daemon/pool.h"
#include "text/stop_words.h"
#include "text/tokens.h"

enum {
	PICKED_MAX = 3,
	PICKED_BYTES_MAX = 8 * 1024, /* a prompt has more to say */
	WORDS_MAX = 64,
	VOUCHED_MAX = 16,
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
	bool is_taught;
	uint64_t pair; /* hash */
};

/* Sorted by hash: looked up for every question. */
struct taught {
	uint64_t question; /* hash */
	size_t index;
};

struct examples {
	const char *database;
	struct pool *pool;
	char *schema_version; /* NULL: no schema yet, nothing to check by */
	size_t count;
	struct example *items;
	size_t taught_count;
	struct taught *taught;
	uint64_t vouched[VOUCHED_MAX]; /* hashes of pairs, by the schema that is known */
	size_t vouched_next;
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

/* NULL: it is allowed. */
static void set_verdict(struct example *example, const struct error *refusal)
{
	free(example->reason);
	example->reason = refusal ? must_strdup(refusal->message) : NULL;
	example->verdict = refusal ? EXAMPLE_REFUSED : EXAMPLE_ALLOWED;
	example->is_due = false;
}

static void take_verdict(struct examples *examples, const struct error *refusal)
{
	struct example *example = &examples->items[examples->checking];
	bool was_refused = example->verdict == EXAMPLE_REFUSED;

	set_verdict(example, refusal);
	if (refusal && !was_refused)
		log_warning("database %s: the %s \"%.100s\" is %s: %s", examples->database,
		    example->is_taught ? "taught answer to" : "example", example->question,
		    example->is_taught ? "not allowed any more" : "left out", refusal->message);
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
	free(examples->taught);
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
		buffer_append_string(&all, example->taught ? "t" : "f");
		buffer_append(&all, example->question, strlen(example->question) + 1);
		buffer_append(&all, example->sql, strlen(example->sql) + 1);
	}
	return all.size ? XXH3_64bits(all.data, all.size) : 0;
}

static uint64_t hash_of_pair(struct bytes question, struct bytes sql)
{
	XXH3_state_t *state = XXH3_createState();
	uint64_t hash;

	if (!state)
		abort();
	XXH3_64bits_reset(state);
	XXH3_64bits_update(state, &question.size, sizeof(question.size));
	XXH3_64bits_update(state, question.data, question.size);
	XXH3_64bits_update(state, sql.data, sql.size);
	hash = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	return hash;
}

void examples_vouch(struct examples *examples, struct bytes question, struct bytes sql)
{
	uint64_t pair = hash_of_pair(question, sql);

	examples->vouched[examples->vouched_next++ % VOUCHED_MAX] = pair;
	/* It may be there already. */
	for (size_t i = 0; i < examples->count; i++)
		if (examples->items[i].pair == pair)
			set_verdict(&examples->items[i], NULL);
}

static bool is_vouched(const struct examples *examples, uint64_t pair)
{
	for (size_t i = 0; i < VOUCHED_MAX && i < examples->vouched_next; i++)
		if (examples->vouched[i] == pair)
			return true;
	return false;
}

/* What is known of the same pair. The search starts where it was: a list rarely changes by more
 * than one. */
static void keep_verdict(struct examples *before, size_t at, struct example *example)
{
	for (size_t i = 0; i < before->count; i++) {
		struct example *old = &before->items[(at + i) % before->count];

		if (old->pair != example->pair)
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
	example->is_taught = from->taught;
	example->pair = hash_of_pair(bytes_of_string(from->question), bytes_of_string(from->sql));
	example->is_due = !is_vouched(examples, example->pair);
	example->verdict = example->is_due ? EXAMPLE_UNKNOWN : EXAMPLE_ALLOWED;
	read_words(bytes_of_string(from->question), &example->words);
	keep_verdict(before, examples->count++, example);
}

static int compare_taught(const void *a, const void *b)
{
	const struct taught *left = a, *right = b;

	return (left->question > right->question) - (left->question < right->question);
}

static uint64_t hash_of_question(struct bytes question)
{
	return XXH3_64bits(question.data, question.size);
}

static void list_taught(struct examples *examples)
{
	examples->taught_count = 0;
	examples->taught =
	    must_realloc(examples->taught, (examples->count + 1) * sizeof(*examples->taught));
	for (size_t i = 0; i < examples->count; i++)
		if (examples->items[i].is_taught)
			examples->taught[examples->taught_count++] = (struct taught){
			    hash_of_question(bytes_of_string(examples->items[i].question)), i};
	qsort(examples->taught, examples->taught_count, sizeof(*examples->taught), compare_taught);
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
	list_taught(examples);
	for (size_t i = 0; i < before.count; i++)
		example_deinit(&before.items[i]);
	free(before.items);
	check_next(examples);
}

void examples_schema_changed(struct examples *examples, const char *schema_version)
{
	/* The same one comes again after ANALYZE, which changes no verdict. */
	if (examples->schema_version && strcmp(examples->schema_version, schema_version) == 0)
		return;
	free(examples->schema_version);
	examples->schema_version = must_strdup(schema_version);
	examples_policy_changed(examples);
	check_next(examples);
}

void examples_policy_changed(struct examples *examples)
{
	stop_checking(examples);
	examples->vouched_next = 0;
	for (size_t i = 0; i < examples->count; i++)
		examples->items[i].is_due = true;
}

uint64_t examples_version(const struct examples *examples)
{
	return examples->version;
}

/* ---- the very question ---- */

struct bytes examples_form(struct bytes normal)
{
	while (normal.size > 0 && memchr(" ?!.", normal.data[normal.size - 1], 4))
		normal.size--;
	return normal;
}

struct bytes examples_taught(const struct examples *examples, struct bytes normal)
{
	struct bytes question = examples_form(normal);
	const struct taught wanted = {.question = hash_of_question(question)};
	const struct taught *found;
	const struct example *example;

	if (examples->taught_count == 0)
		return BYTES_NONE;
	found = bsearch(&wanted, examples->taught, examples->taught_count,
	    sizeof(*examples->taught), compare_taught);
	if (!found)
		return BYTES_NONE;
	example = &examples->items[found->index];
	if (example->verdict == EXAMPLE_REFUSED || !bytes_equal_string(question, example->question))
		return BYTES_NONE;
	return bytes_of_string(example->sql);
}

/* ---- the list for people ---- */

static const char *state_name(const struct example *example)
{
	static const char *const names[] = {[EXAMPLE_UNKNOWN] = "unchecked",
	    [EXAMPLE_ALLOWED] = "allowed",
	    [EXAMPLE_REFUSED] = "refused"};

	return names[example->is_due ? EXAMPLE_UNKNOWN : example->verdict];
}

uint32_t examples_pack(struct examples *examples, struct buffer *message)
{
	check_next(examples);
	for (size_t i = 0; i < examples->count; i++) {
		const struct example *example = &examples->items[i];
		bool has_reason = example->reason && !example->is_due;

		pack_map(message, 5u + has_reason);
		pack_pair_string(message, "database", examples->database);
		pack_pair_string(message, "question", example->question);
		pack_pair_string(message, "sql", example->sql);
		pack_pair_string(message, "source", example->is_taught ? "taught" : "file");
		pack_pair_string(message, "state", state_name(example));
		if (has_reason)
			pack_pair_string(message, "reason", example->reason);
	}
	return (uint32_t)examples->count;
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
