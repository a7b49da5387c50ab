/*
 * Canonical composition (NFC) of a text, with or without case folding. Its own ordering of
 * combining marks: utf8proc's is quadratic in a run of them, which a client could send.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

/* Appends the composed text. 0, or -EILSEQ where the text is not UTF-8. */
int compose(struct bytes text, bool fold_case, struct buffer *buffer);
/* True where every byte is below 0x80: such a text is composed already. */
bool compose_is_ascii(struct bytes text);
