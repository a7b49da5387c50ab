/* optimaxctl prompt: what a model would be sent. */
#include <stdlib.h>
#include <string.h>

#include "client/ctl.h"

/* Line breaks are the prompt's own; other control characters are made visible. */
static void print_content(const msgpack_object *content)
{
	const char *text =
	    content && content->type == MSGPACK_OBJECT_STR ? content->via.str.ptr : "";

	while (*text) {
		size_t size = strcspn(text, "\n");
		char *line = strndup(text, size);

		if (!line)
			abort();
		ctl_print_text(stdout, line);
		free(line);
		printf("\n");
		text += size + (text[size] == '\n');
	}
}

static void people_prompt(const msgpack_object *map)
{
	size_t count;
	const msgpack_object *messages = ctl_map_list(map, "messages", &count);
	const char *provider = ctl_map_text(map, "provider");
	char size[CTL_NUMBER];

	for (size_t i = 0; i < count; i++) {
		printf("[");
		ctl_print_text(stdout, ctl_map_text(&messages[i], "role"));
		printf("]\n");
		print_content(optimax_get(&messages[i], "content"));
		printf("\n");
	}
	printf("%s%s%s\n", ctl_size(size, ctl_map_integer(map, "bytes")),
	    *provider ? ", for " : "; no model is configured", provider);
}

static int pack_params(struct ctl *ctl, const char *question, msgpack_sbuffer *params)
{
	const struct ctl_pair pairs[] = {
	    {"question", question}, {"database", ctl->database}, {"job", ctl->job}};
	msgpack_packer packer;

	ctl_pack_pairs(params, pairs, sizeof(pairs) / sizeof(pairs[0]), ctl->history ? 1 : 0);
	msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
	return ctl_pack_history(ctl, &packer);
}

int ctl_run_prompt(struct ctl *ctl)
{
	struct optimax_reply *reply;
	msgpack_sbuffer params;
	char *text;
	int status = ctl_text(ctl, &text);

	if (status != CTL_OK)
		return status;
	msgpack_sbuffer_init(&params);
	status = pack_params(ctl, text, &params);
	free(text);
	if (status == CTL_OK)
		status = ctl_connect(ctl);
	if (status == CTL_OK)
		status = ctl_request(ctl, "prompt", &params, NULL, NULL, &reply);
	msgpack_sbuffer_destroy(&params);
	if (status != CTL_OK)
		return status;
	status = ctl_show(ctl, reply, people_prompt);
	optimax_reply_free(reply);
	return status;
}
