/*
 * Splits identifiers as people write them into words: customerID, cust_order_dt, HTTPServer2.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

enum { IDENTIFIER_WORDS_MAX = 16 };

/* Views into the identifier, at most IDENTIFIER_WORDS_MAX; returns how many. Digits are a word
 * of their own. */
size_t identifier_split(struct bytes identifier, struct bytes ret_words[IDENTIFIER_WORDS_MAX]);
/* The long form of a common abbreviation (dt: date, cust: customer, fname: first name), of one
 * word or two with a blank between; NULL where there is none. Case does not matter. */
const char *identifier_expand(struct bytes word);
