#include "daemon/config_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* Keys and values are the file's bytes: in a fault they must not start another line. */
static void blank_control_characters(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

void config_fault_add(
    struct config_faults *faults, int line, const char *key, const char *format, ...)
{
	struct buffer text = BUFFER_INIT;
	char what[768];
	va_list arguments;
	size_t at = faults->count++;

	if (at >= CONFIG_FAULTS_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	buffer_printf(&text, "%s:%d: %.128s: %s", faults->file, line, key, what);
	buffer_string(&text);
	blank_control_characters(text.data);
	/* Checks of several keys come after the reading: keep the lines' order. */
	for (; at > 0 && faults->items[at - 1].line > line; at--)
		faults->items[at] = faults->items[at - 1];
	faults->items[at] = (struct config_fault){line, text.data};
}

size_t config_fault_lines(const struct config_faults *faults)
{
	return faults->count < CONFIG_FAULTS_MAX ? faults->count : CONFIG_FAULTS_MAX;
}

void config_fault_deinit(struct config_faults *faults)
{
	for (size_t i = 0; i < config_fault_lines(faults); i++)
		free(faults->items[i].text);
	faults->count = 0;
}
