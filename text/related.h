/*
 * Words that are related in general English (related.def): what else may be meant by one, or where
 * its values stand. By stems, so that every form of a word finds them. For text/linking.c.
 */
#pragma once

#include "common/bytes.h"

struct related;

struct related *related_new(void);
void related_free(struct related *related);
/* The stems that are related to one, each with its NUL; size 0: none. */
struct bytes related_find(const struct related *related, const char *stem);
