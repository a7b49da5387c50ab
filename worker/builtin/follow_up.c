#include "worker/builtin/follow_up.h"

#include <stdlib.h>

#include "worker/builtin/link.h"
#include "worker/history.h"

/* Longer ones first. */
static const char *const leads[][3] = {{"and", "what", "about"}, {"and", "how", "about"},
    {"what", "about"}, {"how", "about"}, {"and"}};

enum { LEADS = sizeof(leads) / sizeof(leads[0]), LEAD_WORDS = 3 };

/* What a follow-up names: a date or a value, and the preposition before it. */
struct named {
	struct link link;
	size_t first, last; /* items; first is the preposition, or the thing itself */
};

static size_t lead_size(const struct words *words, const char *const lead[LEAD_WORDS])
{
	size_t size = 0;

	for (; size < LEAD_WORDS && lead[size]; size++)
		if (size >= words->count || strcmp(words->items[size].folded, lead[size]) != 0)
			return 0;
	return size;
}

/* What stands behind the lead; absent where it is no follow-up. */
static struct bytes behind_lead(struct bytes question)
{
	struct bytes rest = BYTES_NONE;
	struct words words;
	size_t size = 0;

	words_init(&words, question);
	for (size_t i = 0; size == 0 && i < LEADS; i++)
		size = lead_size(&words, leads[i]);
	if (size > 0 && size < words.count) {
		rest.data = words.items[size].raw.data;
		rest.size = (size_t)(question.data + question.size - rest.data);
	}
	words_deinit(&words);
	return rest;
}

static bool is_preposition(const struct item *item)
{
	static const enum cue cues[] = {CUE_IN, CUE_FROM, CUE_OF, CUE_FOR, CUE_AT, CUE_ON};

	for (size_t i = 0; item->cue && i < sizeof(cues) / sizeof(cues[0]); i++)
		if (item->cue->cue == cues[i])
			return true;
	return false;
}

static bool is_date(const struct link *link, const struct item *item, bool may_be_year)
{
	struct date_range range;

	return item->is_date || (may_be_year && item->is_number &&
	                            dates_year(&link->words.items[item->first], &range));
}

static bool is_stop(const struct item *item)
{
	return item->cue && item->cue->cue == CUE_STOP && !item->is_date && !item->is_value;
}

static bool read_named(
    struct bytes rest, const struct vocabulary *vocabulary, struct named *ret_named)
{
	const struct link *link = &ret_named->link;
	size_t at = 0, count;

	ret_named->first = 0;
	if (link_init(&ret_named->link, vocabulary, rest))
		return false;
	count = link->item_count;
	while (count > 0 && is_stop(&link->items[count - 1]))
		count--;
	if (count > 0 && is_preposition(&link->items[0]) && !link->items[0].is_date)
		at++;
	while (at < count && is_stop(&link->items[at]))
		at++;
	ret_named->last = at;
	return at + 1 == count &&
	       (is_date(link, &link->items[at], true) || link->items[at].is_value);
}

static bool share_column(
    const struct link *a, const struct item *of_a, const struct link *b, const struct item *of_b)
{
	struct link_value ours[LINK_REFS_MAX], theirs[LINK_REFS_MAX];
	size_t our_count = link_values(a, of_a, ours), their_count = link_values(b, of_b, theirs);

	for (size_t i = 0; i < our_count; i++)
		for (size_t k = 0; k < their_count; k++)
			if (ours[i].table == theirs[k].table && ours[i].column == theirs[k].column)
				return true;
	return false;
}

/* Of the question before: whether the item is of the same kind, and whether it can be replaced. */
static bool is_kin(const struct link *before, size_t at, const struct named *named)
{
	const struct item *item = &before->items[at];
	const struct item *wanted = &named->link.items[named->last];
	bool dated = is_date(&named->link, wanted, true);

	if (dated)
		return is_date(before, item,
		    at > 0 && before->items[at - 1].cue != NULL &&
		        before->items[at - 1].cue->cue != CUE_COMPARE);
	return item->is_value;
}

static struct bytes span(const struct link *link, size_t first, size_t last)
{
	struct bytes from = link_raw(link, &link->items[first]);
	struct bytes to = link_raw(link, &link->items[last]);

	return bytes_of(from.data, (size_t)(to.data + to.size - from.data));
}

