#include "common/role.h"

const struct role_row role_rows[ROLE_COUNT] = {
#define ROLE(id, name, program, work_channel, uses_cache, per_database) \
	[ROLE_##id] = {name, program, work_channel, uses_cache, per_database},
#include "common/roles.def"
#undef ROLE
};
