/* What a reload changes: two configurations, key by key. */
#include "daemon/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

static bool strings_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool fields_equal(const struct config_key *key, const void *a, const void *b);

static bool sections_equal(const struct config_section *section, char *a, char *b)
{
	for (size_t i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];

		if (!fields_equal(key, a + key->offset, b + key->offset))
			return false;
	}
	return true;
}

static bool lists_equal(
    const struct config_key *key, const struct config_list *a, const struct config_list *b)
{
	const struct config_section *elements = config_element_section(key->type);

	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (elements ? !sections_equal(elements, a->items[i], b->items[i])
		             : !strings_equal(a->items[i], b->items[i]))
			return false;
	}
	return true;
}

static bool fields_equal(const struct config_key *key, const void *a, const void *b)
{
	switch (config_storage(key->type)) {
	case CONFIG_STRING:
		return strings_equal(*(char *const *)a, *(char *const *)b);
	case CONFIG_INTEGER:
		return *(const int64_t *)a == *(const int64_t *)b;
	case CONFIG_NUMBER:
		/* Both were read from text: the same text gives the same bits. */
		return memcmp(a, b, sizeof(double)) == 0;
	case CONFIG_FLAG:
		return *(const bool *)a == *(const bool *)b;
	case CONFIG_LIST:
		return lists_equal(key, a, b);
	}
	abort();
}

static void add_change(struct config_changes *changes, const struct config_key *list,
    const char *element, const struct config_key *key)
{
	struct buffer path = BUFFER_INIT;
	struct config_change *change;

	if (list)
		buffer_append_string(&path, list->path);
	if (element)
		buffer_printf(&path, "[%s]", element);
	if (key)
		buffer_printf(&path, "%s%s", list ? "." : "", key->path);
	buffer_string(&path);
	changes->items =
	    must_realloc(changes->items, (changes->count + 1) * sizeof(changes->items[0]));
	change = &changes->items[changes->count++];
	*change = (struct config_change){
	    .path = path.data,
	    .element = element,
	    .list = list ? list->type : CONFIG_TYPE_COUNT,
	    .apply = key ? key->apply : list->apply,
	};
}

/* In elements that have names the name is the first key. */
static const char *element_name(void *element)
{
	return *(char **)element;
}

static void *find_element(const struct config_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(element_name(list->items[i]), name) == 0)
			return list->items[i];
	return NULL;
}

static void compare_elements(
    struct config_changes *changes, const struct config_key *list, char *before, char *after)
{
	const struct config_section *section = config_element_section(list->type);

	for (size_t i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];

		if (!fields_equal(key, before + key->offset, after + key->offset))
			add_change(changes, list, element_name(after), key);
	}
}

/* Whether those that are in both lists come in the same order. */
static bool same_order(const struct config_list *before, const struct config_list *after)
{
	size_t at = 0;

	for (size_t i = 0; i < after->count; i++) {
		const char *name = element_name(after->items[i]);

		if (!find_element(before, name))
			continue;
		while (!find_element(after, element_name(before->items[at])))
			at++;
		if (strcmp(element_name(before->items[at]), name) != 0)
			return false;
		at++;
	}
	return true;
}

static void compare_lists(struct config_changes *changes, const struct config_key *list,
    const struct config_list *before, const struct config_list *after)
{
	for (size_t i = 0; i < before->count; i++)
		if (!find_element(after, element_name(before->items[i])))
			add_change(changes, list, element_name(before->items[i]), NULL);
	for (size_t i = 0; i < after->count; i++) {
		void *old = find_element(before, element_name(after->items[i]));

		if (old)
			compare_elements(changes, list, old, after->items[i]);
		else
			add_change(changes, list, element_name(after->items[i]), NULL);
	}
	if (!same_order(before, after))
		add_change(changes, list, NULL, NULL);
}

void config_compare(
    const struct config *before, const struct config *after, struct config_changes *ret_changes)
{
	struct config_changes changes = {0};

	for (size_t i = 0; i < config_root_section.key_count; i++) {
		const struct config_key *key = &config_root_section.keys[i];
		const void *a = (const char *)before + key->offset;
		const void *b = (const char *)after + key->offset;

		if (config_elements_have_names(key->type))
			compare_lists(&changes, key, a, b);
		else if (!fields_equal(key, a, b))
			add_change(&changes, NULL, NULL, key);
	}
	*ret_changes = changes;
}

void config_changes_deinit(struct config_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->items[i].path);
	free(changes->items);
	*changes = (struct config_changes){0};
}

void config_keep_restart_keys(struct config *before, struct config *after)
{
	for (size_t i = 0; i < config_root_section.key_count; i++) {
		const struct config_key *key = &config_root_section.keys[i];
		void *a = config_key_field(key, before), *b = config_key_field(key, after);

		if (key->apply != CONFIG_APPLY_RESTART)
			continue;
		if (config_storage(key->type) == CONFIG_STRING) {
			char *kept = *(char **)a;

			*(char **)a = *(char **)b;
			*(char **)b = kept;
		} else {
			*(int64_t *)b = *(int64_t *)a;
		}
	}
}
