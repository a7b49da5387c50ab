#include "worker/builtin/reading.h"

static bool read_one_date(struct reading *reading, bool years, struct date_range *ret_range)
{
	const struct item *item = reading_item(reading, 0);

	if (reading_is(reading, 0, CUE_STOP))
		item = reading_item(reading, 1);
	if (item->is_date)
		*ret_range = item->date;
	else if (!(years && item->is_number &&
	             dates_year(&reading->link.words.items[item->first], ret_range)))
		return false;
	reading->at += item == reading_item(reading, 0) ? 1 : 2;
	return true;
}

static bool is_date_preposition(enum cue cue)
{
	static const enum cue cues[] = {CUE_IN, CUE_ON, CUE_SINCE, CUE_AFTER, CUE_BEFORE, CUE_UNTIL,
	    CUE_FROM, CUE_FOR, CUE_OF, CUE_BETWEEN};

	for (size_t i = 0; i < sizeof(cues) / sizeof(cues[0]); i++)
		if (cues[i] == cue)
			return true;
	return false;
}

static int add_range(struct reading *reading, struct query_column column, const char *from_sign,
    const char *from, const char *to)
{
	struct query_filter filter = {
	    .column = column, .shape = to && from ? FILTER_RANGE : FILTER_TEST};
	CLEAN(buffer) struct buffer test = BUFFER_INIT, until = BUFFER_INIT;

	if (from)
		buffer_printf(&test, "%s %s", from_sign, from);
	if (to)
		buffer_printf(from ? &until : &test, "< %s", to);
	filter.test = must_strdup(buffer_string(&test));
	filter.until = from && to ? must_strdup(buffer_string(&until)) : NULL;
	return reading_add_filter(reading, filter);
}

static int read_date_words(struct reading *reading, struct query_column column)
{
	const struct cue_row *row = reading_item(reading, 0)->cue;
	enum cue cue = row ? row->cue : CUE_NONE;
	struct date_range range, last;
	bool has_preposition = is_date_preposition(cue);

	reading->at += has_preposition;
	if (!read_one_date(reading, has_preposition, &range))
		return READ_OTHERWISE;
	if (cue == CUE_BETWEEN || (cue == CUE_FROM && (reading_is(reading, 0, CUE_TO) ||
	                                                  reading_is(reading, 0, CUE_UNTIL)))) {
		if (!reading_is(reading, 0, cue == CUE_BETWEEN ? CUE_AND : CUE_TO) &&
		    !reading_is(reading, 0, CUE_UNTIL))
			return READ_OTHERWISE;
		reading->at++;
		if (!read_one_date(reading, true, &last))
			return READ_OTHERWISE;
		return add_range(reading, column, ">=", range.from, last.to);
	}
	switch (cue) {
	case CUE_SINCE:
		return add_range(reading, column, ">=", range.from, NULL);
	case CUE_AFTER:
		return add_range(reading, column, ">=", range.to, NULL);
	case CUE_BEFORE:
		return add_range(reading, column, NULL, NULL, range.from);
	case CUE_UNTIL:
		return add_range(reading, column, NULL, NULL, range.to);
	default:
		return add_range(reading, column, ">=", range.from, range.to);
	}
}

/* Whether a date stands at the item after an optional preposition; asked before any is read. */
static bool date_follows(const struct reading *reading, size_t ahead)
{
	const struct item *item = reading_item(reading, ahead);
	struct date_range range;
	bool has_preposition = false;

	if (item->cue && is_date_preposition(item->cue->cue)) {
		has_preposition = true;
		item = reading_item(reading, ++ahead);
	}
	if (item->cue && item->cue->cue == CUE_STOP && !item->is_date)
		item = reading_item(reading, ++ahead);
	return item->is_date || (has_preposition && item->is_number &&
	                            dates_year(&reading->link.words.items[item->first], &range));
}

/* "hired", "signed up", "order date": which date the words before it say. */
static int read_date_column(struct reading *reading, struct query_column *ret_column)
{
	const struct item *item = reading_item(reading, 0);
	int r = READ_OTHERWISE;

	if (item->is_column) {
		r = resolve_column(reading, item, REACH_PARENTS, ret_column);
		if (r == READ_DECLINED)
			return r;
		if (r == 0 && !column_is_date(reading_column(reading, *ret_column)))
			r = READ_OTHERWISE;
	}
	if (r && reading_is(reading, 0, CUE_EVENT)) {
		ret_column->table = reading->scope;
		r = resolve_concept(
		    reading, reading->scope, item->cue->concept, &ret_column->column);
		if (r == READ_OTHERWISE && reading->query.join == JOIN_INNER) {
			ret_column->table = reading->query.other;
			r = resolve_concept(
			    reading, reading->query.other, item->cue->concept, &ret_column->column);
		}
		if (r == READ_OTHERWISE)
			return reading_decline(reading, "%s has no date for '%s'",
			    reading_table(reading, reading->scope)->name, item->cue->phrase);
	}
	if (r == 0)
		reading->at++;
	return r;
}

/* "cars from 2020": the year as a number in a column of that name. */
static int read_year_column(struct reading *reading, size_t column)
{
	const struct item *item = reading_item(reading, 1);

	if (!reading_is(reading, 0, CUE_FROM) && !reading_is(reading, 0, CUE_IN) &&
	    !reading_is(reading, 0, CUE_OF))
		return READ_OTHERWISE;
	reading->at += 2;
	return reading_add_compare(
	    reading, (struct query_column){reading->scope, column}, COMPARE_EQUAL, item->number);
}

int read_date(struct reading *reading)
{
	struct query_column column = {reading->scope, 0};
	int year, r;

	while (reading_is(reading, 0, CUE_IS) || reading_is(reading, 0, CUE_THAT) ||
	       reading_is(reading, 0, CUE_WITH) || reading_is(reading, 0, CUE_WHERE))
		reading->at++;
	if (!date_follows(reading, 0)) {
		size_t ahead = 1;

		while (reading_is(reading, ahead, CUE_IS))
			ahead++;
		if (!date_follows(reading, ahead))
			return READ_OTHERWISE;
		r = read_date_column(reading, &column);
		if (r)
			return r;
		while (reading_is(reading, 0, CUE_IS))
			reading->at++;
		return read_date_words(reading, column);
	}
	year = snapshot_find_column(reading_table(reading, reading->scope), "year");
	if (year >= 0 && !reading_item(reading, 1)->is_date &&
	    column_is_numeric(&reading_table(reading, reading->scope)->columns[year]))
		return read_year_column(reading, (size_t)year);
	r = resolve_concept(reading, column.table, CONCEPT_EVENT, &column.column);
	return r ? r : read_date_words(reading, column);
}
