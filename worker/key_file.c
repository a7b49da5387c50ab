#include "worker/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES_MAX = 4096 };

static int cannot_read(const char *path, int number, struct error *error)
{
	return error_set(error, ERROR_MODEL_ERROR, "its api_key_file %.200s cannot be read: %s",
	    path, strerror(number));
}

/* A header must not be broken into two by what stands in the file. */
static bool is_key(struct bytes key)
{
	for (size_t i = 0; i < key.size; i++)
		if (key.data[i] <= ' ' || key.data[i] == 0x7f)
			return false;
	return key.size > 0;
}

int key_file_read(const char *path, struct buffer *key, struct error *ret_error)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char line[KEY_BYTES_MAX + 1];
	struct stat status;
	ssize_t size;

	if (fd < 0 || fstat(fd, &status) != 0)
		return cannot_read(path, errno, ret_error);
	if (!S_ISREG(status.st_mode))
		return cannot_read(path, EINVAL, ret_error);
	if (status.st_mode & S_IRWXO)
		return error_set(ret_error, ERROR_MODEL_ERROR,
		    "its api_key_file %.200s is open to everybody; run chmod o= on it", path);
	size = read(fd, line, sizeof(line));
	if (size < 0)
		return cannot_read(path, errno, ret_error);
	while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
		size--;
	if (size > KEY_BYTES_MAX || !is_key(bytes_of(line, (size_t)size)))
		return error_set(ret_error, ERROR_MODEL_ERROR,
		    "its api_key_file %.200s must hold one line with the key alone", path);
	buffer_append(key, line, (size_t)size);
	explicit_bzero(line, sizeof(line));
	return 0;
}
