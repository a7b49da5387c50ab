#include "daemon/classify_corrections.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/limits.h"
#include "text/normalise.h"

struct classify_correction {
	char *text;
	enum route route;
	bool is_general; /* not of the one database */
};

static bool ends_sentence(char byte)
{
	return byte == '?' || byte == '!' || byte == '.' || byte == ' ';
}

bool classify_fold(struct bytes text, struct buffer *ret_folded)
{
	CLEAN(buffer) struct buffer normal = BUFFER_INIT;
	CLEAN(free) utf8proc_uint8_t *mapped = NULL;
	utf8proc_ssize_t size;

	buffer_reset(ret_folded);
	/* The limit also bounds what utf8proc's ordering of marks may take. */
	if (text.size > LIMIT_CORRECTION_BYTES || normalise(text, &normal) != 0)
		return false;
	size = utf8proc_map((const utf8proc_uint8_t *)normal.data, (utf8proc_ssize_t)normal.size,
	    &mapped,
	    UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE |
	        UTF8PROC_STRIPCC | UTF8PROC_STABLE);
	while (size > 0 && ends_sentence((char)mapped[size - 1]))
		size--;
	if (size <= 0 || size > LIMIT_CORRECTION_BYTES)
		return false;
	buffer_append(ret_folded, mapped, (size_t)size);
	return true;
}

void classify_corrections_add(
    struct classify_corrections *corrections, const struct classifier_rule *rule)
{
	corrections->items = must_realloc(
	    corrections->items, (corrections->count + 1) * sizeof(*corrections->items));
	corrections->items[corrections->count++] = (struct classify_correction){
	    .text = must_strdup(rule->text), .route = rule->route, .is_general = !rule->database};
}

static int compare(const void *a, const void *b)
{
	const struct classify_correction *left = a, *right = b;
	int order = strcmp(left->text, right->text);

	return order != 0 ? order : left->is_general - right->is_general;
}

void classify_corrections_sort(struct classify_corrections *corrections)
{
	if (corrections->count > 0)
		qsort(corrections->items, corrections->count, sizeof(*corrections->items), compare);
}

void classify_corrections_deinit(struct classify_corrections *corrections)
{
	for (size_t i = 0; i < corrections->count; i++)
		free(corrections->items[i].text);
	free(corrections->items);
}

enum route classify_corrections_find(
    const struct classify_corrections *corrections, struct bytes text)
{
	CLEAN(buffer) struct buffer folded = BUFFER_INIT;
	size_t low = 0, high = corrections->count;

	if (high == 0 || !classify_fold(text, &folded))
		return ROUTE_UNSURE;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(corrections->items[middle].text, buffer_string(&folded)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == corrections->count ||
	    strcmp(corrections->items[low].text, buffer_string(&folded)) != 0)
		return ROUTE_UNSURE;
	return corrections->items[low].route;
}
