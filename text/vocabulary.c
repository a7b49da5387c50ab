#include "text/vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <utf8proc.h>
#include <xxhash.h>

#include "text/identifier.h"
#include "text/stop_words.h"
#include "text/tokens.h"

/*
 * The limits hold the memory: 1 M entries are 44 MiB while they are sorted, 20 MiB after. Kinds
 * are read one after the other, names first, so that what is left out is the least.
 */
enum {
	ENTRIES_MAX = 1 << 20,
	STEMS_MAX = 1 << 18,
	COMMENT_WORDS_MAX = 24,
	VALUE_WORDS_MAX = 8,
	WORD_BYTES_MAX = 64,
	FIRST_SLOTS = 1024,
	NO_STEM = UINT32_MAX,
};

/* How much a word says by the place where it stands, before its rarity. */
static const float kind_weights[] = {
    [VOCABULARY_TABLE] = 1.0f,
    [VOCABULARY_COLUMN] = 0.8f,
    [VOCABULARY_LABEL] = 0.8f,
    [VOCABULARY_VALUE] = 0.7f,
    [VOCABULARY_COMMENT] = 0.4f,
};

struct stem {
	uint32_t text; /* offset in texts */
	uint32_t first; /* its entries, once they are in order */
	uint32_t count;
};

struct vocabulary {
	const struct snapshot *snapshot;
	struct buffer texts; /* the stems, each with its NUL */
	struct stem *stems;
	uint32_t stem_count, stem_capacity;
	uint32_t *slots; /* open addressing: index into stems, or NO_STEM */
	uint32_t slot_count; /* a power of two, at least twice stem_count */
	struct vocabulary_entry *entries;
	uint32_t entry_count;
};

enum phase {
	PHASE_READ, /* `kind`, from the table `at` on */
	PHASE_GROUP, /* entries from `at` on */
	PHASE_WEIGH, /* stems from `at` on */
	PHASE_DONE,
};

/* What is there only while a vocabulary is built. */
struct vocabulary_build {
	struct vocabulary *vocabulary;
	uint32_t *stem_of_entry;
	uint32_t capacity;
	struct buffer stem;
	enum phase phase;
	enum vocabulary_kind kind;
	uint32_t at;
	struct vocabulary_entry *grouped, *sorted; /* sorted: room for the stem with most */
	uint32_t *seen_in; /* by table: 1 + the last stem that was counted there */
};

static const char *stem_text(const struct vocabulary *vocabulary, uint32_t index)
{
	return vocabulary->texts.data + vocabulary->stems[index].text;
}

/* The slot that holds the stem, or the empty one where it belongs. */
static uint32_t *find_slot(const struct vocabulary *vocabulary, const char *stem, size_t size)
{
	uint32_t mask = vocabulary->slot_count - 1;
	uint32_t at = (uint32_t)XXH3_64bits(stem, size) & mask;

	for (;; at = (at + 1) & mask) {
		uint32_t index = vocabulary->slots[at];

		if (index == NO_STEM || strcmp(stem_text(vocabulary, index), stem) == 0)
			return &vocabulary->slots[at];
	}
}

static void make_slots(struct vocabulary *vocabulary, uint32_t count)
{
	free(vocabulary->slots);
	vocabulary->slots = must_alloc(count * sizeof(*vocabulary->slots));
	memset(vocabulary->slots, 0xff, count * sizeof(*vocabulary->slots));
	vocabulary->slot_count = count;
	for (uint32_t i = 0; i < vocabulary->stem_count; i++) {
		const char *text = stem_text(vocabulary, i);

		*find_slot(vocabulary, text, strlen(text)) = i;
	}
}

static uint32_t intern(struct vocabulary *vocabulary, const char *stem, size_t size)
{
	uint32_t *slot = find_slot(vocabulary, stem, size);

	if (*slot != NO_STEM || vocabulary->stem_count == STEMS_MAX)
		return *slot;
	if (vocabulary->stem_count == vocabulary->stem_capacity) {
		vocabulary->stem_capacity = vocabulary->stem_capacity * 2 + 256;
		vocabulary->stems = must_realloc(
		    vocabulary->stems, vocabulary->stem_capacity * sizeof(*vocabulary->stems));
	}
	vocabulary->stems[vocabulary->stem_count] =
	    (struct stem){.text = (uint32_t)vocabulary->texts.size};
	buffer_append(&vocabulary->texts, stem, size + 1);
	*slot = vocabulary->stem_count++;
	if (vocabulary->stem_count * 2 > vocabulary->slot_count)
		make_slots(vocabulary, vocabulary->slot_count * 2);
	return vocabulary->stem_count - 1;
}

