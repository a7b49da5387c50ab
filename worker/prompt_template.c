#include "worker/prompt_template.h"

#include <string.h>

static const char *const names[] = {
#define PROMPT(ID, name, needed, help) name,
#include "common/prompts.def"
};

static const char *const placeholders[] = {
#define PROMPT_PLACEHOLDER(ID, name, fixed, help) "{" name "}",
#include "common/prompts.def"
};

/* Made from etc/prompts/ by the makefile: one string for each, in the order of prompts.def. */
static const char *const built_in[] = {
#include "worker/prompt_texts.inc"
};

const char *prompt_name(enum prompt_kind kind)
{
	return names[kind];
}

static const char *text_of(const struct child_config *config, enum prompt_kind kind)
{
	for (size_t i = 0; config && i < config->prompt_count; i++)
		if (strcmp(config->prompts[i].name, names[kind]) == 0)
			return config->prompts[i].text;
	return built_in[kind];
}

struct prompt_template prompt_template_get(const struct child_config *config, enum prompt_kind kind)
{
	static const char between[] = "\n---\n";
	const char *text = text_of(config, kind);
	const char *line = strstr(text, between);

	if (!line)
		return (struct prompt_template){BYTES_NONE, bytes_of_string(text)};
	return (struct prompt_template){
	    bytes_of(text, (size_t)(line - text)), bytes_of_string(line + sizeof(between) - 1)};
}

bool prompt_template_next(
    struct bytes text, size_t *at, size_t *ret_place, enum prompt_placeholder *ret_placeholder)
{
	for (size_t place = *at; place < text.size; place++) {
		for (int i = 0; text.data[place] == '{' && i < PLACEHOLDER_COUNT; i++) {
			size_t size = strlen(placeholders[i]);

			if (text.size - place < size ||
			    memcmp(text.data + place, placeholders[i], size) != 0)
				continue;
			*ret_place = place;
			*ret_placeholder = (enum prompt_placeholder)i;
			*at = place + size;
			return true;
		}
	}
	return false;
}

bool prompt_template_has(struct bytes text, enum prompt_placeholder placeholder)
{
	enum prompt_placeholder found;
	size_t at = 0, place;

	while (prompt_template_next(text, &at, &place, &found))
		if (found == placeholder)
			return true;
	return false;
}
