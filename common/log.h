/*
 * Log lines: `role index: message`, to standard error with systemd's <n> prefix where the
 * journal reads it. Subject first, lower case, cause after a colon, consequence last.
 * Libraries (text/, shm/, liboptimax) do not log; whoever decides the consequence does, once.
 * Never log keys, passwords, prompts, questions or rows.
 */
#pragma once

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* `name` as in "database shop 1"; copied. Level notice until log_set_level. */
void log_init(const char *name);
void log_set_level(enum log_level level);
/* False where the word is none of error, warning, notice, info, debug. */
bool log_level_from_name(const char *name, enum log_level *ret_level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* At most one line a second from one call site for what a client can cause; counts the rest. */
struct log_limit {
	long long second;
	unsigned suppressed;
};
bool log_limit_allows(struct log_limit *limit);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_limited(level, ...)                         \
	do {                                            \
		static struct log_limit log_limit_here; \
		if (log_limit_allows(&log_limit_here))  \
			log_line(level, __VA_ARGS__);   \
	} while (0)
