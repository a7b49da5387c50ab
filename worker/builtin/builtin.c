#include "worker/builtin/builtin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/limits.h"
#include "worker/builtin/query_write.h"
#include "worker/builtin/reading.h"

const struct item *reading_item(const struct reading *reading, size_t ahead)
{
	static const struct item nothing;

	return reading->at + ahead < reading->link.item_count
	           ? &reading->link.items[reading->at + ahead]
	           : &nothing;
}

bool reading_is(const struct reading *reading, size_t ahead, enum cue cue)
{
	const struct item *item = reading_item(reading, ahead);

	return item->cue && item->cue->cue == cue;
}

void reading_skip_stops(struct reading *reading)
{
	while (reading_is(reading, 0, CUE_STOP))
		reading->at++;
}

const struct snapshot_table *reading_table(const struct reading *reading, size_t table)
{
	return &reading->link.snapshot->tables[table];
}

const struct snapshot_column *reading_column(
    const struct reading *reading, struct query_column column)
{
	return &reading_table(reading, column.table)->columns[column.column];
}

int reading_decline(struct reading *reading, const char *format, ...)
{
	char message[sizeof(reading->error->message)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	error_set(reading->error, ERROR_UNANSWERABLE, "%s", message);
	return READ_DECLINED;
}

static bool means_something(const struct item *item)
{
	return item->cue || item->is_table || item->is_column || item->is_value || item->is_date ||
	       item->is_number || item->is_quoted;
}

int reading_decline_item(struct reading *reading, const struct item *item)
{
	struct bytes raw;

	if (item->count == 0)
		return reading_decline(reading, "the question seems to end too early");
	raw = link_raw(&reading->link, item);
	if (raw.size > 80)
		raw.size = 80;
	while (raw.size > 0 && !bytes_are_utf8(raw))
		raw.size--;
	return reading_decline(reading,
	    means_something(item) ? "I can't tell what '%.*s' does in this question"
	                          : "I don't know the word '%.*s'",
	    (int)raw.size, raw.data);
}

int reading_decline_here(struct reading *reading)
{
	return reading_decline_item(reading, reading_item(reading, 0));
}

int reading_add_filter(struct reading *reading, struct query_filter filter)
{
	struct query *query = &reading->query;

	if (query->filter_count == QUERY_FILTERS_MAX) {
		query_filter_deinit(&filter);
		return reading_decline(reading, "there are too many conditions");
	}
	query->filters[query->filter_count++] = filter;
	return 0;
}

/* Groups are made of rows: where a condition leaves none there is no group that could be few. */
static int check_having(struct reading *reading)
{
	const struct query *query = &reading->query;
	bool few =
	    query->having_compare == COMPARE_LESS || query->having_compare == COMPARE_AT_MOST;
	const struct query_group *group = &query->groups[0];
	bool nullable = !group->whole_row && reading_column(reading, group->column)->nullable;

	if (query->group_count != 1)
		return reading_decline(reading, "that is too much for one question");
	if (few && query->counts_rows &&
	    (query->join != JOIN_NONE || query->filter_count > (nullable ? 1 : 0)))
		return reading_decline(reading, "say whether those with none are meant");
	return 0;
}

/* What one part alone can't see: parts that do not go together. */
static int check(struct reading *reading)
{
	const struct query *query = &reading->query;

	if (!reading->has_table)
		return reading_decline(reading, "the question names nothing that the database has");
	if (reading->wants_measure)
		return reading_decline(reading, "say by what %s are compared",
		    reading_table(reading, query->table)->name);
	if (query->has_having)
		return check_having(reading);
	if (query->aggregate == AGGREGATE_NONE || query->group_count > 0)
		return 0;
	if (query->order != ORDER_NONE || query->limit[0])
		return reading_decline(reading, "one number can't be sorted or limited");
	return 0;
}

/* A word that means nothing to us may mean anything to who asks. */
static int check_words(struct reading *reading)
{
	for (size_t i = 0; i < reading->link.item_count; i++) {
		const struct item *item = &reading->link.items[i];

		if (!means_something(item) &&
		    !grammar_unit(reading->link.words.items[item->first].folded))
			return reading_decline_item(reading, item);
	}
	return 0;
}

static int read_question(struct reading *reading)
{
	int r = check_words(reading);

	if (r)
		return r;
	r = read_request(reading);
	if (r == READ_OTHERWISE)
		r = reading_decline_item(reading, reading_item(reading, 0));
	if (r == 0)
		r = read_tail(reading);
	return r ? r : check(reading);
}

int builtin_translate(struct bytes question, const struct vocabulary *vocabulary,
    struct buffer *ret_sql, struct error *ret_error)
{
	CLEAN(free) struct reading *reading = must_zalloc(sizeof(*reading));
	size_t before = ret_sql->size;
	int r;

	reading->error = ret_error;
	reading->subject = SIZE_MAX;
	if (link_init(&reading->link, vocabulary, question))
		r = reading_decline(reading, "the question has too many words");
	else if (reading->link.item_count == 0)
		r = reading_decline(reading, "the question has no words");
	else {
		reading->query.snapshot = reading->link.snapshot;
		r = read_question(reading);
	}
	if (r == 0)
		query_write(&reading->query, ret_sql);
	if (ret_sql->size - before > LIMIT_SQL_BYTES) {
		ret_sql->size = before;
		r = reading_decline(reading, "the statement would be too long");
	}
	query_deinit(&reading->query);
	link_deinit(&reading->link);
	return r ? (int)ERROR_UNANSWERABLE : 0;
}
