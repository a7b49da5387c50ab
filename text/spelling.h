/*
 * One spelling for British and American English (spelling.def): colour and color, organisation and
 * organization. For text/tokens.c, before it cuts a word to its stem.
 */
#pragma once

#include <stddef.h>

/* Changes a folded word in place; it gets no longer. Returns its size. */
size_t spelling_unify(char *word, size_t size);
