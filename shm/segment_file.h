/*
 * One of an instance's two files in /dev/shm, whatever is in it: opened, made and mapped, and
 * judged by what the kernel says of it (owner, kind, mode, size, room). Private to segment.c,
 * which knows what is inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	SEGMENT_INSTANCE_MAX = 64,
	SEGMENT_NAME_SIZE = SEGMENT_INSTANCE_MAX + 32,
	SEGMENT_LEAST =
	    4096, /* a header, which is a page, can be read of every file that is mapped */
};

struct segment_file {
	char name[SEGMENT_NAME_SIZE];
	mode_t mode;
	size_t size;
	const char *purpose; /* for messages: "the cache" */
	void *memory;
};

/* Where a reason (why it was made again) or a message (why it could not be) is written. */
struct text {
	char *at;
	size_t size;
};
__attribute__((format(printf, 2, 3))) void segment_say(struct text text, const char *format, ...);

enum segment_found { SEGMENT_OPENED = 0, SEGMENT_UNFIT = 1 };

/* SEGMENT_OPENED and mapped; SEGMENT_UNFIT with the reason; or -errno with a message. */
int segment_file_find(struct segment_file *segment, struct text reason, struct text message);
/* In place of what has its name, all of it allocated, and mapped. 0, or -errno with a message. */
int segment_file_create(struct segment_file *segment, struct text message);
/* Maps what was prepared, if it is still such a file; a size of 0 is any. 0 or -errno. */
int segment_file_attach(struct segment_file *segment, bool writable);
void segment_file_drop(struct segment_file *segment);
