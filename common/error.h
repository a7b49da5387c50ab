/*
 * The error that travels: from wherever a request fails to the client that sent it.
 * Owns the list of codes (errors.def) and the shape; the wire form is message.h's.
 * Functions that can fail for a reason that the caller's peer must read fill a struct error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

enum error_code {
	ERROR_NONE,
#define ERROR(id, code, retryable, meaning) ERROR_##id,
#include "common/errors.def"
#undef ERROR
	ERROR_COUNT
};

struct error {
	enum error_code code;
	bool retryable;
	int64_t retry_after_ms; /* 0: not said */
	char sqlstate[6]; /* empty: none */
	char message[512];
	char detail[1024]; /* empty: none */
};

#define ERROR_INIT ((struct error){0})

/* Sets code, its default retryable, and the message. Returns the code, for `return error_set(…)`.
 */
int error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void error_set_detail(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The code's name on the wire. */
const char *error_name(enum error_code code);
/* ERROR_INTERNAL where the name is unknown. */
enum error_code error_from_name(struct bytes name);
const char *error_meaning(enum error_code code);
