#include "worker/builtin/query_write.h"
#include "worker/builtin/reading.h"

enum { CHOICES_MAX = 8 };

static int add_test(struct reading *reading, struct query_column column, struct buffer *test)
{
	struct query_filter filter = {.column = column, .shape = FILTER_TEST};

	filter.test = must_strdup(buffer_string(test));
	return reading_add_filter(reading, filter);
}

static int add_boolean(struct reading *reading, struct query_column column, bool value)
{
	struct query_filter filter = {.column = column};

	filter.shape = value ? FILTER_IS_BOOLEAN : FILTER_NOT_BOOLEAN;
	return reading_add_filter(reading, filter);
}

int reading_add_compare(
    struct reading *reading, struct query_column column, enum compare compare, const char *number)
{
	CLEAN(buffer) struct buffer test = BUFFER_INIT;

	buffer_printf(&test, "%s %s", query_compare_sql(compare), number);
	return add_test(reading, column, &test);
}

static int add_text(struct reading *reading, struct query_column column, const char *before,
    struct bytes text, const char *behind)
{
	CLEAN(buffer) struct buffer test = BUFFER_INIT;

	buffer_append_string(&test, before);
	query_append_literal(&test, text);
	buffer_append_string(&test, behind);
	return add_test(reading, column, &test);
}

/* ---- values ---- */

struct choices {
	struct query_column column;
	size_t count;
	const char *texts[CHOICES_MAX];
};

static int add_choices(struct reading *reading, const struct choices *choices, bool negated)
{
	const char *unequal =
	    reading_column(reading, choices->column)->nullable ? "IS DISTINCT FROM " : "<> ";
	CLEAN(buffer) struct buffer test = BUFFER_INIT;

	if (choices->count == 1)
		return add_text(reading, choices->column, negated ? unequal : "= ",
		    bytes_of_string(choices->texts[0]), "");
	buffer_append_string(&test, negated ? "NOT IN (" : "IN (");
	for (size_t i = 0; i < choices->count; i++) {
		buffer_append_string(&test, i > 0 ? ", " : "");
		query_append_literal(&test, bytes_of_string(choices->texts[i]));
	}
	buffer_append_string(&test, ")");
	return add_test(reading, choices->column, &test);
}

/* The text that the item has as a value of just this column, or NULL. */
static const char *value_of_column(
    const struct reading *reading, const struct item *item, struct query_column column)
{
	struct link_value values[LINK_REFS_MAX];
	size_t count = link_values(&reading->link, item, values);

	for (size_t i = 0; i < count; i++)
		if (values[i].table == column.table && values[i].column == column.column)
			return values[i].text;
	return NULL;
}

/* "… or B", "…, B and C": further values of the same column. Leaves "or" that joins else. */
static void read_choices(struct reading *reading, struct choices *choices)
{
	for (;;) {
		size_t ahead = 0;
		const char *text;

		while (ahead < 2 &&
		       (reading_is(reading, ahead, CUE_OR) || reading_is(reading, ahead, CUE_AND) ||
		           reading_is(reading, ahead, CUE_COMMA)))
			ahead++;
		if (ahead > 0 &&
		    (reading_is(reading, ahead, CUE_IN) || reading_is(reading, ahead, CUE_FROM)))
			ahead++;
		text = value_of_column(reading, reading_item(reading, ahead), choices->column);
		if (ahead == 0 || !text || choices->count == CHOICES_MAX)
			return;
		choices->texts[choices->count++] = text;
		reading->at += ahead + 1;
	}
}

/* Whether it is a value of the table that was asked for, or of the one compared with it. */
static bool is_value_here(struct reading *reading, const struct item *item)
{
	struct link_value values[LINK_REFS_MAX];
	size_t count = link_values(&reading->link, item, values);

	for (size_t i = 0; i < count; i++)
		if (values[i].table == reading->query.table ||
		    (reading->query.join != JOIN_NONE && values[i].table == reading->query.other))
			return true;
	return false;
}

/* "not delivered" of shipments that have a delivered_at: whether that is there. */
static int read_happened(struct reading *reading, bool negated)
{
	const struct item *item = reading_item(reading, 0);
	struct query_column column = {reading->query.table, 0};
	CLEAN(buffer) struct buffer test = BUFFER_INIT;
	int r;

	r = item->is_column ? resolve_column_in(reading, item, column.table, &column.column)
	                    : READ_OTHERWISE;
	if (r || !column_is_date(reading_column(reading, column)))
		return r ? r : READ_OTHERWISE;
	if (!reading_column(reading, column)->nullable)
		return READ_OTHERWISE;
	buffer_append_string(&test, negated ? "IS NULL" : "IS NOT NULL");
	reading->at++;
	return add_test(reading, column, &test);
}

