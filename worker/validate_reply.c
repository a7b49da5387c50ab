#include "worker/validate_reply.h"

#include "common/pack.h"

static void pack_relation(struct buffer *out, const struct verdict_relation *relation)
{
	CLEAN(buffer) struct buffer name = BUFFER_INIT;

	buffer_append_string(&name, relation->schema);
	buffer_append_string(&name, ".");
	buffer_append_string(&name, relation->table);
	pack_text(out, bytes_of_buffer(&name));
}

void validate_reply_encode(const struct verdict *verdict, struct buffer *ret_encoded)
{
	bool allowed = verdict->code == CHECK_ALLOW;
	size_t named = 0;

	pack_map(ret_encoded, allowed ? 2 : 4);
	pack_pair_string(ret_encoded, "verdict", allowed ? "allow" : "reject");
	if (!allowed) {
		pack_pair_string(ret_encoded, "code", check_code_name(verdict->code));
		pack_pair_string(ret_encoded, "reason", verdict->reason);
	}
	for (size_t i = 0; i < verdict->relation_count; i++)
		named += !verdict->relations[i].under;
	pack_string(ret_encoded, "tables");
	pack_array(ret_encoded, named);
	for (size_t i = 0; i < verdict->relation_count; i++)
		if (!verdict->relations[i].under)
			pack_relation(ret_encoded, &verdict->relations[i]);
}
