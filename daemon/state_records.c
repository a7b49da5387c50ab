#include "daemon/state_records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"

enum { FILE_BYTES_MAX = 256 << 20 };

static void record_deinit(struct state_record *record)
{
	free(record->database);
	free(record->key);
	free(record->value);
}

void state_records_deinit(struct state_records *records)
{
	for (size_t i = 0; i < records->count; i++)
		record_deinit(&records->items[i]);
	free(records->items);
	*records = (struct state_records){0};
}

/* Takes the record's strings. */
static void append(struct state_records *records, const struct state_record *record)
{
	records->items =
	    must_realloc(records->items, (records->count + 1) * sizeof(*records->items));
	records->items[records->count++] = *record;
}

static bool is_same(const struct state_record *record, struct bytes database, struct bytes key)
{
	return bytes_equal_string(key, record->key) &&
	       (database.data ? record->database && bytes_equal_string(database, record->database)
	                      : !record->database);
}

/* ---- a line: value TAB database, empty for all TAB key ---- */

static const struct {
	char byte, letter;
} escapes[] = {{'\\', '\\'}, {'\t', 't'}, {'\n', 'n'}, {'\r', 'r'}};

enum { ESCAPES = sizeof(escapes) / sizeof(escapes[0]) };

static void append_byte(struct buffer *line, char byte)
{
	for (size_t i = 0; i < ESCAPES; i++) {
		if (escapes[i].byte == byte) {
			const char pair[] = {'\\', escapes[i].letter};

			buffer_append(line, pair, sizeof(pair));
			return;
		}
	}
	buffer_append(line, &byte, 1);
}

static void append_text(const struct state_kind *kind, const char *text, struct buffer *line)
{
	for (; kind->escapes && *text; text++)
		append_byte(line, *text);
	buffer_append_string(line, text);
}

/* False where a backslash stands before anything else. */
static bool read_escape(char letter, struct buffer *text)
{
	for (size_t i = 0; i < ESCAPES; i++) {
		if (escapes[i].letter == letter) {
			buffer_append(text, &escapes[i].byte, 1);
			return true;
		}
	}
	return false;
}

/* The field up to the next tab, or the rest of the line; NULL where it is no text. */
static char *take_text(const struct state_kind *kind, struct bytes *line, bool is_last)
{
	CLEAN(buffer) struct buffer text = BUFFER_INIT;
	const char *tab = line->data ? memchr(line->data, '\t', line->size) : NULL;
	struct bytes field = bytes_of(line->data, tab ? (size_t)(tab - line->data) : line->size);

	if ((tab == NULL) != is_last || !bytes_are_utf8(field) ||
	    memchr(field.data, '\0', field.size))
		return NULL;
	*line = tab ? bytes_of(tab + 1, line->size - field.size - 1) : BYTES_NONE;
	for (size_t i = 0; i < field.size; i++) {
		if (!kind->escapes || field.data[i] != '\\')
			buffer_append(&text, &field.data[i], 1);
		else if (++i == field.size || !read_escape(field.data[i], &text))
			return NULL;
	}
	return must_strdup(buffer_string(&text));
}

/* NULL, or why it is no record. */
static const char *take_record(
    struct state_records *records, const struct state_kind *kind, struct bytes line)
{
	struct state_record record = {0};
	const char *fault = "it has not the form of one";

	record.value = take_text(kind, &line, false);
	record.database = record.value ? take_text(kind, &line, false) : NULL;
	record.key = record.database ? take_text(kind, &line, true) : NULL;
	if (record.key && strlen(record.database) <= LIMIT_NAME_BYTES) {
		if (!*record.database) {
			free(record.database);
			record.database = NULL;
		}
		fault = kind->fault(records, &record);
	}
	if (fault)
		record_deinit(&record);
	else
		append(records, &record);
	return fault;
}

/* ---- the file ---- */

static void read_lines(struct state_records *records, const struct state_kind *kind, FILE *file,
    struct buffer *ret_fault)
{
	CLEAN(free) char *line = NULL;
	size_t room = 0, number = 1, faulty = 0, first = 0;
	ssize_t size = getline(&line, &room, file);
	const char *fault, *what = NULL;

	if (size <= 0 || strncmp(line, kind->first_line, strlen(kind->first_line)) != 0) {
		buffer_printf(
		    ret_fault, "line 1: it is no file of %ss; none is used", kind->record);
		return;
	}
	while ((size = getline(&line, &room, file)) > 0) {
		number++;
		size -= line[size - 1] == '\n';
		fault = take_record(records, kind, bytes_of(line, (size_t)size));
		if (fault && faulty++ == 0) {
			first = number;
			what = fault;
		}
	}
	if (faulty > 0)
		buffer_printf(ret_fault, "line %zu: it is no %s: %s; %zu %s left out", first,
		    kind->record, what, faulty, faulty == 1 ? "line is" : "lines are");
}

/* Whatever is wrong stands in ret_fault, which stays empty otherwise. */
static void read_file(struct state_records *records, const struct state_kind *kind,
    const char *path, struct buffer *ret_fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat is;
	FILE *file;

	if (fd < 0) {
		if (errno != ENOENT)
			buffer_printf(ret_fault, "%s; nothing of it is used", strerror(errno));
		return;
	}
	if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode) || is.st_size > FILE_BYTES_MAX) {
		buffer_printf(ret_fault, "it is no file of at most %d MiB; nothing of it is used",
		    FILE_BYTES_MAX >> 20);
		close(fd);
		return;
	}
	file = fdopen(fd, "r");
	if (!file)
		abort();
	read_lines(records, kind, file, ret_fault);
	fclose(file);
}

