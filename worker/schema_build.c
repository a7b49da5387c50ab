#include "worker/schema_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "worker/schema_take.h"

static int cell_int(const PGresult *result, int row, int field)
{
	return (int)strtol(PQgetvalue(result, row, field), NULL, 10);
}

/* ---- places by oid and attnum ---- */

static int compare_ids(const void *a, const void *b)
{
	Oid left = ((const struct schema_table_id *)a)->oid;
	Oid right = ((const struct schema_table_id *)b)->oid;

	return (left > right) - (left < right);
}

struct schema_table_id *schema_find_id(const struct schema_builder *builder, Oid oid)
{
	struct schema_table_id wanted = {.oid = oid};

	if (!builder->ids)
		return NULL;
	return bsearch(&wanted, builder->ids, builder->id_count, sizeof(wanted), compare_ids);
}

struct snapshot_table *schema_table_of(
    const struct schema_builder *builder, const struct schema_table_id *id)
{
	return &builder->snapshot->tables[id->table];
}

/* False where the table has no such column. */
static bool find_column(const struct schema_builder *builder, const struct schema_table_id *id,
    int attnum, size_t *ret_column)
{
	for (size_t i = 0; i < schema_table_of(builder, id)->column_count; i++) {
		if (id->attnums[i] == attnum) {
			*ret_column = i;
			return true;
		}
	}
	return false;
}

/* The column that a row's first two fields, oid and attnum, name; NULL: none. */
static struct snapshot_column *column_of_row(
    const struct schema_builder *builder, const PGresult *result, int row)
{
	struct schema_table_id *id = schema_find_id(builder, cell_oid(result, row, 0));
	size_t column;

	if (!id || !find_column(builder, id, cell_int(result, row, 1), &column))
		return NULL;
	return &schema_table_of(builder, id)->columns[column];
}

/* ---- one function per query ---- */

static int take_fingerprint(struct schema_builder *builder, const PGresult *result)
{
	struct bytes text = PQntuples(result) == 1 ? cell(result, 0, 0) : BYTES_NONE;

	if (!text.data || text.size >= sizeof(builder->fingerprint))
		return -EBADMSG;
	memcpy(builder->fingerprint, text.data, text.size);
	return 0;
}

int schema_take_names(struct schema_builder *builder, const PGresult *result,
    const char ***ret_names, size_t *ret_count)
{
	size_t count = (size_t)PQntuples(result);
	const char **names = snapshot_alloc(builder->snapshot, count * sizeof(*names));

	for (size_t i = 0; i < count; i++) {
		names[i] = cell_string(builder, result, (int)i, 0);
		if (!names[i])
			return -EBADMSG;
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

static int take_schemas(struct schema_builder *builder, const PGresult *result)
{
	return schema_take_names(
	    builder, result, &builder->snapshot->schemas, &builder->snapshot->schema_count);
}

static enum table_kind table_kind_of(char relkind)
{
	switch (relkind) {
	case 'v':
		return TABLE_VIEW;
	case 'm':
		return TABLE_MATERIALIZED_VIEW;
	case 'f':
		return TABLE_FOREIGN;
	case 'p':
		return TABLE_PARTITIONED;
	default:
		return TABLE_TABLE;
	}
}

static int take_tables(struct schema_builder *builder, const PGresult *result)
{
	struct snapshot *snapshot = builder->snapshot;
	size_t count = (size_t)PQntuples(result);

	snapshot->tables = snapshot_alloc(snapshot, count * sizeof(*snapshot->tables));
	builder->ids = must_zalloc(count * sizeof(*builder->ids));
	builder->id_count = count;
	for (size_t i = 0; i < count; i++) {
		struct snapshot_table *table = &snapshot->tables[i];
		int row = (int)i;

		builder->ids[i] = (struct schema_table_id){cell_oid(result, row, 0), i, NULL, NULL};
		table->schema = cell_string(builder, result, row, 1);
		table->name = cell_string(builder, result, row, 2);
		table->comment = cell_string(builder, result, row, 3);
		table->kind = table_kind_of(*PQgetvalue(result, row, 4));
		table->readable = cell_bool(result, row, 5);
		table->row_estimate = strtoll(PQgetvalue(result, row, 6), NULL, 10);
		table->row_security = cell_bool(result, row, 7);
		table->foreign_parts = cell_bool(result, row, 8);
		if (!table->schema || !table->name)
			return -EBADMSG;
		snapshot->table_count++;
	}
	qsort(builder->ids, count, sizeof(*builder->ids), compare_ids);
	builder->id_of_table = must_zalloc(count * sizeof(*builder->id_of_table));
	for (size_t i = 0; i < count; i++)
		builder->id_of_table[builder->ids[i].table] = i;
	return 0;
}

static enum column_kind column_kind_of(const char *word)
{
	static const struct {
		const char *word;
		enum column_kind kind;
	} kinds[] = {
	    {"integer", COLUMN_INTEGER},
	    {"number", COLUMN_NUMBER},
	    {"text", COLUMN_TEXT},
	    {"boolean", COLUMN_BOOLEAN},
	    {"date", COLUMN_DATE},
	    {"timestamp", COLUMN_TIMESTAMP},
	    {"time", COLUMN_TIME},
	    {"enum", COLUMN_ENUM},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(word, kinds[i].word) == 0)
			return kinds[i].kind;
	return COLUMN_OTHER;
}

static int take_table_columns(struct schema_builder *builder, struct schema_table_id *id,
    const PGresult *result, struct run run)
{
	struct snapshot_table *table = schema_table_of(builder, id);
	size_t count = (size_t)(run.end - run.first);

	table->columns = snapshot_alloc(builder->snapshot, count * sizeof(*table->columns));
	table->column_count = count;
	id->attnums = must_zalloc(count * sizeof(*id->attnums));
	id->many = must_zalloc(count * sizeof(*id->many));
	for (int row = run.first; row < run.end; row++) {
		struct snapshot_column *column = &table->columns[row - run.first];

		id->attnums[row - run.first] = cell_int(result, row, 1);
		column->name = cell_string(builder, result, row, 2);
		column->type = cell_string(builder, result, row, 3);
		column->comment = cell_string(builder, result, row, 4);
		column->nullable = cell_bool(result, row, 5);
		column->kind = column_kind_of(PQgetvalue(result, row, 6));
		if (!column->name || !column->type)
			return -EBADMSG;
	}
	return 0;
}

static int take_columns(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result);) {
		struct run run = run_at(result, row, 1);
		struct schema_table_id *id = schema_find_id(builder, cell_oid(result, row, 0));
		int r = id && !id->attnums ? take_table_columns(builder, id, result, run) : 0;

		if (r < 0)
			return r;
		row = run.end;
	}
	return 0;
}

