/* The reasons of a reply or an error, as a table. */
#include "client/ctl.h"

void ctl_print_reasons(const msgpack_object *map)
{
	size_t count;
	const msgpack_object *reasons = ctl_map_list(map, "reasons", &count);
	struct ctl_table *table;

	if (count == 0)
		return;
	table = ctl_table_new();
	ctl_table_column(table, "signal", CTL_LEFT);
	ctl_table_column(table, "text", CTL_LEFT);
	ctl_table_column(table, "weight", CTL_RIGHT);
	for (size_t i = 0; i < count; i++) {
		const msgpack_object *weight = optimax_get(&reasons[i], "weight");
		ctl_table_row(table);
		ctl_table_value(table, optimax_get(&reasons[i], "signal"));
		ctl_table_value(table, optimax_get(&reasons[i], "text"));
		ctl_table_value(table, weight);
	}
	ctl_table_print(table);
	ctl_table_free(table);
}
