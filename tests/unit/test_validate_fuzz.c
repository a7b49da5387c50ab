/*
 * Mutates the corpus: bytes, pieces, whole statements into each other. The validator must come
 * back with a verdict that says its reason in UTF-8 and, of attacks that were only dressed up, with
 * a refusal. FUZZ_ROUNDS: how many, of FUZZ_SECONDS of CPU time at most;
 * FUZZ_SEED; FUZZ_EMIT: a file that gets what is allowed, as JSON lines, FUZZ_EMIT_MAX at most.
 */
#include <time.h>

#include "common/limits.h"
#include "tests/unit/validate_corpus.h"

struct fuzz {
	struct corpus corpus;
	struct policy *policy;
	unsigned seed;
	FILE *emit;
	long emit_left;
	unsigned long rounds, allowed, wrong;
};

static size_t pick(struct fuzz *fuzz, size_t below)
{
	return below ? (size_t)rand_r(&fuzz->seed) % below : 0;
}

static const struct corpus_row *any_row(struct fuzz *fuzz)
{
	return &fuzz->corpus.rows[pick(fuzz, fuzz->corpus.count)];
}

static void change_byte(struct fuzz *fuzz, struct buffer *sql)
{
	static const char spice[] = "();,.'\"$[]*:=<>-+/\\ \n\t\x80\xff\xc3\xa9"
	                            "1aEUxN_%&|@#?!~^{}";

	if (sql->size)
		sql->data[pick(fuzz, sql->size)] = spice[pick(fuzz, sizeof(spice) - 1)];
}

static void replace(struct buffer *sql, size_t at, size_t size, struct bytes with)
{
	struct buffer changed = BUFFER_INIT;

	buffer_append_bytes(&changed, bytes_of(sql->data, at));
	buffer_append_bytes(&changed, with);
	buffer_append_bytes(&changed, bytes_of(sql->data + at + size, sql->size - at - size));
	buffer_deinit(sql);
	*sql = changed;
}

static void insert_word(struct fuzz *fuzz, struct buffer *sql)
{
	static const char *const words[] = {" pg_sleep(1) ", " (SELECT 1) ", " OPERATOR(public.+) ",
	    "::evil ", " FOR UPDATE ", " INTO x ", "; ", "--", "/*", "*/", "$$", "E'", "U&\"", "''",
	    " AS ", " FROM secrets ", ".nextval", ".pg_advisory_lock", " WITH x AS (", ")", "(",
	    " UNION SELECT ", " LATERAL ", " NULL ", " ROWS FROM (", " COLLATE \"C\" ", "[1:2]",
	    "::regrole", "::text", " public.", " pg_catalog.", " g ", " OVER () ",
	    " FILTER (WHERE ", " WITHIN GROUP (ORDER BY ", " nextval('sq') ",
	    " pg_advisory_lock(1) ", " lo_create(0) ", " setseed(0.1) ",
	    " set_config('a.b', 'c', false) ", " txid_current() ", " generate_series(1, 3) g "};

	replace(sql, pick(fuzz, sql->size + 1), 0,
	    bytes_of_string(words[pick(fuzz, sizeof(words) / sizeof(words[0]))]));
}

static void cut(struct fuzz *fuzz, struct buffer *sql)
{
	size_t at = pick(fuzz, sql->size + 1);

	replace(sql, at, pick(fuzz, (sql->size - at) / 2 + 1), BYTES_NONE);
}

/* A part of another statement in the place of a part of this one. */
static void splice(struct fuzz *fuzz, struct buffer *sql)
{
	const struct corpus_row *other = any_row(fuzz);
	size_t at = pick(fuzz, sql->size + 1), from = pick(fuzz, other->size + 1);

	replace(sql, at, pick(fuzz, (sql->size - at) / 2 + 1),
	    bytes_of(other->sql + from, pick(fuzz, other->size - from + 1)));
}

static void nest(struct fuzz *fuzz, struct buffer *sql)
{
	(void)fuzz;
	replace(sql, 0, 0, bytes_of_string("SELECT * FROM ("));
	buffer_append_string(sql, "\n) AS nested");
}

static void repeat(struct fuzz *fuzz, struct buffer *sql)
{
	size_t at = pick(fuzz, sql->size + 1), size = pick(fuzz, sql->size - at + 1);
	char *part = bytes_to_string(bytes_of(sql->data ? sql->data + at : "", size));

	for (size_t times = pick(fuzz, 8) + 1; times && sql->size < LIMIT_SQL_BYTES; times--)
		replace(sql, at, 0, bytes_of(part, size));
	free(part);
}

