/* optimaxctl teach: the statement that answers a question. */
#include <stdlib.h>
#include <string.h>

#include "client/ctl.h"

/* ---- --list ---- */

static void print_state(struct ctl_table *table, const msgpack_object *example)
{
	bool taught = strcmp(ctl_map_text(example, "source"), "taught") == 0;
	const char *state = ctl_map_text(example, "state");
	char text[1024];

	if (strcmp(state, "refused") == 0)
		snprintf(text, sizeof(text), "%s: %s",
		    taught ? "not allowed any more" : "not allowed",
		    ctl_map_text(example, "reason"));
	else
		snprintf(text, sizeof(text), "%s", state);
	ctl_table_cell(table, text);
}

static void people_list(const msgpack_object *map)
{
	static const char *const columns[] = {"database", "question", "sql", "source"};
	size_t count;
	const msgpack_object *examples = ctl_map_list(map, "examples", &count);
	struct ctl_table *table = ctl_table_new();

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		ctl_table_column(table, columns[i], CTL_LEFT);
	ctl_table_column(table, "state", CTL_LEFT);
	for (size_t i = 0; i < count; i++) {
		ctl_table_row(table);
		for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++)
			ctl_table_value(table, optimax_get(&examples[i], columns[k]));
		print_state(table, &examples[i]);
	}
	if (count > 0)
		ctl_table_print_rows(table);
	else
		printf("nothing was taught, and no examples are configured\n");
	ctl_table_free(table);
}

/* One a line. */
static void lines_list(const msgpack_object *map)
{
	size_t count;
	const msgpack_object *examples = ctl_map_list(map, "examples", &count);

	for (size_t i = 0; i < count; i++) {
		ctl_json_value(stdout, &examples[i]);
		putchar('\n');
	}
}

static int list(struct ctl *ctl)
{
	const struct ctl_pair pairs[] = {{"database", ctl->database}};
	struct optimax_reply *reply;
	msgpack_sbuffer params;
	int status = ctl_connect_control(ctl);

	if (status != CTL_OK)
		return status;
	msgpack_sbuffer_init(&params);
	ctl_pack_pairs(&params, pairs, 1, 0);
	status = ctl_request(ctl, "examples", &params, NULL, NULL, &reply);
	msgpack_sbuffer_destroy(&params);
	if (status != CTL_OK)
		return status;
	if (ctl_format(ctl) == CTL_JSON)
		lines_list(optimax_reply_value(reply));
	else
		ctl_show(ctl, reply, people_list);
	optimax_reply_free(reply);
	return CTL_OK;
}

/* ---- teaching ---- */

static void people_teach(const msgpack_object *map)
{
	char count[CTL_NUMBER];
	int64_t taught = ctl_map_integer(map, "taught");

	printf("done; %s taught %s kept of this database\n", ctl_count(count, taught),
	    taught == 1 ? "answer is" : "answers are");
}

static int teach(struct ctl *ctl, const char *question, const char *sql)
{
	const struct ctl_pair pairs[] = {
	    {"question", question}, {"sql", sql}, {"database", ctl->database}};

	return ctl_simple(ctl, ctl_connect_control, "teach", pairs, 3, people_teach, NULL);
}

static int teach_statement(struct ctl *ctl, const char *question)
{
	char *sql;
	int status;

	/* As elsewhere a sole - stands for standard input. */
	ctl->words++;
	ctl->word_count--;
	status = ctl_text(ctl, &sql);
	ctl->words--;
	ctl->word_count++;
	if (status != CTL_OK)
		return status;
	status = teach(ctl, question, sql);
	free(sql);
	return status;
}

int ctl_run_teach(struct ctl *ctl)
{
	if (ctl->list && ctl->forget)
		return ctl_usage(ctl, "--list and --forget do not go together");
	if (ctl->list)
		return ctl->word_count == 0 ? list(ctl)
		                            : ctl_usage(ctl, "teach --list takes no question");
	if (ctl->forget)
		return ctl->word_count == 1 ? teach(ctl, ctl->words[0], NULL)
		                            : ctl_usage(ctl, "teach --forget takes one question");
	if (ctl->word_count != 2)
		return ctl_usage(
		    ctl, "teach takes a question and a statement, each in quotes: QUESTION SQL");
	return teach_statement(ctl, ctl->words[0]);
}