static void add_entry(
    struct vocabulary_build *building, struct bytes word, struct vocabulary_entry entry)
{
	struct vocabulary *vocabulary = building->vocabulary;
	uint32_t stem;

	if (word.size == 0 || word.size > WORD_BYTES_MAX || vocabulary->entry_count == ENTRIES_MAX)
		return;
	token_stem(word, &building->stem);
	stem = intern(vocabulary, buffer_string(&building->stem), building->stem.size);
	if (stem == NO_STEM)
		return;
	if (vocabulary->entry_count == building->capacity) {
		building->capacity = building->capacity * 2 + 256;
		vocabulary->entries = must_realloc(
		    vocabulary->entries, building->capacity * sizeof(*vocabulary->entries));
		building->stem_of_entry = must_realloc(
		    building->stem_of_entry, building->capacity * sizeof(*building->stem_of_entry));
	}
	building->stem_of_entry[vocabulary->entry_count] = stem;
	vocabulary->entries[vocabulary->entry_count++] = entry;
	vocabulary->stems[stem].count++;
}

static bool has_letter(struct bytes word)
{
	for (size_t i = 0; i < word.size; i++)
		if ((word.data[i] | 0x20) >= 'a' || (unsigned char)word.data[i] >= 0x80)
			return true;
	return false;
}

/* "first name" counts for fname with both of its words. */
static void add_expanded(
    struct vocabulary_build *building, const char *expanded, struct vocabulary_entry entry)
{
	while (*expanded) {
		size_t size = strcspn(expanded, " ");

		add_entry(building, bytes_of(expanded, size), entry);
		expanded += size + (expanded[size] == ' ');
	}
}

/* Who writes body_builder may be asked for bodybuilders. */
static void add_joined(struct vocabulary_build *building, struct bytes left, struct bytes right,
    struct vocabulary_entry entry)
{
	char joined[WORD_BYTES_MAX];

	if (left.size < 2 || right.size < 2 || left.size + right.size > sizeof(joined) ||
	    !has_letter(left) || !has_letter(right))
		return;
	memcpy(joined, left.data, left.size);
	memcpy(joined + left.size, right.data, right.size);
	add_entry(building, bytes_of(joined, left.size + right.size), entry);
}

static void add_name(
    struct vocabulary_build *building, const char *name, struct vocabulary_entry entry)
{
	struct bytes words[IDENTIFIER_WORDS_MAX];
	size_t count = identifier_split(bytes_of_string(name), words);

	entry.words = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		const char *expanded = identifier_expand(words[i]);

		entry.word = (uint8_t)i;
		if (i + 1 < count)
			add_joined(building, words[i], words[i + 1], entry);
		if (!has_letter(words[i]))
			continue;
		add_entry(building, words[i], entry);
		if (expanded)
			add_expanded(building, expanded, entry);
	}
}

static bool has_content(const struct token *token)
{
	return token->kind == TOKEN_WORD && stop_word_find(token->folded) == STOP_WORD_NONE;
}

/* The words of a comment, a label or a value: whole tokens, and the parts of joined ones. */
static void add_text(struct vocabulary_build *building, const char *text, size_t max_words,
    struct vocabulary_entry entry)
{
	struct tokens tokens;

	tokens_split(bytes_of_string(text), max_words, &tokens);
	entry.words = (uint8_t)tokens.count;
	for (size_t i = 0; i < tokens.count; i++) {
		struct bytes parts[IDENTIFIER_WORDS_MAX];
		size_t count;

		entry.word = (uint8_t)i;
		if (!has_content(&tokens.items[i]))
			continue;
		add_entry(building, tokens.items[i].raw, entry);
		count = identifier_split(tokens.items[i].raw, parts);
		for (size_t k = 0; count > 1 && k < count; k++)
			if (parts[k].size > 1 && has_letter(parts[k]))
				add_entry(building, parts[k], entry);
	}
	tokens_free(&tokens);
}

