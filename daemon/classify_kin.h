/*
 * Words of one sense (classify_kin.def): whether a schema names by another word what a text asks
 * about. Made once, from the constant table; internal to the classifier.
 */
#pragma once

#include "text/vocabulary.h"

/* The strongest name of a table or column by a word of the same sense; NULL: there is none. */
const struct vocabulary_entry *kin_find(const struct vocabulary *vocabulary, const char *stem);
