#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	int syslog_priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_NOTICE] = {"notice", 5},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

static enum log_level threshold = LOG_LEVEL_NOTICE;
static char log_name[64] = "optimax";
static bool to_journal;

void log_init(const char *name)
{
	snprintf(log_name, sizeof(log_name), "%s", name);
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

bool log_level_from_name(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* What a peer chose may stand in a line: it must not start another one. */
static void blank_control_characters(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[1024], line[1152];
	int saved_errno = errno;
	va_list arguments;
	int size;

	if (level > threshold)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	blank_control_characters(text);
	if (to_journal)
		size = snprintf(line, sizeof(line), "<%d>%s: %s\n", levels[level].syslog_priority,
		    log_name, text);
	else
		size = snprintf(
		    line, sizeof(line), "%s: %s: %s\n", log_name, levels[level].name, text);
	/* One write keeps lines of several processes apart; a log that is gone stops nobody. */
	if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0)
		errno = saved_errno;
	errno = saved_errno;
}

bool log_limit_allows(struct log_limit *limit)
{
	long long second = (long long)time(NULL);

	if (limit->second == second) {
		limit->suppressed++;
		return false;
	}
	if (limit->suppressed > 0)
		log_line(LOG_LEVEL_NOTICE, "%u similar lines were left out", limit->suppressed);
	limit->second = second;
	limit->suppressed = 0;
	return true;
}
