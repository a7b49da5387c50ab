/*
 * The bytes of a snapshot: [version, body], body an array of fixed places, told by the packers
 * below. A place is never reused for something else: FORMAT goes up instead.
 */
#include "text/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/msgpack_scan.h"
#include "common/pack.h"

enum {
	FORMAT = 1,
	BODY_FIELDS = 7, /* format, database, schemas, tables, functions, operators, cast types */
	TABLE_FIELDS = 9,
	COLUMN_FIELDS = 8,
	FOREIGN_KEY_FIELDS = 4,
	VERSION_SIZE = sizeof(((struct snapshot *)0)->version) - 1,
};

static void body_version(struct bytes body, char ret_version[VERSION_SIZE + 1])
{
	XXH128_hash_t hash = XXH3_128bits(body.data, body.size);

	snprintf(
	    ret_version, VERSION_SIZE + 1, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}

/* ---- encoding ---- */

static void pack_comment(struct buffer *out, const char *comment)
{
	if (comment)
		pack_string(out, comment);
	else
		pack_nil(out);
}

static void pack_strings(struct buffer *out, const char **strings, size_t count)
{
	pack_array(out, count);
	for (size_t i = 0; i < count; i++)
		pack_string(out, strings[i]);
}

static void pack_indices(struct buffer *out, const size_t *indices, size_t count)
{
	pack_array(out, count);
	for (size_t i = 0; i < count; i++)
		pack_int(out, (int64_t)indices[i]);
}

static void pack_column(struct buffer *out, const struct snapshot_column *column)
{
	pack_array(out, COLUMN_FIELDS);
	pack_string(out, column->name);
	pack_string(out, column->type);
	pack_comment(out, column->comment);
	pack_int(out, column->kind);
	pack_bool(out, column->nullable);
	pack_bool(out, column->unique);
	pack_strings(out, column->labels, column->label_count);
	pack_strings(out, column->samples, column->sample_count);
}

static void pack_foreign_key(struct buffer *out, const struct snapshot_foreign_key *key)
{
	pack_array(out, FOREIGN_KEY_FIELDS);
	pack_indices(out, key->columns, key->column_count);
	pack_string(out, key->ref_schema);
	pack_string(out, key->ref_table);
	pack_strings(out, key->ref_columns, key->column_count);
}

static void pack_table(struct buffer *out, const struct snapshot_table *table)
{
	pack_array(out, TABLE_FIELDS);
	pack_string(out, table->schema);
	pack_string(out, table->name);
	pack_comment(out, table->comment);
	pack_int(out, table->kind);
	pack_bool(out, table->readable);
	pack_int(out, table->row_estimate);
	pack_array(out, table->column_count);
	for (size_t i = 0; i < table->column_count; i++)
		pack_column(out, &table->columns[i]);
	pack_indices(out, table->primary_key, table->primary_key_count);
	pack_array(out, table->foreign_key_count);
	for (size_t i = 0; i < table->foreign_key_count; i++)
		pack_foreign_key(out, &table->foreign_keys[i]);
}

static int compare_tables(const void *a, const void *b)
{
	const struct snapshot_table *left = a, *right = b;
	int order = strcmp(left->schema, right->schema);

	return order ? order : strcmp(left->name, right->name);
}

static int compare_strings(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

static void sort(
    void *members, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(members, count, size, compare);
}

/* PostgreSQL sorts by its collation, which is neither strcmp's nor the same everywhere. */
static void sort_all(struct snapshot *snapshot)
{
	const size_t size = sizeof(const char *);

	sort(snapshot->tables, snapshot->table_count, sizeof(*snapshot->tables), compare_tables);
	sort(snapshot->functions, snapshot->function_count, size, compare_strings);
	sort(snapshot->operators, snapshot->operator_count, size, compare_strings);
	sort(snapshot->cast_types, snapshot->cast_type_count, size, compare_strings);
}

void snapshot_encode(struct snapshot *snapshot, struct buffer *ret_encoded)
{
	CLEAN(buffer) struct buffer body = BUFFER_INIT;

	sort_all(snapshot);
	pack_array(&body, BODY_FIELDS);
	pack_int(&body, FORMAT);
	pack_string(&body, snapshot->database);
	pack_strings(&body, snapshot->schemas, snapshot->schema_count);
	pack_array(&body, snapshot->table_count);
	for (size_t i = 0; i < snapshot->table_count; i++)
		pack_table(&body, &snapshot->tables[i]);
	pack_strings(&body, snapshot->functions, snapshot->function_count);
	pack_strings(&body, snapshot->operators, snapshot->operator_count);
	pack_strings(&body, snapshot->cast_types, snapshot->cast_type_count);

	body_version(bytes_of_buffer(&body), snapshot->version);
	pack_array(ret_encoded, 2);
	pack_string(ret_encoded, snapshot->version);
	buffer_append_bytes(ret_encoded, bytes_of_buffer(&body));
}

/* ---- decoding ---- */

/* Failure sticks: after it every read gives nothing, so loops end and one check is enough. */
struct reader {
	struct bytes left;
	bool failed;
	struct snapshot *snapshot;
};

static bool read_head(struct reader *reader, struct msgpack_element *ret_element)
{
	if (reader->failed || msgpack_head(reader->left, ret_element) != SCAN_WHOLE ||
	    ret_element->head_size > reader->left.size) {
		reader->failed = true;
		return false;
	}
	reader->left.data += ret_element->head_size;
	reader->left.size -= ret_element->head_size;
	return true;
}

/* The count of an array whose members take at least `member_size` bytes each: a count that the
 * remaining bytes cannot hold must not become an allocation. */
static size_t read_count(struct reader *reader, size_t member_size)
{
	struct msgpack_element element;

	if (!read_head(reader, &element))
		return 0;
	if (element.kind == MSGPACK_ARRAY && element.count <= reader->left.size / member_size)
		return element.count;
	reader->failed = true;
	return 0;
}

static void read_fields(struct reader *reader, size_t count)
{
	if (read_count(reader, 1) != count)
		reader->failed = true;
}

static int64_t read_int(struct reader *reader, int64_t min, int64_t max)
{
	struct msgpack_element element;

	if (!read_head(reader, &element))
		return min;
	if (element.kind == MSGPACK_INT && element.integer >= min && element.integer <= max)
		return element.integer;
	reader->failed = true;
	return min;
}

static bool read_bool(struct reader *reader)
{
	struct msgpack_element element;

	if (!read_head(reader, &element))
		return false;
	if (element.kind != MSGPACK_BOOL) {
		reader->failed = true;
		return false;
	}
	return element.boolean;
}

/* NULL where it is nil, which only some fields may be. */
static const char *read_text(struct reader *reader, bool nil_allowed)
{
	struct msgpack_element element;
	struct bytes text;

	if (!read_head(reader, &element))
		return NULL;
	if (element.kind == MSGPACK_NIL && nil_allowed)
		return NULL;
	text = bytes_of(reader->left.data, element.kind == MSGPACK_STR ? element.count : 0);
	if (element.kind != MSGPACK_STR || text.size > reader->left.size ||
	    (text.size && memchr(text.data, 0, text.size)) || !bytes_are_utf8(text)) {
		reader->failed = true;
		return NULL;
	}
	reader->left.data += text.size;
	reader->left.size -= text.size;
	return snapshot_string(reader->snapshot, text.data, text.size);
}

static const char **read_texts(struct reader *reader, size_t *ret_count)
{
	size_t count = read_count(reader, 1);
	const char **texts = snapshot_alloc(reader->snapshot, count * sizeof(*texts));

	for (size_t i = 0; i < count && !reader->failed; i++)
		texts[i] = read_text(reader, false);
	*ret_count = count;
	return texts;
}

static size_t *read_indices(struct reader *reader, size_t limit, size_t *ret_count)
{
	size_t count = read_count(reader, 1);
	size_t *indices = snapshot_alloc(reader->snapshot, count * sizeof(*indices));

	if (count && !limit)
		reader->failed = true;
	for (size_t i = 0; i < count && !reader->failed; i++)
		indices[i] = (size_t)read_int(reader, 0, (int64_t)limit - 1);
	*ret_count = count;
	return indices;
}

static void read_column(struct reader *reader, struct snapshot_column *column)
{
	read_fields(reader, COLUMN_FIELDS);
	column->name = read_text(reader, false);
	column->type = read_text(reader, false);
	column->comment = read_text(reader, true);
	column->kind = (enum column_kind)read_int(reader, COLUMN_OTHER, COLUMN_ENUM);
	column->nullable = read_bool(reader);
	column->unique = read_bool(reader);
	column->labels = read_texts(reader, &column->label_count);
	column->samples = read_texts(reader, &column->sample_count);
}

static void read_foreign_key(
    struct reader *reader, const struct snapshot_table *table, struct snapshot_foreign_key *key)
{
	size_t ref_count;

	read_fields(reader, FOREIGN_KEY_FIELDS);
	key->columns = read_indices(reader, table->column_count, &key->column_count);
	key->ref_schema = read_text(reader, false);
	key->ref_table = read_text(reader, false);
	key->ref_columns = read_texts(reader, &ref_count);
	if (ref_count != key->column_count || !ref_count)
		reader->failed = true;
}

static void read_table(struct reader *reader, struct snapshot_table *table)
{
	read_fields(reader, TABLE_FIELDS);
	table->schema = read_text(reader, false);
	table->name = read_text(reader, false);
	table->comment = read_text(reader, true);
	table->kind = (enum table_kind)read_int(reader, TABLE_TABLE, TABLE_PARTITIONED);
	table->readable = read_bool(reader);
	table->row_estimate = read_int(reader, -1, INT64_MAX);

	table->column_count = read_count(reader, COLUMN_FIELDS + 1);
	table->columns =
	    snapshot_alloc(reader->snapshot, table->column_count * sizeof(*table->columns));
	for (size_t i = 0; i < table->column_count && !reader->failed; i++)
		read_column(reader, &table->columns[i]);
	table->primary_key = read_indices(reader, table->column_count, &table->primary_key_count);

	table->foreign_key_count = read_count(reader, FOREIGN_KEY_FIELDS + 1);
	table->foreign_keys = snapshot_alloc(
	    reader->snapshot, table->foreign_key_count * sizeof(*table->foreign_keys));
	for (size_t i = 0; i < table->foreign_key_count && !reader->failed; i++)
		read_foreign_key(reader, table, &table->foreign_keys[i]);
}

static void read_tables(struct reader *reader)
{
	struct snapshot *snapshot = reader->snapshot;
	struct snapshot_table *tables;

	snapshot->table_count = read_count(reader, TABLE_FIELDS + 1);
	tables = snapshot_alloc(snapshot, snapshot->table_count * sizeof(*tables));
	snapshot->tables = tables;
	for (size_t i = 0; i < snapshot->table_count && !reader->failed; i++) {
		read_table(reader, &tables[i]);
		/* The binary search relies on the order. */
		if (!reader->failed && i && compare_tables(&tables[i - 1], &tables[i]) >= 0)
			reader->failed = true;
	}
}

static void read_body(struct reader *reader)
{
	struct snapshot *snapshot = reader->snapshot;

	read_fields(reader, BODY_FIELDS);
	read_int(reader, FORMAT, FORMAT);
	snapshot->database = read_text(reader, false);
	snapshot->schemas = read_texts(reader, &snapshot->schema_count);
	read_tables(reader);
	snapshot->functions = read_texts(reader, &snapshot->function_count);
	snapshot->operators = read_texts(reader, &snapshot->operator_count);
	snapshot->cast_types = read_texts(reader, &snapshot->cast_type_count);
	if (reader->left.size)
		reader->failed = true;
}

int snapshot_decode(struct bytes encoded, struct snapshot **ret_snapshot)
{
	struct snapshot *snapshot = snapshot_new("");
	struct reader reader = {encoded, false, snapshot};
	const char *version;

	read_fields(&reader, 2);
	version = read_text(&reader, false);
	body_version(reader.left, snapshot->version);
	if (reader.failed || strcmp(version, snapshot->version) != 0)
		reader.failed = true;
	else
		read_body(&reader);
	if (reader.failed) {
		snapshot_free(snapshot);
		return -EBADMSG;
	}
	*ret_snapshot = snapshot;
	return 0;
}
