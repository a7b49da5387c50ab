#include "worker/own_database.h"

const struct child_database *own_database(const struct child_config *config)
{
	for (size_t i = 0; i < config->database_count; i++)
		if (config->databases[i].dsn)
			return &config->databases[i];
	return NULL;
}

void own_database_session(const struct child_database *database, struct buffer *ret_facts)
{
	buffer_printf(ret_facts, "%s\n%s\n%lld\n%d", database->name, database->dsn,
	    (long long)database->limit_time_ms, database->trust_role);
	for (size_t i = 0; i < database->schema_count; i++)
		buffer_printf(ret_facts, "\n%s", database->schemas[i]);
}
