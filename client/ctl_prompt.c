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
	const size_t count = sizeof(pairs) / sizeof(pairs[0]);
	size_t present = ctl->history ? 1 : 0;
	msgpack_packer packer;

	for (size_t i = 0; i < count; i++)
		present += pairs[i].value != NULL;
	msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
	msgpack_pack_map(&packer, present);
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].value)
			continue;
		msgpack_pack_str_with_body(&packer, pairs[i].key, strlen(pairs[i].key));
		msgpack_pack_str_with_body(&packer, pairs[i].value, strlen(pairs[i].value));
	}
	if (!ctl->history)
		return CTL_OK;
	msgpack_pack_str_with_body(&packer, "history", strlen("history"));
	return ctl_history(ctl, &packer);
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
