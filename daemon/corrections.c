#include "daemon/corrections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"

static const char file_name[] = "corrections";
static const char first_line[] = "optimax corrections 1";

static bool is_known_route(struct bytes route)
{
	return bytes_equal_string(route, "sql") || bytes_equal_string(route, "chat");
}

static void correction_deinit(struct correction *correction)
{
	free(correction->database);
	free(correction->route);
	free(correction->text);
}

void corrections_deinit(struct corrections *corrections)
{
	for (size_t i = 0; i < corrections->count; i++)
		correction_deinit(&corrections->items[i]);
	free(corrections->items);
	*corrections = (struct corrections){0};
}

static void append(
    struct corrections *corrections, struct bytes database, struct bytes route, struct bytes text)
{
	struct correction *correction;

	corrections->items = must_realloc(
	    corrections->items, (corrections->count + 1) * sizeof(*corrections->items));
	correction = &corrections->items[corrections->count++];
	correction->database = database.size > 0 ? bytes_to_string(database) : NULL;
	correction->route = bytes_to_string(route);
	correction->text = bytes_to_string(text);
}

static bool is_same(const struct correction *correction, struct bytes database, struct bytes text)
{
	const char *name = correction->database ? correction->database : "";

	return bytes_equal_string(text, correction->text) &&
	       (database.data ? bytes_equal_string(database, name) : !correction->database);
}

static void drop(struct corrections *corrections, struct bytes database, struct bytes text)
{
	for (size_t i = 0; i < corrections->count; i++) {
		if (!is_same(&corrections->items[i], database, text))
			continue;
		correction_deinit(&corrections->items[i]);
		memmove(&corrections->items[i], &corrections->items[i + 1],
		    (--corrections->count - i) * sizeof(*corrections->items));
		return;
	}
}

/* ---- the file ---- */

static bool is_text(struct bytes text)
{
	if (text.size == 0 || text.size > LIMIT_CORRECTION_BYTES || !bytes_are_utf8(text))
		return false;
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] < ' ')
			return false;
	return true;
}

/* route TAB database, empty for all TAB text */
static bool take_line(struct corrections *corrections, struct bytes line)
{
	const char *first = memchr(line.data, '\t', line.size), *second;
	struct bytes route, database, text;

	if (!first)
		return false;
	route = bytes_of(line.data, (size_t)(first - line.data));
	second = memchr(first + 1, '\t', line.size - route.size - 1);
	if (!second)
		return false;
	database = bytes_of(first + 1, (size_t)(second - first - 1));
	text = bytes_of(second + 1, line.size - (size_t)(second + 1 - line.data));
	if (!is_known_route(route) || database.size > LIMIT_NAME_BYTES || !is_text(text) ||
	    (database.size > 0 && !is_text(database)))
		return false;
	append(corrections, database, route, text);
	return true;
}

static void take_lines(struct corrections *corrections, FILE *file, const char *path)
{
	CLEAN(free) char *line = NULL;
	size_t room = 0, number = 1;
	ssize_t size = getline(&line, &room, file);

	if (size <= 0 || strncmp(line, first_line, sizeof(first_line) - 1) != 0) {
		log_error("%s:1: it is no file of corrections; none is used", path);
		return;
	}
	while ((size = getline(&line, &room, file)) > 0) {
		number++;
		if (corrections->count == LIMIT_CORRECTIONS) {
			log_error("%s:%zu: there are more than %d; the rest is not used", path,
			    number, LIMIT_CORRECTIONS);
			return;
		}
		size -= line[size - 1] == '\n';
		if (!take_line(corrections, bytes_of(line, (size_t)size)))
			log_error("%s:%zu: it is no correction; it is not used", path, number);
	}
}

void corrections_load(struct corrections *corrections, const char *state_dir)
{
	CLEAN(buffer) struct buffer path = BUFFER_INIT;
	struct stat is;
	FILE *file;

	buffer_printf(&path, "%s/%s", state_dir, file_name);
	file = fopen(buffer_string(&path), "re");
	if (!file) {
		if (errno != ENOENT)
			log_error("%s: %s; what was learnt is not used", buffer_string(&path),
			    strerror(errno));
		return;
	}
	if (fstat(fileno(file), &is) != 0 || !S_ISREG(is.st_mode))
		log_error("%s: it is no file; what was learnt is not used", buffer_string(&path));
	else
		take_lines(corrections, file, buffer_string(&path));
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

static int replace_file(int folder, const struct buffer *content)
{
	static const char new_name[] = "corrections.new";
	int fd =
	    openat(folder, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, content);
	if (close(fd) != 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(folder, new_name, folder, file_name) != 0)
		r = -errno;
	/* Without this a power cut could bring the old one back. */
	if (r == 0 && fsync(folder) != 0)
		r = -errno;
	return r;
}

static int save(const struct corrections *corrections, const char *state_dir)
{
	CLEAN(buffer) struct buffer content = BUFFER_INIT;
	int folder, r;

	buffer_printf(&content, "%s\n", first_line);
	for (size_t i = 0; i < corrections->count; i++) {
		const struct correction *correction = &corrections->items[i];

		buffer_printf(&content, "%s\t%s\t%s\n", correction->route,
		    correction->database ? correction->database : "", correction->text);
	}
	if (mkdir(state_dir, 0700) != 0 && errno != EEXIST)
		return -errno;
	folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	r = replace_file(folder, &content);
	close(folder);
	return r;
}

static void copy_all(const struct corrections *from, struct corrections *ret_copy)
{
	*ret_copy = (struct corrections){0};
	for (size_t i = 0; i < from->count; i++)
		append(ret_copy, bytes_of_string(from->items[i].database),
		    bytes_of_string(from->items[i].route), bytes_of_string(from->items[i].text));
}

int corrections_learn(struct corrections *corrections, const char *state_dir, struct bytes database,
    struct bytes route, struct bytes text, struct error *ret_error)
{
	bool forgets = bytes_equal_string(route, "auto");
	struct corrections after;
	int r;

	if ((!forgets && !is_known_route(route)) || !is_text(text))
		return error_set(ret_error, ERROR_BAD_REQUEST, "this can't be learnt");
	copy_all(corrections, &after);
	drop(&after, database, text);
	if (!forgets && after.count == LIMIT_CORRECTIONS) {
		corrections_deinit(&after);
		return error_set(ret_error, ERROR_BAD_REQUEST,
		    "%d corrections are kept already; forget some, or write keywords or patterns",
		    LIMIT_CORRECTIONS);
	}
	if (!forgets)
		append(&after, database, route, text);
	r = save(&after, state_dir);
	if (r != 0) {
		corrections_deinit(&after);
		log_error("%s/%s can't be written: %s", state_dir, file_name, strerror(-r));
		return error_set(ret_error, ERROR_INTERNAL,
		    "state_dir %s can't be written: %s; nothing was learnt", state_dir,
		    strerror(-r));
	}
	corrections_deinit(corrections);
	*corrections = after;
	return 0;
}
