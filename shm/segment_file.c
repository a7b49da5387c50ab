#include "shm/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/bytes.h"
#include "shm/crash_point.h"

#define SEGMENT_FOLDER "/dev/shm" /* where glibc's shm_open keeps its names */

void segment_say(struct text text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text.at, text.size, format, arguments);
	va_end(arguments);
}

static int say_owner(const struct segment_file *segment, uid_t owner, struct text message)
{
	const struct passwd *user = getpwuid(owner);
	char number[24];

	snprintf(number, sizeof(number), "%lu", (unsigned long)owner);
	segment_say(message,
	    SEGMENT_FOLDER
	    "%s belongs to user %s: stop that user's optimaxd and remove the file, or "
	    "choose another `instance`",
	    segment->name, user ? user->pw_name : number);
	return -EPERM;
}

/* What lies at the segment's name, be it a link; 0 or -errno. */
static int look_at_name(const struct segment_file *segment, struct stat *ret_status)
{
	char path[sizeof(SEGMENT_FOLDER) + SEGMENT_NAME_SIZE];

	snprintf(path, sizeof(path), SEGMENT_FOLDER "%s", segment->name);
	return lstat(path, ret_status) < 0 ? -errno : 0;
}

static int say_cannot_open(const struct segment_file *segment, int error, struct text message)
{
	struct stat status;

	if (look_at_name(segment, &status) == 0 && status.st_uid != geteuid())
		return say_owner(segment, status.st_uid, message);
	segment_say(message,
	    SEGMENT_FOLDER
	    "%s: cannot open: %s; remove it, or see to the rights of " SEGMENT_FOLDER,
	    segment->name, strerror(error));
	return -error;
}

static int map(struct segment_file *segment, int fd, int protection)
{
	segment->memory = mmap(NULL, segment->size, protection, MAP_SHARED, fd, 0);
	if (segment->memory == MAP_FAILED) {
		segment->memory = NULL;
		return -errno;
	}
	return 0;
}

static int say_no_room(const struct segment_file *segment, int error, struct text message)
{
	struct statvfs status = {0};
	uint64_t free_mib;

	if (error != ENOSPC)
		return say_cannot_open(segment, error, message);
	statvfs(SEGMENT_FOLDER, &status);
	free_mib = (uint64_t)status.f_bavail * status.f_frsize >> 20;
	segment_say(message,
	    "%s needs %zu MiB in " SEGMENT_FOLDER ", where %llu MiB are free: make `cache.size` "
	    "smaller, or " SEGMENT_FOLDER " larger (mount -o remount,size=… " SEGMENT_FOLDER ")",
	    segment->purpose, (segment->size + (1 << 20) - 1) >> 20, (unsigned long long)free_mib);
	return -ENOSPC;
}

/* Of every page: a full /dev/shm is an error here instead of SIGBUS later. Also of a file that was
 * there, which may have been cut short and made longer again. */
static int allocate(const struct segment_file *segment, int fd)
{
	int error;

	do {
		error = posix_fallocate(fd, 0, (off_t)segment->size);
	} while (error == EINTR);
	return error;
}

/* Before it is opened: opening a device or a FIFO is no mere look, and a link is not followed. */
static int judge_kind(const struct segment_file *segment, struct text reason, struct text message)
{
	struct stat status;
	int error = look_at_name(segment, &status);

	if (error == -ENOENT) {
		segment_say(reason, "there was none");
		return SEGMENT_UNFIT;
	}
	if (error)
		return say_cannot_open(segment, -error, message);
	if (status.st_uid != geteuid())
		return say_owner(segment, status.st_uid, message);
	if (S_ISREG(status.st_mode))
		return SEGMENT_OPENED;
	if (S_ISDIR(status.st_mode))
		return say_cannot_open(segment, EISDIR, message);
	segment_say(reason, "what had its name was no file");
	return SEGMENT_UNFIT;
}

int segment_file_find(struct segment_file *segment, struct text reason, struct text message)
{
	CLEAN(fd) int fd = -1;
	struct stat status;
	int error = judge_kind(segment, reason, message);

	if (error != SEGMENT_OPENED)
		return error;
	fd = shm_open(segment->name, O_RDWR, 0);
	if (fd < 0 || fstat(fd, &status) < 0)
		return say_cannot_open(segment, errno, message);
	if (status.st_uid != geteuid())
		return say_owner(segment, status.st_uid, message);
	if ((status.st_mode & 07777) != segment->mode) {
		segment_say(reason, "its mode was %04o, not %04o", (unsigned)status.st_mode & 07777,
		    (unsigned)segment->mode);
		return SEGMENT_UNFIT;
	}
	if ((uint64_t)status.st_size != segment->size) {
		segment_say(reason, "its size was %lld bytes, not %zu", (long long)status.st_size,
		    segment->size);
		return SEGMENT_UNFIT;
	}
	error = allocate(segment, fd);
	if (!error)
		error = -map(segment, fd, PROT_READ | PROT_WRITE);
	return error ? say_no_room(segment, error, message) : SEGMENT_OPENED;
}

int segment_file_create(struct segment_file *segment, struct text message)
{
	CLEAN(fd) int fd = -1;
	int error;

	if (shm_unlink(segment->name) < 0 && errno != ENOENT)
		return say_cannot_open(segment, errno, message);
	CRASH_POINT();
	fd = shm_open(segment->name, O_RDWR | O_CREAT | O_EXCL, segment->mode);
	CRASH_POINT();
	if (fd < 0)
		return say_cannot_open(segment, errno, message);
	error = allocate(segment, fd);
	CRASH_POINT();
	/* Not left to the umask. */
	if (!error && fchmod(fd, segment->mode) < 0)
		error = errno;
	CRASH_POINT();
	if (!error)
		error = -map(segment, fd, PROT_READ | PROT_WRITE);
	if (!error)
		return 0;
	error = say_no_room(segment, error, message);
	shm_unlink(segment->name);
	return error;
}

void segment_file_drop(struct segment_file *segment)
{
	if (segment->memory)
		munmap(segment->memory, segment->size);
	segment->memory = NULL;
}

int segment_file_attach(struct segment_file *segment, bool writable)
{
	CLEAN(fd) int fd = shm_open(segment->name, writable ? O_RDWR : O_RDONLY, 0);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (writable && status.st_uid != geteuid())
		return -EPERM;
	if (!S_ISREG(status.st_mode) || (status.st_mode & 07777) != segment->mode)
		return -EUCLEAN;
	if (segment->size == 0)
		segment->size = (size_t)status.st_size;
	/* Never a byte beyond the file's end: that would be SIGBUS. */
	if (segment->size < SEGMENT_LEAST || (uint64_t)status.st_size != segment->size)
		return -EUCLEAN;
	return map(segment, fd, writable ? PROT_READ | PROT_WRITE : PROT_READ);
}