static void add_column(struct vocabulary_build *building, const struct snapshot_column *column,
    struct vocabulary_entry entry)
{
	const char *const *texts =
	    entry.kind == VOCABULARY_LABEL ? column->labels : column->samples;
	size_t count = entry.kind == VOCABULARY_LABEL ? column->label_count : column->sample_count;

	if (entry.kind == VOCABULARY_COLUMN)
		add_name(building, column->name, entry);
	if (entry.kind == VOCABULARY_COMMENT && column->comment)
		add_text(building, column->comment, COMMENT_WORDS_MAX, entry);
	if (entry.kind != VOCABULARY_LABEL && entry.kind != VOCABULARY_VALUE)
		return;
	for (size_t i = 0; i < count && i <= UINT16_MAX; i++) {
		entry.label = (uint16_t)i;
		add_text(building, texts[i], VALUE_WORDS_MAX, entry);
	}
}

static void add_table(struct vocabulary_build *building, uint32_t index)
{
	const struct snapshot_table *table = &building->vocabulary->snapshot->tables[index];
	struct vocabulary_entry entry = {.kind = building->kind, .table = index, .column = -1};

	if (entry.kind == VOCABULARY_TABLE)
		add_name(building, table->name, entry);
	if (entry.kind == VOCABULARY_COMMENT && table->comment)
		add_text(building, table->comment, COMMENT_WORDS_MAX, entry);
	for (size_t c = 0; entry.kind != VOCABULARY_TABLE && c < table->column_count; c++) {
		entry.column = (int32_t)c;
		add_column(building, &table->columns[c], entry);
	}
}

/* ---- the steps ---- */

static void enter(struct vocabulary_build *building, enum phase phase)
{
	building->phase = phase;
	building->at = 0;
}

static void begin_grouping(struct vocabulary_build *building)
{
	struct vocabulary *vocabulary = building->vocabulary;
	uint32_t first = 0, most = 0;

	for (uint32_t i = 0; i < vocabulary->stem_count; i++) {
		struct stem *stem = &vocabulary->stems[i];

		most = stem->count > most ? stem->count : most;
		stem->first = first;
		first += stem->count;
		stem->count = 0;
	}
	building->grouped = must_alloc(vocabulary->entry_count * sizeof(*building->grouped));
	building->sorted = must_alloc(most * sizeof(*building->sorted));
	building->seen_in =
	    must_zalloc((vocabulary->snapshot->table_count + 1) * sizeof(*building->seen_in));
	enter(building, PHASE_GROUP);
}

/* All tables of one kind, then of the next. */
static void step_reading(struct vocabulary_build *building, size_t work)
{
	struct vocabulary *vocabulary = building->vocabulary;
	uint32_t before = vocabulary->entry_count, tables = 0;

	/* A table without comments or labels is work too. */
	while (vocabulary->entry_count - before + tables++ < work) {
		if (building->at < vocabulary->snapshot->table_count) {
			add_table(building, building->at++);
		} else if (building->kind < VOCABULARY_COMMENT) {
			building->kind++;
			building->at = 0;
		} else {
			begin_grouping(building);
			return;
		}
	}
}

/* Puts the entries of each stem together, in the order in which they came. */
static void step_grouping(struct vocabulary_build *building, size_t work)
{
	struct vocabulary *vocabulary = building->vocabulary;

	for (; work > 0 && building->at < vocabulary->entry_count; work--, building->at++) {
		struct stem *stem = &vocabulary->stems[building->stem_of_entry[building->at]];

		building->grouped[stem->first + stem->count++] = vocabulary->entries[building->at];
	}
	if (building->at < vocabulary->entry_count)
		return;
	free(vocabulary->entries);
	vocabulary->entries = building->grouped;
	building->grouped = NULL;
	enter(building, PHASE_WEIGH);
}

/* One word of several names a part of the thing only. */
static bool is_part(const struct vocabulary_entry *entry)
{
	return entry->words > 1;
}

static float weight_of(const struct vocabulary_entry *entry)
{
	return kind_weights[entry->kind] * (is_part(entry) ? 0.85f : 1.0f);
}

/* Strongest first. Entries came by kind, table, column and label, and stay in that order where
 * they weigh the same: so one pass for each weight that there is will do. */
static void sort_by_weight(
    struct vocabulary_build *building, struct vocabulary_entry *entries, uint32_t count)
{
	uint32_t done = 0;