/* A value at the next item; its column is told by the hint or by where it occurs. */
static int read_one_value(
    struct reading *reading, const struct item *hint, bool negated, bool is_related)
{
	const struct item *item = reading_item(reading, 0), *behind;
	struct choices choices = {.count = 1};
	struct link_value value;
	int r;

	if (!item->is_value)
		return READ_OTHERWISE;
	behind = reading_item(reading, 1);
	if (!hint && (behind->is_table || behind->is_column) && !behind->cue) {
		/* "the Tents category" */
		r = resolve_value(reading, item, behind, &value);
		if (r == 0)
			reading->at++;
	} else {
		r = READ_OTHERWISE;
	}
	if (r == READ_OTHERWISE && !hint && !is_related && !is_value_here(reading, item)) {
		r = read_happened(reading, negated);
		if (r != READ_OTHERWISE)
			return r;
	}
	if (r == READ_OTHERWISE)
		r = resolve_value(reading, item, hint, &value);
	if (r)
		return r;
	/* "cancelled shipments" are not the shipments of cancelled orders. */
	if (value.is_label && !is_related && !hint && value.table != reading->query.table &&
	    reading->query.join == JOIN_INNER && behind == reading_item(reading, 1))
		return reading_decline(reading, "'%s' is said of %s, not of %s", value.text,
		    reading_table(reading, value.table)->name,
		    reading_table(reading, reading->query.table)->name);
	reading->at++;
	choices.column = (struct query_column){value.table, value.column};
	choices.texts[0] = value.text;
	read_choices(reading, &choices);
	return add_choices(reading, &choices, negated);
}

/* "discontinued": a column that is true or false. */
static int read_boolean(struct reading *reading, bool negated)
{
	const struct item *item = reading_item(reading, 0);
	struct query_column column;
	int r;

	if (!item->is_column)
		return READ_OTHERWISE;
	r = resolve_column(reading, item, REACH_PARENTS, &column);
	if (r)
		return r;
	if (reading_column(reading, column)->kind != COLUMN_BOOLEAN)
		return READ_OTHERWISE;
	reading->at++;
	return add_boolean(reading, column, !negated);
}

/* Whether the item may say in which table or column the value next to it is. */
static bool may_hint(const struct item *item)
{
	return (item->is_table || item->is_column) && !item->is_value;
}

static bool is_place(const struct reading *reading)
{
	static const enum cue cues[] = {CUE_IN, CUE_FROM, CUE_OF, CUE_AT, CUE_BY, CUE_WITH, CUE_FOR,
	    CUE_ON, CUE_WHERE, CUE_IS, CUE_NAMED};

	for (size_t i = 0; i < sizeof(cues) / sizeof(cues[0]); i++)
		if (reading_is(reading, 0, cues[i]))
			return true;
	return false;
}

/* named 'Desk Lamp' */
static int read_name(struct reading *reading, bool negated)
{
	const struct item *item = reading_item(reading, 0);
	struct query_column column = {reading->query.table, 0};
	size_t names[2];

	if (!item->is_quoted || negated ||
	    query_name_columns(reading_table(reading, column.table), names) != 1)
		return READ_OTHERWISE;
	column.column = names[0];
	if (reading_column(reading, column)->kind != COLUMN_TEXT)
		return READ_OTHERWISE;
	reading->at++;
	return add_text(reading, column, "= ", reading->link.words.items[item->first].raw, "");
}

/* [not] [in, from, of, with …] [table or column] [of, is] value [table or column] */
int read_value(struct reading *reading)
{
	const struct item *hint = NULL;
	bool negated = false, named = false, related = false;
	int r;

	for (;; reading->at++) {
		if (reading_is(reading, 0, CUE_NOT))
			negated = true;
		else if (!is_place(reading) && !reading_is(reading, 0, CUE_STOP))
			break;
		named = reading_is(reading, 0, CUE_NAMED);
		related = related || (is_place(reading) && !reading_is(reading, 0, CUE_IS));
	}
	if (may_hint(reading_item(reading, 0)) &&
	    (reading_item(reading, 1)->is_value || reading_is(reading, 1, CUE_OF) ||
	        reading_is(reading, 1, CUE_NAMED))) {
		hint = reading_item(reading, 0);
		reading->at += reading_item(reading, 1)->is_value ? 1 : 2;
	}
	r = read_one_value(reading, hint, negated, related);
	if (r == READ_OTHERWISE && !hint && named)
		r = read_name(reading, negated);
	if (r == READ_OTHERWISE && !hint)
		r = read_boolean(reading, negated);
	if (r == READ_OTHERWISE && !hint && !related)
		r = read_happened(reading, negated);
	return r;
}

