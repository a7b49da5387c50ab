/* Why a result may not be kept: words and casts that read the clock, though no function does. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "worker/validate_tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char time_of_day[] = "it depends on the time of day";

static bool is_one_of(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; word && i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* The next word: letters, between which arrays and ranges take backslashes and quotes away. */
static const char *read_word(const char *text, char *word, size_t size)
{
	size_t used = 0;

	for (; isalpha((unsigned char)*text) || *text == '\\' || *text == '"'; text++)
		if (isalpha((unsigned char)*text) && used < size)
			word[used++] = *text;
	word[used < size ? used : 0] = '\0';
	return *text ? text + 1 : text;
}

/* PostgreSQL reads these words inside a longer value too: 'today 10:00', '{now}'. */
static bool names_a_day(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	char word[16];

	while (*text) {
		text = read_word(text, word, sizeof(word));
		for (size_t i = 0; *word && i < COUNT(words); i++)
			if (strcasecmp(words[i], word) == 0)
				return true;
	}
	return false;
}

void cacheable_note_constant(struct validation *validation, const struct tree *constant)
{
	const char *text = tree_text(tree_get(tree_get(constant, NAME_sval), NAME_sval));

	if (text && names_a_day(text))
		validation_not_cacheable(validation, time_of_day);
}

/* ---- casts to a time from text that is only known when the statement runs ---- */

static bool may_be_text(const struct validation *validation, const struct tree *value);

/* Columns of the name, in whichever table; of a name that none has nothing is known. */
static bool column_may_be_text(const struct validation *validation, const struct tree *column)
{
	const struct tree *last = tree_last(tree_get(column, NAME_fields));
	const char *name = tree_string(last);
	const struct policy_column *known = name ? policy_column(validation->policy, name) : NULL;

	return !known || known->may_be_text;
}

static bool call_may_be_text(const struct validation *validation, const struct tree *call)
{
	static const char *const times[] = {"age", "clock_timestamp", "date", "date_bin",
	    "date_part", "date_trunc", "extract", "justify_days", "justify_hours",
	    "justify_interval", "make_date", "make_interval", "make_time", "make_timestamp",
	    "make_timestamptz", "now", "timestamp", "timestamptz", "timezone", "to_date",
	    "to_timestamp"};
	/* Of the type of their first argument. */
	static const char *const same[] = {"first_value", "generate_series", "lag", "last_value",
	    "lead", "max", "min", "nth_value"};
	const struct tree *names = tree_get(call, NAME_funcname);
	const struct tree *last = tree_last(names);
	const char *name = tree_string(last);

	if (is_one_of(times, COUNT(times), name))
		return false;
	if (is_one_of(same, COUNT(same), name))
		return may_be_text(validation, tree_at(tree_get(call, NAME_args), 0));
	return true;
}

static bool any_may_be_text(const struct validation *validation, const struct tree *list)
{
	for (const struct tree *member = tree_first(list); member; member = member->next)
		if (may_be_text(validation, member))
			return true;
	return false;
}

static bool case_may_be_text(const struct validation *validation, const struct tree *node)
{
	const struct tree *branch = tree_first(tree_get(node, NAME_args));

	for (; branch; branch = branch->next)
		if (may_be_text(validation, tree_get(tree_get(branch, NAME_CaseWhen), NAME_result)))
			return true;
	return may_be_text(validation, tree_get(node, NAME_defresult));
}

static bool cast_may_be_text(const struct validation *validation, const struct tree *cast)
{
	static const char *const not_text[] = {"date", "time", "timetz", "timestamp", "timestamptz",
	    "interval", "int2", "int4", "int8", "numeric", "float4", "float8"};
	const struct tree *names = tree_get(tree_get(cast, NAME_typeName), NAME_names);
	const struct tree *last = tree_last(names);

	if (is_one_of(not_text, COUNT(not_text), tree_string(last)))
		return false;
	return may_be_text(validation, tree_get(cast, NAME_arg));
}

/* + - * / % never give a text, whatever they are given. */
static bool operation_may_be_text(const struct tree *operation)
{
	static const char *const numeric[] = {"+", "-", "*", "/", "%"};
	const struct tree *name = tree_at(tree_get(operation, NAME_name), 0);

	return !is_one_of(numeric, COUNT(numeric), tree_string(name));
}

static bool may_be_text(const struct validation *validation, const struct tree *value)
{
	const struct tree *node = tree_first(value);

	if (!node) /* a constant NULL, or no ELSE */
		return false;
	if (node->name == NAME_A_Const) /* cacheable_note_constant has seen it */
		return false;
	if (node->name == NAME_SQLValueFunction)
		return false;
	if (node->name == NAME_ColumnRef)
		return column_may_be_text(validation, node);
	if (node->name == NAME_FuncCall)
		return call_may_be_text(validation, node);
	if (node->name == NAME_TypeCast)
		return cast_may_be_text(validation, node);
	if (node->name == NAME_A_Expr)
		return operation_may_be_text(node);
	if (node->name == NAME_CaseExpr)
		return case_may_be_text(validation, node);
	if (node->name == NAME_CoalesceExpr || node->name == NAME_MinMaxExpr)
		return any_may_be_text(validation, tree_get(node, NAME_args));
	if (node->name == NAME_A_ArrayExpr)
		return any_may_be_text(validation, tree_get(node, NAME_elements));
	return true;
}

void cacheable_note_cast(
    struct validation *validation, const struct tree *argument, const char *type)
{
	static const char *const times[] = {"date", "time", "timetz", "timestamp", "timestamptz",
	    "daterange", "tsrange", "tstzrange", "datemultirange", "tsmultirange",
	    "tstzmultirange"};
	static const char *const objects[] = {
	    "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regtype"};

	if (is_one_of(objects, COUNT(objects), type)) {
		validation->verdict->reads_catalog = true;
		validation_not_cacheable(validation, "it reads the catalogs");
	} else if (is_one_of(times, COUNT(times), type) &&
	           (!argument || may_be_text(validation, argument))) {
		validation_not_cacheable(
		    validation, "it reads a time from text, which may say \"now\"");
	}
}