/* The item that takes its leave; item_count where none is of the kind. False: it is not clear. */
static bool find_kin(const struct link *before, const struct named *named, size_t *ret_at)
{
	const struct item *wanted = &named->link.items[named->last];
	size_t found = 0;

	*ret_at = before->item_count;
	for (size_t i = 0; i < before->item_count; i++) {
		if (!is_kin(before, i, named))
			continue;
		found++;
		*ret_at = i;
	}
	if (found == 0)
		return named->first < named->last && is_preposition(&named->link.items[0]);
	return found == 1 &&
	       (is_date(&named->link, wanted, true) ||
	           share_column(before, &before->items[*ret_at], &named->link, wanted));
}

static size_t before_stops(const struct link *link, size_t at)
{
	while (at > 0 && is_stop(&link->items[at - 1]))
		at--;
	return at;
}

/* With the preposition, where there is another in its place. */
static size_t replaced_from(const struct link *before, size_t at, const struct named *named)
{
	size_t from = before_stops(before, at);

	if (named->first == named->last || !is_preposition(&named->link.items[0]))
		return at;
	return from > 0 && is_preposition(&before->items[from - 1]) ? from - 1 : at;
}

/* "since 2023" does not become "since 2024" by "and in 2024?", nor "not in Paris" "not in Rome". */
static bool is_bound(const struct link *before, size_t at)
{
	static const enum cue cues[] = {CUE_SINCE, CUE_AFTER, CUE_BEFORE, CUE_UNTIL, CUE_BETWEEN,
	    CUE_TO, CUE_COMPARE, CUE_NOT, CUE_WITHOUT};
	size_t count = sizeof(cues) / sizeof(cues[0]);

	at = before_stops(before, at);
	for (size_t i = 0; at > 0 && before->items[at - 1].cue && i < count; i++)
		if (before->items[at - 1].cue->cue == cues[i])
			return true;
	return false;
}

static struct bytes without_end(struct bytes text)
{
	while (text.size > 0 && memchr(" ?!.\n\t", text.data[text.size - 1], 6))
		text.size--;
	return text;
}

/* Replaces *text by the two as one question; false where it is not clear which that would be. */
static bool combine(struct buffer *text, const struct link *before, const struct named *named)
{
	CLEAN(buffer) struct buffer whole = BUFFER_INIT;
	struct bytes all = bytes_of_buffer(text), own, old;
	size_t at, from, start;

	if (!find_kin(before, named, &at))
		return false;
	own = span(&named->link, named->first, named->last);
	if (at == before->item_count) {
		buffer_append_bytes(&whole, without_end(all));
		buffer_append_string(&whole, " ");
		buffer_append_bytes(&whole, own);
	} else {
		from = replaced_from(before, at, named);
		if (is_bound(before, at) || is_bound(before, from))
			return false;
		old = span(before, from, at);
		start = (size_t)(old.data - all.data);
		buffer_append(&whole, all.data, start);
		buffer_append_bytes(&whole, own);
		buffer_append(&whole, old.data + old.size, all.size - start - old.size);
	}
	buffer_reset(text);
	buffer_append_bytes(text, bytes_of_buffer(&whole));
	return true;
}

/* What was asked last, with one more turn. A turn that is not clear leaves nothing to go on from.
 */
static void take_turn(struct buffer *text, struct bytes turn, const struct vocabulary *vocabulary)
{
	struct bytes rest = behind_lead(turn);
	CLEAN(free) struct named *named = must_zalloc(sizeof(*named));
	CLEAN(free) struct link *before = must_zalloc(sizeof(*before));
	bool combined = false;

	if (rest.data && text->size > 0 && read_named(rest, vocabulary, named) &&
	    link_init(before, vocabulary, bytes_of_buffer(text)) == 0)
		combined = combine(text, before, named);
	link_deinit(&named->link);
	link_deinit(before);
	if (combined)
		return;
	buffer_reset(text);
	buffer_append_bytes(text, turn);
}

void follow_up_resolve(struct bytes question, struct bytes history,
    const struct vocabulary *vocabulary, struct buffer *ret_question)
{
	struct history_walk walk = history_begin(history);
	struct said said;

	if (behind_lead(question).data)
		while (history_next(&walk, &said))
			if (!said.by_assistant)
				take_turn(ret_question, said.content, vocabulary);
	take_turn(ret_question, question, vocabulary);
}