int read_pending(struct reading *reading)
{
	size_t after = reading->at, count = reading->pending_count;

	reading->pending_count = 0;
	for (size_t i = 0; i < count; i++) {
		int r;

		reading->at = reading->pending[i].item;
		r = read_one_value(reading, NULL, reading->pending[i].negated, false);
		if (r == READ_OTHERWISE)
			r = read_boolean(reading, reading->pending[i].negated);
		if (r)
			return r == READ_OTHERWISE
			           ? reading_decline_item(
			                 reading, &reading->link.items[reading->pending[i].item])
			           : r;
		while (i + 1 < count && reading->pending[i + 1].item < reading->at)
			i++;
	}
	reading->at = after;
	return 0;
}

/* ---- numbers ---- */

/* A number with its unit; "$100", "100 euros". */
static bool read_number(struct reading *reading, const char **ret_number, const char **ret_unit)
{
	size_t before = reading->at;
	const struct item *item;
	const char *unit = NULL;

	if (reading_is(reading, 0, CUE_CURRENCY)) {
		item = reading_item(reading, 0);
		unit = grammar_unit(reading->link.words.items[item->first].folded);
		reading->at++;
	}
	item = reading_item(reading, 0);
	if (!item->is_number) {
		reading->at = before;
		return false;
	}
	*ret_number = item->number;
	reading->at++;
	item = reading_item(reading, 0);
	if (!unit && item->count == 1 && reading->at < reading->link.item_count) {
		unit = grammar_unit(reading->link.words.items[item->first].folded);
		reading->at += unit != NULL;
	}
	*ret_unit = unit;
	return true;
}

static int check_unit(struct reading *reading, struct query_column column, const char *unit)
{
	if (!unit || resolve_unit_fits(reading_column(reading, column), unit))
		return 0;
	return reading_decline(reading, "%s.%s is not said to be in '%s'",
	    reading_table(reading, column.table)->name, reading_column(reading, column)->name,
	    unit);
}

int reading_take_number(
    struct reading *reading, struct query_column column, const char **ret_number)
{
	const char *unit;

	if (!column_is_numeric(reading_column(reading, column)) ||
	    !read_number(reading, ret_number, &unit))
		return READ_OTHERWISE;
	return check_unit(reading, column, unit);
}

static int compare_number(struct reading *reading, struct query_column column, enum compare compare)
{
	const char *number;
	int r = reading_take_number(reading, column, &number);

	return r ? r : reading_add_compare(reading, column, compare, number);
}

static int between_numbers(struct reading *reading, struct query_column column)
{
	const char *from, *to, *unit, *unit_to;
	CLEAN(buffer) struct buffer test = BUFFER_INIT;

	if (!column_is_numeric(reading_column(reading, column)) ||
	    !read_number(reading, &from, &unit) ||
	    !(reading_is(reading, 0, CUE_AND) || reading_is(reading, 0, CUE_TO)))
		return READ_OTHERWISE;
	reading->at++;
	if (!read_number(reading, &to, &unit_to))
		return READ_OTHERWISE;
	if (check_unit(reading, column, unit) || check_unit(reading, column, unit_to))
		return READ_DECLINED;
	buffer_printf(&test, "BETWEEN %s AND %s", from, to);
	return add_test(reading, column, &test);
}

/* [column] "over 100 euros", "cheaper than 10": the column is the concept's, or the only one. */
int read_comparison(struct reading *reading)
{
	const struct cue_row *cue = reading_item(reading, 0)->cue;
	struct query_column column = {reading->nearest, 0};
	const char *number, *unit;
	size_t before;
	int r;

	if (!cue || cue->cue != CUE_COMPARE)
		return READ_OTHERWISE;
	if (reading->query.group_count > 0)
		return reading_decline(reading, "say which column is to be '%s' that", cue->phrase);
	reading->at++;
	before = reading->at;
	if (!read_number(reading, &number, &unit) || reading_item(reading, 0)->is_table)
		return READ_OTHERWISE;
	reading->at = before;
	r = cue->concept == CONCEPT_NONE
	        ? resolve_measure(reading, column.table, unit, &column.column)
	        : resolve_concept(reading, column.table, cue->concept, &column.column);
	if (r)
		return r;
	return compare_number(reading, column, (enum compare)cue->value);
}