static void (*const changes[])(struct fuzz *, struct buffer *) = {
    change_byte, change_byte, insert_word, insert_word, cut, splice, splice, nest, repeat};

static void emit(struct fuzz *fuzz, struct bytes sql)
{
	json_t *text;

	if (!fuzz->emit || !fuzz->emit_left)
		return;
	text = json_stringn(sql.data, sql.size);
	json_dumpf(text, fuzz->emit, JSON_ENCODE_ANY);
	fputc('\n', fuzz->emit);
	json_decref(text);
	fuzz->emit_left--;
}

static void say(const char *what, struct bytes sql, const struct verdict *verdict)
{
	printf("%s: %s: %.*s: %s\n", what, check_code_name(verdict->code), (int)sql.size, sql.data,
	    verdict->reason);
}

/* An exact heap copy: ASan sees a byte read too far. */
static void judge(struct fuzz *fuzz, struct bytes sql, bool must_refuse)
{
	char *exact = must_alloc(sql.size ? sql.size : 1);
	struct verdict verdict;
	bool allowed;

	if (sql.size)
		memcpy(exact, sql.data, sql.size);
	validate(bytes_of(exact, sql.size), fuzz->policy, &verdict);
	allowed = verdict.code == CHECK_ALLOW;
	if (allowed != (verdict.reason[0] == '\0') ||
	    !bytes_are_utf8(bytes_of_string(verdict.reason)) || (allowed && must_refuse)) {
		say("wrong", sql, &verdict);
		fuzz->wrong++;
	}
	if (allowed && !must_refuse)
		emit(fuzz, sql);
	fuzz->allowed += allowed;
	fuzz->rounds++;
	verdict_free(&verdict);
	free(exact);
}

/* What changes no meaning: white space, comments and an alias around the whole. */
static void dress_up(struct fuzz *fuzz, const struct corpus_row *row)
{
	static const char *const starts[] = {
	    " ", "\n", "/**/", "-- x\n", "/* /* */ ' */", "\t;", ""};
	static const char *const ends[] = {"", " ", ";", " -- y", "\n;;", "/* z */"};
	CLEAN(buffer) struct buffer sql = BUFFER_INIT;

	buffer_append_string(&sql, starts[pick(fuzz, sizeof(starts) / sizeof(starts[0]))]);
	buffer_append_bytes(&sql, bytes_of(row->sql, row->size));
	buffer_append_string(&sql, ends[pick(fuzz, sizeof(ends) / sizeof(ends[0]))]);
	judge(fuzz, bytes_of_buffer(&sql), row->is_attack);
}

static void round_of(struct fuzz *fuzz)
{
	CLEAN(buffer) struct buffer sql = BUFFER_INIT;
	const struct corpus_row *row = any_row(fuzz);

	if (pick(fuzz, 16) == 0) {
		dress_up(fuzz, row);
		return;
	}
	/* Long rows are there for one limit each, which most changes keep. */
	buffer_append_bytes(&sql, bytes_of(row->sql, row->size > 1000 ? 200 : row->size));
	for (size_t count = pick(fuzz, 4) + 1; count; count--)
		changes[pick(fuzz, sizeof(changes) / sizeof(changes[0]))](fuzz, &sql);
	judge(fuzz, bytes_of_buffer(&sql), false);
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static long setting(const char *name, long fallback)
{
	const char *text = getenv(name);

	return text ? atol(text) : fallback;
}

int main(void)
{
	unsigned long rounds = (unsigned long)setting("FUZZ_ROUNDS", 1000000);
	double seconds = (double)setting("FUZZ_SECONDS", 20);
	struct snapshot *snapshot = corpus_schema_new();
	struct fuzz fuzz = {.policy = policy_new(snapshot, NULL),
	    .seed = (unsigned)setting("FUZZ_SEED", 4),
	    .emit_left = setting("FUZZ_EMIT_MAX", 1000)};
	const char *path = getenv("FUZZ_EMIT");
	bool shared;

	if (!corpus_read_all(&fuzz.corpus, &shared) || (path && !(fuzz.emit = fopen(path, "we")))) {
		printf("a file cannot be opened\n");
		return 1;
	}
	while (fuzz.rounds < rounds && (fuzz.rounds % 1024 || cpu_seconds() < seconds))
		round_of(&fuzz);
	printf("%lu statements, %lu allowed, %lu wrong, %.1f s\n", fuzz.rounds, fuzz.allowed,
	    fuzz.wrong, cpu_seconds());
	if (fuzz.emit)
		fclose(fuzz.emit);
	corpus_deinit(&fuzz.corpus);
	policy_free(fuzz.policy);
	snapshot_free(snapshot);
	return fuzz.wrong != 0;
}
