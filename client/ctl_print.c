#include "client/ctl.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* ---- tables ---- */

/* Where a table is wider than the terminal, columns with wider cells than this are wrapped: left
 * to itself libsmartcols squeezes the short ones too, until none can be read. A table that is too
 * wide even so is printed record by record. */
enum { TABLE_WRAP_WIDTH = 28, TABLE_GAP = 2 };

struct ctl_table {
	struct libscols_table *scols;
	struct libscols_line *line;
	size_t cell;
};

struct ctl_table *ctl_table_new(void)
{
	struct ctl_table *table = calloc(1, sizeof(*table));

	if (!table)
		abort();
	table->scols = scols_new_table();
	if (!table->scols)
		abort();
	scols_table_set_column_separator(table->scols, "  ");
	scols_table_enable_colors(table->scols, isatty(STDOUT_FILENO));
	return table;
}

void ctl_table_free(struct ctl_table *table)
{
	if (!table)
		return;
	scols_unref_table(table->scols);
	free(table);
}

void ctl_table_column(struct ctl_table *table, const char *name, enum ctl_align align)
{
	int flags = align == CTL_RIGHT ? SCOLS_FL_RIGHT : 0;
	struct libscols_column *column = scols_table_new_column(table->scols, name, 0, flags);

	if (column)
		scols_cell_set_color(scols_column_get_header(column), "\033[1m");
}

void ctl_table_row(struct ctl_table *table)
{
	table->line = scols_table_new_line(table->scols, NULL);
	table->cell = 0;
}

void ctl_table_cell(struct ctl_table *table, const char *text)
{
	if (table->line && table->cell < scols_table_get_ncols(table->scols))
		scols_line_set_data(table->line, table->cell, text ? text : "");
	table->cell++;
}

void ctl_table_value(struct ctl_table *table, const msgpack_object *value)
{
	char small[256], *text = small;
	size_t size;

	if (!value || value->type == MSGPACK_OBJECT_NIL) {
		ctl_table_cell(table, value ? "NULL" : NULL);
		return;
	}
	size = optimax_format(value, NULL, 0) + 1;
	if (size > sizeof(small))
		text = malloc(size);
	if (text)
		optimax_format(value, text, size);
	ctl_table_cell(table, text);
	if (text != small)
		free(text);
}

/* In columns of a terminal; a control character is shown as \x.. */
static size_t table_text_width(const char *text)
{
	mbstate_t state = {0};
	size_t width = 0, size;
	wchar_t letter;

	for (; *text; text += size) {
		size = mbrtowc(&letter, text, MB_CUR_MAX, &state);
		if (size == (size_t)-1 || size == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			size = 1;
			width += 4;
			continue;
		}
		int columns = wcwidth(letter);
		width += columns >= 0 ? (size_t)columns : 4 * size;
	}
	return width;
}

static const char *table_data(struct ctl_table *table, size_t row, size_t cell)
{
	struct libscols_line *line = scols_table_get_line(table->scols, row);
	const char *text = scols_cell_get_data(scols_line_get_cell(line, cell));

	return text ? text : "";
}

static const char *table_heading(struct ctl_table *table, size_t cell)
{
	return scols_cell_get_data(
	    scols_column_get_header(scols_table_get_column(table->scols, cell)));
}

/* Marks the columns that may be wrapped; the width that the table cannot go below. */
static size_t table_least_width(struct ctl_table *table)
{
	size_t columns = scols_table_get_ncols(table->scols), width = TABLE_GAP * (columns - 1);

	for (size_t c = 0; c < columns; c++) {
		struct libscols_column *column = scols_table_get_column(table->scols, c);
		size_t most = table_text_width(table_heading(table, c));
		for (size_t r = 0; r < scols_table_get_nlines(table->scols); r++) {
			size_t own = table_text_width(table_data(table, r, c));
			most = own > most ? own : most;
		}
		if (most > TABLE_WRAP_WIDTH && !scols_column_is_right(column)) {
			scols_column_set_flags(column, SCOLS_FL_WRAP);
			most = TABLE_WRAP_WIDTH;
		}
		width += most;
	}
	return width;
}

