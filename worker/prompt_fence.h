/*
 * Text that is not ours, written so that it stays data: it can't close the tag that it stands in,
 * nor the turn: servers take the marks of their models' templates for what they are wherever they
 * stand.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

/* Appends the text between <tag> and </tag>. */
void prompt_fence(const char *tag, struct bytes text, struct buffer *buffer);
/* Appends the text; tags of prompts and marks of templates in it are disarmed. */
void prompt_fence_text(struct bytes text, struct buffer *buffer);
/* The same in one line, cut at a character's end after max_bytes. */
void prompt_fence_line(struct bytes text, size_t max_bytes, struct buffer *buffer);
