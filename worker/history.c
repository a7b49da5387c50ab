#include "worker/history.h"

#include "common/msgpack_scan.h"

struct history_walk history_begin(struct bytes history)
{
	struct history_walk walk = {.rest = history};
	struct msgpack_element element;

	if (history.data && msgpack_read_element(&walk.rest, &element, NULL) &&
	    element.kind == MSGPACK_ARRAY)
		walk.left = element.count;
	return walk;
}

bool history_next(struct history_walk *walk, struct said *ret_said)
{
	struct msgpack_element element;
	struct bytes key, value;
	struct said said = {0};

	if (walk->left == 0 || !msgpack_read_element(&walk->rest, &element, NULL) ||
	    element.kind != MSGPACK_MAP)
		return false;
	for (uint32_t pairs = element.count; pairs > 0; pairs--) {
		if (!msgpack_read_element(&walk->rest, &element, &key) ||
		    !msgpack_read_element(&walk->rest, &element, &value) ||
		    element.kind != MSGPACK_STR)
			return false;
		if (bytes_equal_string(key, "role"))
			said.by_assistant = bytes_equal_string(value, "assistant");
		else if (bytes_equal_string(key, "content"))
			said.content = value;
	}
	walk->left--;
	*ret_said = said;
	return said.content.data != NULL;
}
