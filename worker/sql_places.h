/*
 * Places in a statement's text that its parse tree does not tell, for errors. What is allowed is
 * never decided here.
 */
#pragma once

#include <stddef.h>

#include "common/bytes.h"

/* The byte behind white space, comments and semicolons. */
size_t sql_places_start(struct bytes sql, size_t at);
/* The FOR of the first locking clause behind `at`; `at` where none is found. */
long sql_places_locking(struct bytes sql, long at);
