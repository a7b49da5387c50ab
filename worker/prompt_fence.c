#include "worker/prompt_fence.h"

#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

/* What a prompt uses as a tag, besides the names of placeholders. */
static const char *const tags[] = {
#define PROMPT_PLACEHOLDER(ID, name, fixed, help) name,
#include "common/prompts.def"
    "turn",
};

/* By what begins and ends turns in the templates of common families of models, behind the bracket
 * and a slash: ChatML, Llama 3, Phi and others, DeepSeek, Gemma, Llama 2 and Mistral. */
static const struct {
	char bracket;
	const char *mark;
} marks[] = {
    {'<', "|"},
    {'<', "\xef\xbd\x9c"},
    {'<', "start_of_turn>"},
    {'<', "end_of_turn>"},
    {'<', "bos>"},
    {'<', "eos>"},
    {'<', "s>"},
    {'<', "<SYS>>"},
    {'<', "</SYS>>"},
    {'[', "INST]"},
};

static bool begins_with(struct bytes text, size_t at, const char *word)
{
	size_t size = strlen(word);

	return text.size - at >= size && strncasecmp(text.data + at, word, size) == 0;
}

/* Whether a tag of ours begins at a "<", opening or closing. */
static bool is_tag(struct bytes text, size_t at)
{
	at++;
	while (at < text.size && (text.data[at] == '/' || isspace((unsigned char)text.data[at])))
		at++;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (begins_with(text, at, tags[i]))
			return true;
	return false;
}

static bool is_mark(struct bytes text, size_t at)
{
	char bracket = text.data[at++];
	size_t behind_slash = at + (at < text.size && text.data[at] == '/');

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (bracket == marks[i].bracket &&
		    (begins_with(text, at, marks[i].mark) ||
		        begins_with(text, behind_slash, marks[i].mark)))
			return true;
	return false;
}

void prompt_fence_text(struct bytes text, struct buffer *buffer)
{
	for (size_t i = 0; i < text.size; i++) {
		buffer_append(buffer, text.data + i, 1);
		if ((text.data[i] == '<' && is_tag(text, i)) || is_mark(text, i))
			buffer_append_string(buffer, "\\");
	}
}

void prompt_fence_line(struct bytes text, size_t max_bytes, struct buffer *buffer)
{
	struct bytes cut = bytes_cut(text, max_bytes);
	size_t at = buffer->size;

	prompt_fence_text(cut, buffer);
	for (; at < buffer->size; at++)
		if ((unsigned char)buffer->data[at] < ' ')
			buffer->data[at] = ' ';
	if (cut.size < text.size)
		buffer_append_string(buffer, "...");
}

void prompt_fence(const char *tag, struct bytes text, struct buffer *buffer)
{
	buffer_printf(buffer, "<%s>\n", tag);
	prompt_fence_text(text, buffer);
	buffer_printf(buffer, "\n</%s>\n", tag);
}