/* The third field of a run of rows as a list; what is no fit text is left out. */
static size_t take_list(struct schema_builder *builder, const PGresult *result, struct run run,
    int field, size_t bytes_max, const char ***ret_list)
{
	const char **list =
	    snapshot_alloc(builder->snapshot, (size_t)(run.end - run.first) * sizeof(*list));
	size_t count = 0;

	for (int row = run.first; row < run.end; row++) {
		struct bytes text = cell(result, row, field);

		if (text.data && text.size > 0 && text.size <= bytes_max && bytes_are_utf8(text))
			list[count++] = snapshot_string(builder->snapshot, text.data, text.size);
	}
	*ret_list = list;
	return count;
}

static int take_labels(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result);) {
		struct run run = run_at(result, row, 2);
		struct snapshot_column *column = column_of_row(builder, result, row);

		if (column)
			column->label_count =
			    take_list(builder, result, run, 2, SIZE_MAX, &column->labels);
		row = run.end;
	}
	return 0;
}

static void take_primary_key(struct schema_builder *builder, struct schema_table_id *id,
    const PGresult *result, struct run run)
{
	struct snapshot_table *table = schema_table_of(builder, id);
	size_t count = (size_t)(run.end - run.first);

	table->primary_key = snapshot_alloc(builder->snapshot, count * sizeof(*table->primary_key));
	for (int row = run.first; row < run.end; row++)
		if (find_column(builder, id, cell_int(result, row, 1),
		        &table->primary_key[table->primary_key_count]))
			table->primary_key_count++;
}

static int take_foreign_key(struct schema_builder *builder, struct schema_table_id *id,
    const PGresult *result, struct run run)
{
	struct snapshot_table *table = schema_table_of(builder, id);
	struct snapshot_foreign_key *key = &table->foreign_keys[table->foreign_key_count];
	size_t count = (size_t)(run.end - run.first);

	key->columns = snapshot_alloc(builder->snapshot, count * sizeof(*key->columns));
	key->ref_columns = snapshot_alloc(builder->snapshot, count * sizeof(*key->ref_columns));
	key->ref_schema = cell_string(builder, result, run.first, 4);
	key->ref_table = cell_string(builder, result, run.first, 5);
	for (size_t i = 0; i < count; i++) {
		int row = run.first + (int)i;

		key->ref_columns[i] = cell_string(builder, result, row, 6);
		if (!key->ref_columns[i] ||
		    !find_column(builder, id, cell_int(result, row, 1), &key->columns[i]))
			return -EBADMSG;
	}
	if (!key->ref_schema || !key->ref_table)
		return -EBADMSG;
	key->column_count = count;
	table->foreign_key_count++;
	return 0;
}

