#include "worker/thoughts.h"

#include <ctype.h>
#include <string.h>

static const char first_mark[] = "<think>", last_mark[] = "</think>";

void thoughts_deinit(struct thoughts *thoughts)
{
	buffer_deinit(&thoughts->held);
}

/* Whether the byte ends the mark. Its first byte stands in it once, so no match begins inside
 * another. */
static bool match(struct thoughts *thoughts, const char *mark, char byte)
{
	if (byte != mark[thoughts->matched])
		thoughts->matched = 0;
	if (byte == mark[thoughts->matched])
		thoughts->matched++;
	if (mark[thoughts->matched] != '\0')
		return false;
	thoughts->matched = 0;
	return true;
}

static void take_first(struct thoughts *thoughts, char byte, struct buffer *ret_said)
{
	size_t before = thoughts->matched;

	buffer_append(&thoughts->held, &byte, 1);
	if (before == 0 && isspace((unsigned char)byte))
		return;
	if (match(thoughts, first_mark, byte))
		thoughts->state = THOUGHTS_INSIDE;
	else if (thoughts->matched != before + 1)
		thoughts_end(thoughts, ret_said);
}

void thoughts_take(struct thoughts *thoughts, struct bytes piece, struct buffer *ret_said)
{
	for (size_t i = 0; i < piece.size; i++) {
		switch (thoughts->state) {
		case THOUGHTS_UNKNOWN:
			take_first(thoughts, piece.data[i], ret_said);
			break;
		case THOUGHTS_INSIDE:
			if (match(thoughts, last_mark, piece.data[i]))
				thoughts->state = THOUGHTS_BEHIND;
			break;
		case THOUGHTS_BEHIND:
			if (isspace((unsigned char)piece.data[i]))
				break;
			thoughts->state = THOUGHTS_OVER;
			__attribute__((fallthrough));
		case THOUGHTS_OVER:
			buffer_append(ret_said, piece.data + i, piece.size - i);
			return;
		}
	}
}

struct bytes thoughts_skip(struct bytes completion)
{
	size_t size = sizeof(last_mark) - 1;
	const char *mark =
	    completion.size > 0 ? memmem(completion.data, completion.size, last_mark, size) : NULL;

	if (!mark)
		return completion;
	return bytes_of(mark + size, completion.size - (size_t)(mark + size - completion.data));
}

void thoughts_end(struct thoughts *thoughts, struct buffer *ret_said)
{
	if (thoughts->state == THOUGHTS_UNKNOWN)
		buffer_append_bytes(ret_said, bytes_of_buffer(&thoughts->held));
	thoughts->state = THOUGHTS_OVER;
}
