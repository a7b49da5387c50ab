/*
 * The stack that PostgreSQL's parser needs: it descends as deep as a statement nests. Whoever
 * validates makes sure of it first.
 */
#pragma once

#include <stdbool.h>

/* False, and logged with what to do, where the hard limit forbids it. */
bool parser_stack_ensure(void);