	for (float below = 2; done < count;) {
		float next = -1;

		for (uint32_t i = 0; i < count; i++) {
			float weight = weight_of(&entries[i]);

			if (weight < below && weight > next)
				next = weight;
		}
		for (uint32_t i = 0; i < count; i++)
			if (weight_of(&entries[i]) == next)
				building->sorted[done++] = entries[i];
		below = next;
	}
	memcpy(entries, building->sorted, count * sizeof(*entries));
}

static void weigh(struct vocabulary_build *building, uint32_t index)
{
	const struct stem *stem = &building->vocabulary->stems[index];
	struct vocabulary_entry *entries = building->vocabulary->entries + stem->first;
	uint32_t tables = 0;
	float rarity;

	for (uint32_t i = 0; i < stem->count; i++) {
		tables += building->seen_in[entries[i].table] != index + 1;
		building->seen_in[entries[i].table] = index + 1;
	}
	if (stem->count > 1)
		sort_by_weight(building, entries, stem->count);
	rarity = 1.0f / (1.0f + 0.5f * logf((float)tables));
	for (uint32_t i = 0; i < stem->count; i++)
		entries[i].weight = weight_of(&entries[i]) * rarity;
}

static void step_weighing(struct vocabulary_build *building, size_t work)
{
	const struct vocabulary *vocabulary = building->vocabulary;

	for (size_t done = 0; done < work && building->at < vocabulary->stem_count;
	     building->at++) {
		weigh(building, building->at);
		done += vocabulary->stems[building->at].count;
	}
	if (building->at == vocabulary->stem_count)
		enter(building, PHASE_DONE);
}

struct vocabulary_build *vocabulary_build_new(const struct snapshot *snapshot)
{
	struct vocabulary_build *building = must_zalloc(sizeof(*building));

	building->vocabulary = must_zalloc(sizeof(*building->vocabulary));
	building->vocabulary->snapshot = snapshot;
	make_slots(building->vocabulary, FIRST_SLOTS);
	return building;
}

struct vocabulary *vocabulary_build_step(struct vocabulary_build *build, size_t work)
{
	static void (*const steps[])(struct vocabulary_build * build, size_t work) = {
	    [PHASE_READ] = step_reading,
	    [PHASE_GROUP] = step_grouping,
	    [PHASE_WEIGH] = step_weighing,
	};
	struct vocabulary *done;

	steps[build->phase](build, work);
	if (build->phase != PHASE_DONE)
		return NULL;
	done = build->vocabulary;
	build->vocabulary = NULL;
	vocabulary_build_free(build);
	return done;
}

void vocabulary_build_free(struct vocabulary_build *build)
{
	if (!build)
		return;
	vocabulary_free(build->vocabulary);
	free(build->stem_of_entry);
	free(build->grouped);
	free(build->sorted);
	free(build->seen_in);
	buffer_deinit(&build->stem);
	free(build);
}

struct vocabulary *vocabulary_new(const struct snapshot *snapshot)
{
	struct vocabulary_build *build = vocabulary_build_new(snapshot);
	struct vocabulary *done;

	do
		done = vocabulary_build_step(build, SIZE_MAX);
	while (!done);
	return done;
}

void vocabulary_free(struct vocabulary *vocabulary)
{
	if (!vocabulary)
		return;
	buffer_deinit(&vocabulary->texts);
	free(vocabulary->stems);
	free(vocabulary->slots);
	free(vocabulary->entries);
	free(vocabulary);
}

const struct snapshot *vocabulary_snapshot(const struct vocabulary *vocabulary)
{
	return vocabulary->snapshot;
}

const struct vocabulary_entry *vocabulary_find(
    const struct vocabulary *vocabulary, const char *stem, size_t *ret_count)
{
	uint32_t index = *find_slot(vocabulary, stem, strlen(stem));

	if (index == NO_STEM) {
		*ret_count = 0;
		return NULL;
	}
	*ret_count = vocabulary->stems[index].count;
	return vocabulary->entries + vocabulary->stems[index].first;
}

size_t vocabulary_stems(const struct vocabulary *vocabulary, const char ***ret_stems)
{
	const char **stems = must_alloc((vocabulary->stem_count + 1) * sizeof(*stems));

	for (uint32_t i = 0; i < vocabulary->stem_count; i++)
		stems[i] = stem_text(vocabulary, i);
	*ret_stems = stems;
	return vocabulary->stem_count;
}