/* One line a value, under the record's number. */
static void table_print_records(struct ctl_table *table)
{
	for (size_t r = 0; r < scols_table_get_nlines(table->scols); r++) {
		struct ctl_table *record = ctl_table_new();
		printf("%s-- %zu\n", r ? "\n" : "", r + 1);
		scols_table_enable_noheadings(record->scols, 1);
		ctl_table_column(record, "name", CTL_LEFT);
		ctl_table_column(record, "value", CTL_LEFT);
		scols_column_set_flags(scols_table_get_column(record->scols, 1), SCOLS_FL_WRAP);
		for (size_t c = 0; c < scols_table_get_ncols(table->scols); c++) {
			ctl_table_row(record);
			ctl_table_cell(record, table_heading(table, c));
			ctl_table_cell(record, table_data(table, r, c));
		}
		fflush(stdout);
		scols_print_table(record->scols);
		ctl_table_free(record);
	}
}

/* Lets long cells be wrapped where the table is wider than the terminal. False where it is too
 * wide even so. */
static bool table_fit(struct ctl_table *table)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return true;
	return table_least_width(table) <= size.ws_col;
}

static void table_print(struct ctl_table *table)
{
	fflush(stdout);
	scols_print_table(table->scols);
}

void ctl_table_print(struct ctl_table *table)
{
	table_fit(table);
	table_print(table);
}

void ctl_table_print_rows(struct ctl_table *table)
{
	if (table_fit(table))
		table_print(table);
	else
		table_print_records(table);
}

/* ---- texts and numbers for people ---- */

void ctl_print_text(FILE *file, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	for (; *at; at++) {
		/* C1 controls (U+0080 to U+009F) are obeyed as well by some terminals. */
		if ((*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f)
			fprintf(file, "\\x%02x", *at);
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
			fprintf(file, "\\x%02x", *++at);
		else
			putc(*at, file);
	}
}

const char *ctl_count(char text[static CTL_NUMBER], int64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%lld", (long long)count);
	char *to = text;

	for (int i = 0; i < length; i++) {
		*to++ = digits[i];
		if ((length - i) % 3 == 1 && i + 1 < length && digits[i] != '-')
			*to++ = ',';
	}
	*to = '\0';
	return text;
}

const char *ctl_size(char text[static CTL_NUMBER], int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	double size = (double)bytes;
	unsigned unit = 0;

	while (size >= 1024 && unit < 3) {
		size /= 1024;
		unit++;
	}
	snprintf(text, CTL_NUMBER, "%.*f %s", unit > 0 && size < 100, size, units[unit]);
	return text;
}

const char *ctl_seconds(char text[static CTL_NUMBER], int64_t seconds)
{
	if (seconds < 60)
		snprintf(text, CTL_NUMBER, "%lld s", (long long)seconds);
	else if (seconds < 3600)
		snprintf(text, CTL_NUMBER, "%lld min", (long long)seconds / 60);
	else if (seconds < 86400)
		snprintf(text, CTL_NUMBER, "%lld h %lld min", (long long)seconds / 3600,
		    (long long)seconds / 60 % 60);
	else
		snprintf(text, CTL_NUMBER, "%lld d %lld h", (long long)seconds / 86400,
		    (long long)seconds / 3600 % 24);
	return text;
}

const char *ctl_micros(char text[static CTL_NUMBER], int64_t micros)
{
	if (micros < 1000)
		snprintf(text, CTL_NUMBER, "%.2f ms", (double)micros / 1e3);
	else if (micros < 1000000)
		snprintf(text, CTL_NUMBER, "%.1f ms", (double)micros / 1e3);
	else
		snprintf(text, CTL_NUMBER, "%.2f s", (double)micros / 1e6);
	return text;
}

/* ---- maps ---- */

double ctl_map_number(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = optimax_get(map, key);

	if (!value)
		return 0;
	if (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)
		return value->via.f64;
	return (double)ctl_map_integer(map, key);
}

int64_t ctl_map_integer(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = optimax_get(map, key);

	if (!value)
		return 0;
	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		return value->via.u64 <= (uint64_t)INT64_MAX ? value->via.i64 : INT64_MAX;
	if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return value->via.i64;
	return value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
}

const char *ctl_map_text(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = optimax_get(map, key);

	return value && value->type == MSGPACK_OBJECT_STR ? value->via.str.ptr : "";
}

const msgpack_object *ctl_map_list(const msgpack_object *map, const char *key, size_t *ret_count)
{
	const msgpack_object *list = optimax_get(map, key);
	bool is_list = list && list->type == MSGPACK_OBJECT_ARRAY;

	*ret_count = is_list ? list->via.array.size : 0;
	return is_list ? list->via.array.ptr : NULL;
}
