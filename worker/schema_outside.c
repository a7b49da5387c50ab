/* What stands outside pg_catalog, and what views and the types of columns are made of. */
#include <errno.h>

#include "worker/schema_take.h"

/* schema, name, extension, shadows, pure; from `field` on. */
static int take_object(struct schema_builder *builder, const PGresult *result, int row, int field,
    struct snapshot_object *ret_object)
{
	struct snapshot_object object = {
	    .schema = cell_string(builder, result, row, field),
	    .name = cell_string(builder, result, row, field + 1),
	    .extension = cell_string(builder, result, row, field + 2),
	    .shadows = cell_bool(result, row, field + 3),
	    .pure = cell_bool(result, row, field + 4),
	};

	if (!object.schema || !object.name)
		return -EBADMSG;
	*ret_object = object;
	return 0;
}

static int take_objects(
    struct schema_builder *builder, const PGresult *result, struct snapshot_objects *ret_objects)
{
	size_t count = (size_t)PQntuples(result);
	struct snapshot_object *items = snapshot_alloc(builder->snapshot, count * sizeof(*items));

	for (size_t i = 0; i < count; i++)
		if (take_object(builder, result, (int)i, 0, &items[i]) < 0)
			return -EBADMSG;
	*ret_objects = (struct snapshot_objects){count, items};
	return 0;
}

int schema_take_functions(struct schema_builder *builder, const PGresult *result)
{
	return take_objects(builder, result, &builder->snapshot->functions);
}

int schema_take_operators(struct schema_builder *builder, const PGresult *result)
{
	return take_objects(builder, result, &builder->snapshot->operators);
}

int schema_take_types(struct schema_builder *builder, const PGresult *result)
{
	return take_objects(builder, result, &builder->snapshot->types);
}

int schema_take_cast_types(struct schema_builder *builder, const PGresult *result)
{
	return take_objects(builder, result, &builder->snapshot->cast_types);
}

int schema_take_catalog_calls(struct schema_builder *builder, const PGresult *result)
{
	return schema_take_names(builder, result, &builder->snapshot->catalog_calls,
	    &builder->snapshot->catalog_call_count);
}

int schema_take_views(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct schema_table_id *id = schema_find_id(builder, cell_oid(result, row, 0));

		if (!id)
			continue;
		schema_table_of(builder, id)->definition = cell_string(builder, result, row, 1);
		schema_table_of(builder, id)->invoker = cell_bool(result, row, 2);
	}
	return 0;
}

static struct snapshot_objects *uses_of(struct snapshot_table *table, char kind)
{
	switch (kind) {
	case 'f':
		return &table->functions;
	case 'o':
		return &table->operators;
	default:
		return &table->reads;
	}
}

static int take_uses(struct schema_builder *builder, const PGresult *result, struct run run,
    struct snapshot_objects *uses)
{
	size_t count = (size_t)(run.end - run.first);

	uses->items = snapshot_alloc(builder->snapshot, count * sizeof(*uses->items));
	for (uses->count = 0; uses->count < count; uses->count++)
		if (take_object(builder, result, run.first + (int)uses->count, 2,
		        &uses->items[uses->count]) < 0)
			return -EBADMSG;
	return 0;
}

/* Rows of one table and one kind stand together. */
int schema_take_uses(struct schema_builder *builder, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result);) {
		struct run run = run_at(result, row, 2);
		struct schema_table_id *id = schema_find_id(builder, cell_oid(result, row, 0));
		struct snapshot_table *table = id ? schema_table_of(builder, id) : NULL;
		char kind = *PQgetvalue(result, row, 1);

		if (table && take_uses(builder, result, run, uses_of(table, kind)) < 0)
			return -EBADMSG;
		row = run.end;
	}
	return 0;
}
