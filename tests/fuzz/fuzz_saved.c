/*
 * Runs a fuzz target on the saved inputs named, files or folders of them, and then on a number
 * of its own making; needs no libFuzzer. For real fuzzing see script/fuzz.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 16, OWN_INPUTS = 3000, OWN_SIZE_MAX = 400 };

static unsigned long saved;

static void run_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(1);
	}
	LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), file));
	fclose(file);
	saved++;
}

static void run_path(const char *path)
{
	struct dirent *entry;
	DIR *folder = opendir(path);

	if (!folder) {
		run_file(path);
		return;
	}
	while ((entry = readdir(folder))) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			run_file(name);
	}
	closedir(folder);
}

int main(int argc, char **argv)
{
	uint64_t random = 88172645463325252u;

	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	for (int i = 0; i < OWN_INPUTS; i++) {
		uint8_t bytes[OWN_SIZE_MAX];
		size_t size = random % OWN_SIZE_MAX;

		for (size_t k = 0; k < size; k++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* Small numbers are the more telling ones. */
			bytes[k] = (uint8_t)(random >> 32 & (random >> 40 & 1 ? 0xff : 0x0f));
		}
		random += (uint64_t)i;
		LLVMFuzzerTestOneInput(bytes, size);
	}
	printf("%lu saved inputs, %d random ones\n", saved, OWN_INPUTS);
	return saved == 0;
}