static int read_like(
    struct reading *reading, struct query_column column, enum like like, bool negated)
{
	const struct item *item = reading_item(reading, 0);
	CLEAN(buffer) struct buffer pattern = BUFFER_INIT;
	struct bytes text;

	if (!item->is_quoted || reading_column(reading, column)->kind != COLUMN_TEXT)
		return READ_OTHERWISE;
	text = reading->link.words.items[item->first].raw;
	if (like != LIKE_STARTS)
		buffer_append_string(&pattern, "%");
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '%' || text.data[i] == '_' || text.data[i] == '\\')
			buffer_append_string(&pattern, "\\");
		buffer_append(&pattern, text.data + i, 1);
	}
	if (like != LIKE_ENDS)
		buffer_append_string(&pattern, "%");
	reading->at++;
	return add_text(
	    reading, column, negated ? "NOT ILIKE " : "ILIKE ", bytes_of_buffer(&pattern), "");
}

static int read_column_value(struct reading *reading, struct query_column column, bool negated)
{
	const struct item *item = reading_item(reading, 0);
	struct choices choices = {.column = column, .count = 1};

	choices.texts[0] = value_of_column(reading, item, column);
	if (choices.texts[0]) {
		reading->at++;
		read_choices(reading, &choices);
		return add_choices(reading, &choices, negated);
	}
	if (item->is_quoted && reading_column(reading, column)->kind == COLUMN_TEXT) {
		reading->at++;
		return add_text(reading, column, negated ? "<> " : "= ",
		    reading->link.words.items[item->first].raw, "");
	}
	return READ_OTHERWISE;
}

static int test_column(struct reading *reading, struct query_column column)
{
	const struct cue_row *cue;
	bool negated = false;

	for (;; reading->at++) {
		negated = negated || reading_is(reading, 0, CUE_NOT);
		if (!reading_is(reading, 0, CUE_IS) && !reading_is(reading, 0, CUE_OF) &&
		    !reading_is(reading, 0, CUE_NOT) && !reading_is(reading, 0, CUE_STOP))
			break;
	}
	cue = reading_item(reading, 0)->cue;
	if (cue && cue->cue == CUE_COMPARE && cue->concept == CONCEPT_NONE && !negated) {
		reading->at++;
		if (cue->value == COMPARE_EQUAL && !reading_item(reading, 0)->is_number)
			return read_column_value(reading, column, false);
		return compare_number(reading, column, (enum compare)cue->value);
	}
	if (cue && cue->cue == CUE_BETWEEN && !negated) {
		reading->at++;
		return between_numbers(reading, column);
	}
	if (cue && cue->cue == CUE_LIKE) {
		reading->at++;
		return read_like(reading, column, (enum like)cue->value, negated);
	}
	if (reading_item(reading, 0)->is_number && !negated)
		return compare_number(reading, column, COMPARE_EQUAL);
	return read_column_value(reading, column, negated);
}

/* [where, with, whose] column [is] [not] test; "without email" */
int read_column_test(struct reading *reading)
{
	bool without = false, with = false;
	struct query_column column;
	const struct item *item;
	int r;

	while (reading_is(reading, 0, CUE_WITH) || reading_is(reading, 0, CUE_WHERE) ||
	       reading_is(reading, 0, CUE_STOP) || reading_is(reading, 0, CUE_WITHOUT) ||
	       reading_is(reading, 0, CUE_THAT)) {
		without = without || reading_is(reading, 0, CUE_WITHOUT);
		with = with || reading_is(reading, 0, CUE_WITH);
		reading->at++;
	}
	item = reading_item(reading, 0);
	if (!item->is_column)
		return READ_OTHERWISE;
	r = resolve_column(reading, item, REACH_PARENTS, &column);
	if (r)
		return item->is_table || item->is_value ? READ_OTHERWISE : r;
	reading->at++;
	if (without || with) {
		CLEAN(buffer) struct buffer test = BUFFER_INIT;
		size_t before = reading->at;

		r = with ? test_column(reading, column) : READ_OTHERWISE;
		if (r != READ_OTHERWISE)
			return r;
		reading->at = before;
		if (reading_column(reading, column)->kind == COLUMN_BOOLEAN)
			return add_boolean(reading, column, with);
		if (!reading_column(reading, column)->nullable || item->is_table)
			return READ_OTHERWISE;
		buffer_append_string(&test, with ? "IS NOT NULL" : "IS NULL");
		return add_test(reading, column, &test);
	}
	return test_column(reading, column);
}
