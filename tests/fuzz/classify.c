/*
 * Fuzzes the classification: any bytes get a decision, in a time that is linear in their number.
 * libFuzzer calls LLVMFuzzerTestOneInput (script/fuzz-classify); with FUZZ_MAIN a plain main runs
 * the saved inputs named, and long ones of its own, against the clock. Aborts where it finds
 * something.
 */
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *labels[] = {"pending", "überfällig"};
static const char *samples[] = {"東京", "القاهرة", "New York"};
static struct snapshot_column columns[] = {
    {.name = "id", .type = "bigint"},
    {.name = "cust_order_dt", .type = "date", .comment = "when it was placed"},
    {.name = "status", .type = "state", .label_count = 2, .labels = labels},
    {.name = "city", .type = "text", .sample_count = 3, .samples = samples},
};
static struct snapshot_table tables[] = {
    {.schema = "public", .name = "orders", .column_count = 4, .columns = columns},
    {.schema = "public", .name = "bodyBuilder", .column_count = 1, .columns = columns},
};
static const struct snapshot shop = {.database = "shop", .table_count = 2, .tables = tables};

static const struct classifier_rule rules[] = {
    {.route = ROUTE_SQL, .text = "churn report", .weight = 3},
    {.route = ROUTE_CHAT, .text = "(\\w+\\s?)+$", .weight = 1, .is_pattern = true},
    {.route = ROUTE_SQL, .text = "hm", .is_correction = true},
};

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void judge(const struct classification *found)
{
	demand(found->confidence >= 0.5 && found->confidence <= 1);
	demand(found->lean == ROUTE_SQL || found->lean == ROUTE_CHAT);
	demand(found->route == found->lean || found->route == ROUTE_UNSURE);
	demand(found->reason_count <= CLASSIFY_REASONS_MAX);
	for (size_t i = 0; i < found->reason_count; i++) {
		const struct classify_reason *reason = &found->reasons[i];

		demand(isfinite(reason->weight));
		demand(memchr(reason->text, '\0', sizeof(reason->text)) != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct vocabulary *vocabulary;
	static struct classifier *classifier;
	struct bytes text = bytes_of(size > 0 ? (const char *)bytes : "", size);
	struct classify_options options = {.min_confidence = 0.75, .has_history = size % 2};
	struct classification found, again;
	char error[128];

	if (!vocabulary) {
		vocabulary = vocabulary_new(&shop);
		classifier = classifier_new(rules, 3, NULL, error, sizeof(error));
		demand(classifier != NULL);
	}
	classify(text, NULL, NULL, &options, &found);
	judge(&found);
	classify(text, vocabulary, classifier, &options, &found);
	judge(&found);
	classify(text, vocabulary, classifier, &options, &again);
	demand(found.confidence == again.confidence && found.route == again.route);
	return 0;
}

#ifdef FUZZ_MAIN
enum { LONG = 64 * 1024, ROUNDS = 9, OWN_INPUTS = 3000, OWN_SIZE_MAX = 300 };
static const double long_ms_max = 1.0;

static const char *const units[] = {"a", "order ", "'", "\"", "how many ", "select ", "(", "x_",
    "1+1=", "-", ".", " ", "\n", "\t", "?!", "e\u0301\u0316", "“", "a-b_C", "é", "東", "العربية ",
    "שלום ", "\u202e", "\xff", "\xc3", "\x01", "\x7f", "1", "1,", "A", "Ab", "order_id ",
    "cust1Order", "from ", "and ", "your name ", ". A", "2024/1/1 "};

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The median of some rounds: others use this machine too. */
static double measure(struct bytes text, const struct vocabulary *vocabulary)
{
	struct classify_options options = {.min_confidence = 0.75};
	struct classification found;
	double ms[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct timespec start, end;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
		classify(text, vocabulary, NULL, &options, &found);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		ms[i] = (double)(end.tv_sec - start.tv_sec) * 1e3 +
		        (double)(end.tv_nsec - start.tv_nsec) / 1e6;
	}
	qsort(ms, ROUNDS, sizeof(ms[0]), compare);
	return ms[ROUNDS / 2];
}

static int run_long(void)
{
	struct vocabulary *vocabulary = vocabulary_new(&shop);
	char *text = must_alloc(LONG);
	double worst = 0;
	int slow = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double ms;

		for (size_t at = 0, unit = strlen(units[i]); at < LONG; at++)
			text[at] = units[i][at % unit];
		LLVMFuzzerTestOneInput((const uint8_t *)text, LONG);
		ms = measure(bytes_of(text, LONG), vocabulary);
		worst = ms > worst ? ms : worst;
		if (ms > long_ms_max) {
			fprintf(stderr, "64 KiB of \"%s\" take %.2f ms\n", units[i], ms);
			slow++;
		}
	}
	printf("64 KiB take %.2f ms at most\n", worst);
	free(text);
	vocabulary_free(vocabulary);
#if defined(__SANITIZE_ADDRESS__)
	return 0; /* that is no time to judge */
#else
	return slow;
#endif
}

static void run_own(void)
{
	uint64_t random = 88172645463325252u;

	for (int i = 0; i < OWN_INPUTS; i++) {
		uint8_t bytes[OWN_SIZE_MAX + 32];
		size_t size = 0;

		while (size < (size_t)(i % OWN_SIZE_MAX)) {
			const char *unit;

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			unit = units[random % (sizeof(units) / sizeof(units[0]))];
			memcpy(bytes + size, unit, strlen(unit));
			size += strlen(unit);
			bytes[size - 1] ^= (random >> 32 & 15) ? 0 : (uint8_t)(random >> 40);
		}
		LLVMFuzzerTestOneInput(bytes, size);
	}
}

static unsigned run_folder(const char *path)
{
	static uint8_t bytes[LONG];
	DIR *folder = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	while (folder && (entry = readdir(folder))) {
		char name[1024 + 256 + 2];
		FILE *file;

		snprintf(name, sizeof(name), "%.1023s/%s", path, entry->d_name);
		file = entry->d_name[0] != '.' ? fopen(name, "rb") : NULL;
		if (!file)
			continue;
		LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), file));
		fclose(file);
		count++;
	}
	if (folder)
		closedir(folder);
	return count;
}

int main(void)
{
	const char *top = getenv("top_srcdir");
	char path[1024];
	unsigned saved;

	snprintf(path, sizeof(path), "%s/tests/fuzz/saved/classify", top ? top : ".");
	saved = run_folder(path);
	run_own();
	printf("%u saved inputs, %d random ones\n", saved, OWN_INPUTS);
	return saved == 0 || run_long() > 0;
}
#endif