/* Rows of one table; those of one constraint share its oid in field 3. */
static int take_table_constraints(struct schema_builder *builder, struct schema_table_id *id,
    const PGresult *result, struct run all)
{
	struct snapshot_table *table = schema_table_of(builder, id);
	int r = 0;

	/* Never more keys than rows. */
	table->foreign_keys = snapshot_alloc(
	    builder->snapshot, (size_t)(all.end - all.first) * sizeof(*table->foreign_keys));
	for (int row = all.first; row < all.end && r == 0;) {
		struct run run = {row, row + 1};

		while (
		    run.end < all.end && cell_oid(result, run.end, 3) == cell_oid(result, row, 3))
			run.end++;
		if (*PQgetvalue(result, row, 2) == 'p')
			take_primary_key(builder, id, result, run);
		else
			r = take_foreign_key(builder, id, result, run);
		row = run.end;
	}
	return r;
}

static int take_constraints(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result);) {
		struct run run = run_at(result, row, 1);
		struct schema_table_id *id = schema_find_id(builder, cell_oid(result, row, 0));
		int r = id ? take_table_constraints(builder, id, result, run) : 0;

		if (r < 0)
			return r;
		row = run.end;
	}
	return 0;
}

static int take_unique(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct snapshot_column *column = column_of_row(builder, result, row);

		if (column)
			column->unique = true;
	}
	return 0;
}

void schema_builder_keep_private(struct schema_builder *builder, char *const *columns, size_t count)
{
	builder->private_columns = must_zalloc((count + 1) * sizeof(char *));
	builder->private_count = count;
	for (size_t i = 0; i < count; i++)
		builder->private_columns[i] = must_strdup(columns[i]);
}

/* Without a schema in front the table is meant in every schema: too much is kept private rather
 * than too little. */
static bool names_column(
    const char *name, const struct snapshot_table *table, const struct snapshot_column *column)
{
	CLEAN(buffer) struct buffer whole = BUFFER_INIT;

	buffer_printf(&whole, "%s.%s.%s", table->schema, table->name, column->name);
	return strcmp(name, buffer_string(&whole)) == 0 ||
	       strcmp(name, buffer_string(&whole) + strlen(table->schema) + 1) == 0;
}

static bool is_private(
    const struct schema_builder *builder, const struct snapshot_table *table, size_t column)
{
	for (size_t i = 0; i < builder->private_count; i++)
		if (names_column(builder->private_columns[i], table, &table->columns[column]))
			return true;
	return false;
}

static bool column_exists(const struct snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->table_count; i++)
		for (size_t k = 0; k < snapshot->tables[i].column_count; k++)
			if (names_column(
			        name, &snapshot->tables[i], &snapshot->tables[i].columns[k]))
				return true;
	return false;
}

const char *schema_builder_unknown_private(const struct schema_builder *builder, size_t *at)
{
	while (*at < builder->private_count) {
		const char *name = builder->private_columns[(*at)++];

		if (!column_exists(builder->snapshot, name))
			return name;
	}
	return NULL;
}

static int take_samples(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result);) {
		struct run run = run_at(result, row, 2);
		struct schema_table_id *id = schema_find_id(builder, cell_oid(result, row, 0));
		struct snapshot_column *column;
		size_t place;

		if (id && find_column(builder, id, cell_int(result, row, 1), &place) &&
		    !is_private(builder, schema_table_of(builder, id), place)) {
			column = &schema_table_of(builder, id)->columns[place];
			column->sample_count = take_list(
			    builder, result, run, 2, SCHEMA_SAMPLE_BYTES_MAX, &column->samples);
			id->many[place] = cell_bool(result, row, 3);
		}
		row = run.end;
	}
	return 0;
}

/* `skipped`: the field that says nothing of the structure; -1: none, -2: all of them. */
static const struct {
	int (*take)(struct schema_builder *builder, const PGresult *result);
	int fields;
	int skipped;
} takers[SCHEMA_QUERY_COUNT] = {
    [SCHEMA_FINGERPRINT] = {take_fingerprint, 1, -2},
    [SCHEMA_SCHEMAS] = {take_schemas, 1, -1},
    [SCHEMA_TABLES] = {take_tables, 9, 6},
    [SCHEMA_COLUMNS] = {take_columns, 7, -1},
    [SCHEMA_LABELS] = {take_labels, 3, -1},
    [SCHEMA_CONSTRAINTS] = {take_constraints, 7, -1},
    [SCHEMA_UNIQUE] = {take_unique, 2, -1},
    [SCHEMA_SAMPLES] = {take_samples, 4, -2},
    [SCHEMA_FUNCTIONS] = {schema_take_functions, 5, -1},
    [SCHEMA_OPERATORS] = {schema_take_operators, 5, -1},
    [SCHEMA_TYPES] = {schema_take_types, 5, -1},
    [SCHEMA_CAST_TYPES] = {schema_take_cast_types, 5, -1},
    [SCHEMA_CATALOG_CALLS] = {schema_take_catalog_calls, 1, -1},
    [SCHEMA_VIEWS] = {schema_take_views, 3, -1},
    [SCHEMA_USES] = {schema_take_uses, 7, -1},
};

