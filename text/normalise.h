/*
 * The form of a text that stands in cache keys: NFC, white space outside quotes collapsed to one
 * blank, ends trimmed. No more: NFKC makes 2² into 22, and case can be the meaning.
 * Where a line break has a meaning (it ends a -- comment) it stays one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

/* Appends the normal form. The text must be UTF-8; 0 or -EILSEQ where it is not. */
int normalise(struct bytes text, struct buffer *buffer);
/* True where nothing but white space is in it. */
bool normalise_is_blank(struct bytes text);
/* White space in Unicode's sense: blanks of any width, tabs, line ends. */
bool normalise_is_space(int32_t character);
