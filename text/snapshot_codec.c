/*
 * The bytes of a snapshot: [revision, body], body an array of fixed places, told by the packers
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
	FORMAT = 3,
	BODY_FIELDS = 10,
	TABLE_FIELDS = 17,
	OBJECT_FIELDS = 5,
	COLUMN_FIELDS = 8,
	FOREIGN_KEY_FIELDS = 4,
	VERSION_SIZE = sizeof(((struct snapshot *)0)->version) - 1,
};

static void hash_hex(struct bytes body, char ret_version[VERSION_SIZE + 1])
{
	XXH128_hash_t hash = XXH3_128bits(body.data, body.size);

	snprintf(
	    ret_version, VERSION_SIZE + 1, "%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}

/* ---- encoding ---- */

static void pack_optional(struct buffer *out, const char *text)
{
	if (text)
		pack_string(out, text);
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

static void pack_objects(struct buffer *out, const struct snapshot_objects *objects)
{
	pack_array(out, objects->count);
	for (size_t i = 0; i < objects->count; i++) {
		const struct snapshot_object *object = &objects->items[i];

		pack_array(out, OBJECT_FIELDS);
		pack_string(out, object->schema);
		pack_string(out, object->name);
		pack_optional(out, object->extension);
		pack_bool(out, object->shadows);
		pack_bool(out, object->pure);
	}
}

/* `structure`: without what is only known of the rows. */
static void pack_column(struct buffer *out, const struct snapshot_column *column, bool structure)
{
	pack_array(out, COLUMN_FIELDS);
	pack_string(out, column->name);
	pack_string(out, column->type);
	pack_optional(out, column->comment);
	pack_int(out, column->kind);
	pack_bool(out, column->nullable);
	pack_bool(out, column->unique);
	pack_strings(out, column->labels, column->label_count);
	pack_strings(out, column->samples, structure ? 0 : column->sample_count);
}

static void pack_foreign_key(struct buffer *out, const struct snapshot_foreign_key *key)
{
	pack_array(out, FOREIGN_KEY_FIELDS);
	pack_indices(out, key->columns, key->column_count);
	pack_string(out, key->ref_schema);
	pack_string(out, key->ref_table);
	pack_strings(out, key->ref_columns, key->column_count);
}

static void pack_table(struct buffer *out, const struct snapshot_table *table, bool structure)
{
	pack_array(out, TABLE_FIELDS);
	pack_string(out, table->schema);
	pack_string(out, table->name);
	pack_optional(out, table->comment);
	pack_int(out, table->kind);
	pack_bool(out, table->readable);
	pack_int(out, structure ? -1 : table->row_estimate);
	pack_array(out, table->column_count);
	for (size_t i = 0; i < table->column_count; i++)
		pack_column(out, &table->columns[i], structure);
	pack_indices(out, table->primary_key, table->primary_key_count);
	pack_array(out, table->foreign_key_count);
	for (size_t i = 0; i < table->foreign_key_count; i++)
		pack_foreign_key(out, &table->foreign_keys[i]);
	pack_bool(out, table->row_security);
	pack_bool(out, table->foreign_parts);
	pack_optional(out, table->refusal);
	pack_bool(out, table->invoker);
	pack_optional(out, table->definition);
	pack_objects(out, &table->functions);
	pack_objects(out, &table->operators);
	pack_objects(out, &table->reads);
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

static int compare_objects(const void *a, const void *b)
{
	const struct snapshot_object *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : strcmp(left->schema, right->schema);
}

static void sort(
    void *members, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(members, count, size, compare);
}

static void sort_objects(struct snapshot_objects *objects)
{
	sort(objects->items, objects->count, sizeof(*objects->items), compare_objects);
}

/* PostgreSQL sorts by its collation, which is neither strcmp's nor the same everywhere. */
static void sort_all(struct snapshot *snapshot)
{
	const size_t size = sizeof(const char *);

	sort(snapshot->tables, snapshot->table_count, sizeof(*snapshot->tables), compare_tables);
	for (size_t i = 0; i < snapshot->table_count; i++) {
		sort_objects(&snapshot->tables[i].functions);
		sort_objects(&snapshot->tables[i].operators);
		sort_objects(&snapshot->tables[i].reads);
	}
	sort_objects(&snapshot->functions);
	sort_objects(&snapshot->operators);
	sort_objects(&snapshot->types);
	sort_objects(&snapshot->cast_types);
	sort(snapshot->catalog_calls, snapshot->catalog_call_count, size, compare_strings);
}

static void pack_contents(struct buffer *out, const struct snapshot *snapshot, bool structure)
{
	pack_string(out, snapshot->database);
	pack_strings(out, snapshot->schemas, snapshot->schema_count);
	pack_array(out, snapshot->table_count);
	for (size_t i = 0; i < snapshot->table_count; i++)
		pack_table(out, &snapshot->tables[i], structure);
	pack_objects(out, &snapshot->functions);
	pack_objects(out, &snapshot->operators);
	pack_objects(out, &snapshot->types);
	pack_objects(out, &snapshot->cast_types);
	pack_strings(out, snapshot->catalog_calls, snapshot->catalog_call_count);
}

void snapshot_encode(struct snapshot *snapshot, struct buffer *ret_encoded)
{
	CLEAN(buffer) struct buffer structure = BUFFER_INIT, body = BUFFER_INIT;

	sort_all(snapshot);
	pack_contents(&structure, snapshot, true);
	hash_hex(bytes_of_buffer(&structure), snapshot->version);
	pack_array(&body, BODY_FIELDS);
	pack_int(&body, FORMAT);
	pack_string(&body, snapshot->version);
	pack_contents(&body, snapshot, false);
	hash_hex(bytes_of_buffer(&body), snapshot->revision);
	pack_array(ret_encoded, 2);
	pack_string(ret_encoded, snapshot->revision);
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

static void read_objects(struct reader *reader, struct snapshot_objects *ret_objects)
{
	size_t count = read_count(reader, OBJECT_FIELDS + 1);

	ret_objects->items = snapshot_alloc(reader->snapshot, count * sizeof(*ret_objects->items));
	ret_objects->count = count;
	for (size_t i = 0; i < count && !reader->failed; i++) {
		struct snapshot_object *object = &ret_objects->items[i];

		read_fields(reader, OBJECT_FIELDS);
		object->schema = read_text(reader, false);
		object->name = read_text(reader, false);
		object->extension = read_text(reader, true);
		object->shadows = read_bool(reader);
		object->pure = read_bool(reader);
		/* The binary search relies on the order. */
		if (!reader->failed && i && compare_objects(object - 1, object) > 0)
			reader->failed = true;
	}
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

	table->row_security = read_bool(reader);
	table->foreign_parts = read_bool(reader);
	table->refusal = read_text(reader, true);
	table->invoker = read_bool(reader);
	table->definition = read_text(reader, true);
	read_objects(reader, &table->functions);
	read_objects(reader, &table->operators);
	read_objects(reader, &table->reads);
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
	const char *version;

	read_fields(reader, BODY_FIELDS);
	read_int(reader, FORMAT, FORMAT);
	version = read_text(reader, false);
	if (!version || strlen(version) != VERSION_SIZE)
		reader->failed = true;
	else
		memcpy(snapshot->version, version, VERSION_SIZE + 1);
	snapshot->database = read_text(reader, false);
	snapshot->schemas = read_texts(reader, &snapshot->schema_count);
	read_tables(reader);
	read_objects(reader, &snapshot->functions);
	read_objects(reader, &snapshot->operators);
	read_objects(reader, &snapshot->types);
	read_objects(reader, &snapshot->cast_types);
	snapshot->catalog_calls = read_texts(reader, &snapshot->catalog_call_count);
	for (size_t i = 1; i < snapshot->catalog_call_count && !reader->failed; i++)
		if (compare_strings(&snapshot->catalog_calls[i - 1], &snapshot->catalog_calls[i]) >=
		    0)
			reader->failed = true;
	if (reader->left.size)
		reader->failed = true;
}

int snapshot_decode(struct bytes encoded, struct snapshot **ret_snapshot)
{
	struct snapshot *snapshot = snapshot_new("");
	struct reader reader = {encoded, false, snapshot};
	const char *revision;

	read_fields(&reader, 2);
	revision = read_text(&reader, false);
	hash_hex(reader.left, snapshot->revision);
	if (reader.failed || strcmp(revision, snapshot->revision) != 0)
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