static void hash_structure(
    struct schema_builder *builder, enum schema_query query, const PGresult *result)
{
	int skipped = takers[query].skipped;

	for (int row = 0; skipped != -2 && row < PQntuples(result); row++) {
		for (int field = 0; field < takers[query].fields; field++) {
			struct bytes text = cell(result, row, field);

			/* Of an estimate only whether there is one. */
			if (field == skipped)
				text.size = *PQgetvalue(result, row, field) == '-';
			XXH3_64bits_update(builder->structure, &text.size, sizeof(text.size));
			if (text.size > 0)
				XXH3_64bits_update(builder->structure, text.data, text.size);
		}
	}
}

int schema_builder_take(
    struct schema_builder *builder, enum schema_query query, const PGresult *result)
{
	if (PQnfields(result) != takers[query].fields)
		return -EBADMSG;
	hash_structure(builder, query, result);
	return takers[query].take(builder, result);
}

void schema_builder_init(struct schema_builder *builder, const char *database)
{
	*builder = (struct schema_builder){.snapshot = snapshot_new(database)};
	builder->structure = XXH3_createState();
	if (!builder->structure)
		abort();
	XXH3_64bits_reset(builder->structure);
}

void schema_builder_deinit(struct schema_builder *builder)
{
	for (size_t i = 0; i < builder->id_count; i++) {
		free(builder->ids[i].attnums);
		free(builder->ids[i].many);
	}
	for (size_t i = 0; i < builder->private_count; i++)
		free(builder->private_columns[i]);
	free(builder->private_columns);
	free(builder->ids);
	free(builder->id_of_table);
	XXH3_freeState(builder->structure);
	if (builder->snapshot)
		snapshot_free(builder->snapshot);
	*builder = (struct schema_builder){0};
}

uint64_t schema_builder_structure(const struct schema_builder *builder)
{
	return XXH3_64bits_digest(builder->structure);
}

/* Views and foreign tables are left alone: a look at them may take any time. */
static bool is_unsampled(
    const struct schema_builder *builder, const struct schema_table_id *id, size_t place)
{
	const struct snapshot_table *table = schema_table_of(builder, id);
	const struct snapshot_column *column = &table->columns[place];

	return table->readable && table->kind != TABLE_VIEW && table->kind != TABLE_FOREIGN &&
	       !table->foreign_parts && column->kind == COLUMN_TEXT && column->sample_count == 0 &&
	       !id->many[place] && !is_private(builder, table, place);
}

static const struct schema_table_id *id_of_table(const struct schema_builder *builder, size_t table)
{
	return &builder->ids[builder->id_of_table[table]];
}

bool schema_builder_unsampled(const struct schema_builder *builder, struct schema_place *place)
{
	struct schema_place next = {place->table, place->column + 1};

	if (place->table == SIZE_MAX)
		next = (struct schema_place){0, 0};
	for (; next.table < builder->snapshot->table_count; next.table++, next.column = 0) {
		const struct schema_table_id *id = id_of_table(builder, next.table);

		for (; next.column < schema_table_of(builder, id)->column_count; next.column++) {
			if (is_unsampled(builder, id, next.column)) {
				*place = next;
				return true;
			}
		}
	}
	return false;
}

void schema_builder_take_samples(
    struct schema_builder *builder, struct schema_place place, const PGresult *result)
{
	struct snapshot_column *column =
	    &builder->snapshot->tables[place.table].columns[place.column];
	struct run all = {0, PQntuples(result)};

	if (all.end > SCHEMA_SAMPLES_MAX || PQnfields(result) != 1)
		return;
	column->sample_count =
	    take_list(builder, result, all, 0, SCHEMA_SAMPLE_BYTES_MAX, &column->samples);
}

void schema_keep_estimates(struct snapshot *snapshot, const struct snapshot *before)
{
	for (size_t i = 0; i < snapshot->table_count; i++) {
		struct snapshot_table *table = &snapshot->tables[i];
		const struct snapshot_table *old =
		    snapshot_find_table(before, table->schema, table->name);

		if (old && old->row_estimate >= 0 &&
		    llabs(old->row_estimate - table->row_estimate) <= old->row_estimate / 10)
			table->row_estimate = old->row_estimate;
	}
}
