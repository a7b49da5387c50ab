#include "daemon/classify_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/classify.h"

static int read_all(int fd, struct buffer *content)
{
	for (;;) {
		char piece[4096];
		ssize_t size = read(fd, piece, sizeof(piece));

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (size == 0)
			return 0;
		buffer_append(content, piece, (size_t)size);
	}
}

static void judge(const char *pattern, struct buffer *answer)
{
	struct classifier_rule rule = {.route = ROUTE_SQL, .text = pattern, .is_pattern = true};
	char fault[512] = "";
	struct classifier *classifier = classifier_new(&rule, 1, NULL, fault, sizeof(fault));

	buffer_append(answer, fault, classifier ? 0 : strlen(fault));
	buffer_append(answer, "", 1);
	classifier_free(classifier);
}

int classify_check_patterns(int fd)
{
	CLEAN(buffer) struct buffer patterns = BUFFER_INIT;
	CLEAN(buffer) struct buffer answer = BUFFER_INIT;
	size_t done = 0;

	if (read_all(fd, &patterns) != 0)
		return EXIT_FAILURE;
	buffer_string(&patterns);
	for (size_t at = 0; at < patterns.size; at += strlen(patterns.data + at) + 1)
		judge(patterns.data + at, &answer);
	while (done < answer.size) {
		ssize_t wrote = write(fd, answer.data + done, answer.size - done);

		if (wrote < 0 && errno != EINTR)
			return EXIT_FAILURE;
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	return EXIT_SUCCESS;
}