static int write_all(int fd, const struct buffer *content)
{
	size_t done = 0;

	while (done < content->size) {
		ssize_t wrote = write(fd, content->data + done, content->size - done);

		if (wrote < 0 && errno != EINTR)
			return -errno;
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

static int replace_file(int folder, const char *name, const struct buffer *content)
{
	CLEAN(buffer) struct buffer new_name = BUFFER_INIT;
	int fd, r;

	buffer_printf(&new_name, "%s.new", name);
	fd = openat(folder, buffer_string(&new_name),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, content);
	if (close(fd) != 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(folder, new_name.data, folder, name) != 0)
		r = -errno;
	/* Without this a power cut could bring the old one back. */
	if (r == 0 && fsync(folder) != 0)
		r = -errno;
	return r;
}

static int save(
    const struct state_records *records, const struct state_kind *kind, const char *state_dir)
{
	CLEAN(buffer) struct buffer content = BUFFER_INIT;
	CLEAN(fd) int folder = -1;

	buffer_printf(&content, "%s\n", kind->first_line);
	for (size_t i = 0; i < records->count; i++) {
		const struct state_record *record = &records->items[i];

		append_text(kind, record->value, &content);
		buffer_printf(&content, "\t%s\t", record->database ? record->database : "");
		append_text(kind, record->key, &content);
		buffer_append_string(&content, "\n");
	}
	if (mkdir(state_dir, 0700) != 0 && errno != EEXIST)
		return -errno;
	folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -errno : replace_file(folder, kind->name, &content);
}

void state_records_load(
    struct state_records *records, const struct state_kind *kind, const char *state_dir)
{
	CLEAN(buffer) struct buffer path = BUFFER_INIT, aside = BUFFER_INIT, fault = BUFFER_INIT;
	int r;

	buffer_printf(&path, "%s/%s", state_dir, kind->name);
	buffer_printf(&aside, "%s/%s.damaged", state_dir, kind->name);
	read_file(records, kind, buffer_string(&path), &fault);
	if (fault.size == 0)
		return;
	/* Else what is put next would overwrite what somebody may want to mend. */
	r = rename(path.data, buffer_string(&aside)) == 0 ? save(records, kind, state_dir) : -errno;
	if (r == 0)
		log_error("%s: %s; the file as it was is kept as %s", path.data,
		    buffer_string(&fault), aside.data);
	else
		log_error("%s: %s; and it can't be kept as %s: %s", path.data,
		    buffer_string(&fault), aside.data, strerror(-r));
}

/* ---- changes ---- */

static struct state_record *find(
    struct state_records *records, struct bytes database, struct bytes key)
{
	for (size_t i = 0; i < records->count; i++)
		if (is_same(&records->items[i], database, key))
			return &records->items[i];
	return NULL;
}

/* The same strings without one record: one of the two lists is to be freed without them. */
static void list_without(const struct state_records *records, const struct state_record *left_out,
    struct state_records *ret_rest)
{
	*ret_rest = (struct state_records){0};
	for (size_t i = 0; i < records->count; i++)
		if (&records->items[i] != left_out)
			append(ret_rest, &records->items[i]);
}

static int refuse(const struct state_kind *kind, const char *fault, struct error *ret_error)
{
	return error_set(
	    ret_error, ERROR_BAD_REQUEST, "this %s can't be kept: %s", kind->record, fault);
}

/* Appends it in the file and then in the list: 0, or an error and its strings are the caller's. */
static int keep(struct state_records *after, const struct state_kind *kind, const char *state_dir,
    const struct state_record *record, struct error *ret_error)
{
	const char *fault = record->key ? kind->fault(after, record) : NULL;
	int r;

	if (fault)
		return refuse(kind, fault, ret_error);
	if (record->key)
		append(after, record);
	r = save(after, kind, state_dir);
	if (r == 0)
		return 0;
	log_error("%s/%s can't be written: %s", state_dir, kind->name, strerror(-r));
	return error_set(ret_error, ERROR_INTERNAL,
	    "state_dir %s can't be written: %s; nothing was changed", state_dir, strerror(-r));
}

int state_records_put(struct state_records *records, const struct state_kind *kind,
    const char *state_dir, struct bytes database, struct bytes key, struct bytes value,
    struct error *ret_error)
{
	struct state_record *old = find(records, database, key);
	struct state_record record = {0};
	struct state_records after;
	int result;

	if (memchr(key.data, '\0', key.size) ||
	    (value.data && memchr(value.data, '\0', value.size)))
		return refuse(kind, "it has a NUL character", ret_error);
	if (value.data) {
		record.database = bytes_to_string(database);
		record.key = bytes_to_string(key);
		record.value = bytes_to_string(value);
	}
	list_without(records, old, &after);
	result = keep(&after, kind, state_dir, &record, ret_error);
	if (result != 0) {
		free(after.items);
		record_deinit(&record);
		return result;
	}
	if (old)
		record_deinit(old);
	free(records->items);
	*records = after;
	return 0;
}
