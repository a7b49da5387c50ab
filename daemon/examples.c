#include "daemon/examples.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/msgpack_scan.h"
#include "daemon/pool.h"
#include "text/stop_words.h"
#include "text/tokens.h"

enum { PICKED_MAX = 3, WORDS_MAX = 64, CHECK_TIMEOUT_MS = 60 * 1000 };

/* Of two questions' words in common, by their geometric mean. */
#define NEAR_ENOUGH 0.25

enum example_state { EXAMPLE_UNCHECKED, EXAMPLE_ALLOWED, EXAMPLE_REFUSED };

/* The hashes of a question's stems, each once; that two collide brings a worse example. */
struct word_set {
	size_t count;
	uint64_t words[WORDS_MAX];
};

struct example {
	char *question, *sql;
	struct word_set words;
	enum example_state state;
};

struct examples {
	const char *database;
	struct pool *pool;
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

/* The text of one pair of an encoded map; absent where there is none. */
static struct bytes find_pair(struct bytes map, const char *name)
{
	struct msgpack_element element;
	struct bytes key, value;

	if (!msgpack_read_element(&map, &element, NULL) || element.kind != MSGPACK_MAP)
		return BYTES_NONE;
	for (uint32_t left = element.count; left > 0; left--) {
		size_t size;

		if (!msgpack_read_element(&map, &element, &key))
			return BYTES_NONE;
		size = msgpack_value_size(map);
		value = bytes_of(map.data, size);
		if (size == 0)
			return BYTES_NONE;
		map = bytes_of(map.data + size, map.size - size);
		if (bytes_equal_string(key, name) && msgpack_read_element(&value, &element, &key) &&
		    element.kind == MSGPACK_STR)
			return key;
	}
	return BYTES_NONE;
}

static void take_verdict(struct examples *examples, struct bytes pairs)
{
	struct example *example = &examples->items[examples->checking];
	struct bytes reason = find_pair(pairs, "reason");

	example->state = bytes_equal_string(find_pair(pairs, "verdict"), "allow") ? EXAMPLE_ALLOWED
	                                                                          : EXAMPLE_REFUSED;
	if (example->state == EXAMPLE_REFUSED)
		log_warning("database %s: the example \"%.100s\" is left out: %.*s",
		    examples->database, example->question, (int)reason.size,
		    reason.data ? reason.data : "");
}

static void checked(struct waiter *waiter, const struct job_outcome *outcome)
{
	struct examples *examples =
	    (struct examples *)(void *)((char *)waiter - offsetof(struct examples, waiter));
	struct validate_result result;
	struct error error;

	examples->is_checking = false;
	/* No verdict: the next question that could use it tries again. */
	if (outcome->error ||
	    message_unpack(&validate_result_row, outcome->result, &result, &error) != 0)
		return;
	take_verdict(examples, result.pairs);
	check_next(examples);
}

static void check_next(struct examples *examples)
{
	struct validate_params params;
	struct error error;
	size_t next = 0;

	while (next < examples->count && examples->items[next].state != EXAMPLE_UNCHECKED)
		next++;
	if (examples->is_checking || next == examples->count)
		return;
	examples->checking = next;
	examples->waiter.done = checked;
	params.sql = bytes_of_string(examples->items[next].sql);
	examples->is_checking =
	    pool_submit(examples->pool, BYTES_NONE, MESSAGE_ID_VALIDATE, &params, &examples->waiter,
	        clock_now_ms() + CHECK_TIMEOUT_MS, &error) == 0;
}

static void check_all(struct examples *examples)
{
	if (examples->is_checking)
		pool_leave(&examples->waiter);
	examples->is_checking = false;
	for (size_t i = 0; i < examples->count; i++)
		examples->items[i].state = EXAMPLE_UNCHECKED;
	check_next(examples);
}

/* ---- the list ---- */

static void clear(struct examples *examples)
{
	if (examples->is_checking)
		pool_leave(&examples->waiter);
	examples->is_checking = false;
	for (size_t i = 0; i < examples->count; i++) {
		free(examples->items[i].question);
		free(examples->items[i].sql);
	}
	free(examples->items);
	examples->items = NULL;
	examples->count = 0;
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
	clear(examples);
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

void examples_configure(struct examples *examples, const struct child_config *config)
{
	uint64_t version = version_of(config, examples->database);

	if (version == examples->version)
		return;
	clear(examples);
	examples->version = version;
	examples->items = must_zalloc((config->example_count + 1) * sizeof(*examples->items));
	for (size_t i = 0; i < config->example_count; i++) {
		const struct child_example *from = &config->examples[i];
		struct example *example = &examples->items[examples->count];

		if (strcmp(from->database, examples->database) != 0)
			continue;
		example->question = must_strdup(from->question);
		example->sql = must_strdup(from->sql);
		read_words(bytes_of_string(from->question), &example->words);
		examples->count++;
	}
	check_next(examples);
}

void examples_schema_changed(struct examples *examples)
{
	check_all(examples);
}

uint64_t examples_version(const struct examples *examples)
{
	return examples->version;
}

/* ---- the nearest ---- */

bool examples_pick(struct examples *examples, struct bytes question, struct buffer *ret_texts)
{
	const char *texts[2 * PICKED_MAX];
	double scores[PICKED_MAX + 1];
	size_t picked[PICKED_MAX + 1], count = 0;
	struct word_set words;

	check_next(examples);
	if (examples->count > 0)
		read_words(question, &words);
	for (size_t i = 0; i < examples->count; i++) {
		double score = nearness(&words, &examples->items[i].words);
		size_t at = count;

		if (examples->items[i].state != EXAMPLE_ALLOWED || score < NEAR_ENOUGH)
			continue;
		for (; at > 0 && scores[at - 1] < score; at--) {
			scores[at] = scores[at - 1];
			picked[at] = picked[at - 1];
		}
		scores[at] = score;
		picked[at] = i;
		count = count < PICKED_MAX ? count + 1 : PICKED_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		texts[2 * i] = examples->items[picked[i]].question;
		texts[2 * i + 1] = examples->items[picked[i]].sql;
	}
	if (count > 0)
		texts_pack(ret_texts, texts, 2 * count);
	return count > 0;
}
