/* ask and sql: their parameters, and a reply whose rows come at once or in pieces. */
#include "client/ctl.h"

#include <stdlib.h>
#include <string.h>

/* What was shown of a reply so far. */
struct output {
	struct ctl *ctl;
	struct ctl_table *table;
	size_t columns;
	bool text_begun;
};

/* ---- pieces ---- */

static bool output_is_number(const char *type)
{
	static const char *const numbers[] = {
	    "smallint", "integer", "bigint", "numeric", "real", "double precision", "oid", "money"};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t length = strlen(numbers[i]);
		if (strncmp(type, numbers[i], length) == 0 &&
		    (!type[length] || type[length] == '('))
			return true;
	}
	return false;
}

static void output_columns(struct output *output, const msgpack_object *map)
{
	size_t count;
	const msgpack_object *columns = ctl_map_list(map, "columns", &count);

	if (count == 0 || output->columns > 0)
		return;
	output->columns = count;
	if (ctl_format(output->ctl) == CTL_PEOPLE)
		output->table = ctl_table_new();
	for (size_t i = 0; i < count; i++) {
		const char *name = ctl_map_text(&columns[i], "name");
		if (output->table) {
			ctl_table_column(output->table, name,
			    output_is_number(ctl_map_text(&columns[i], "type")) ? CTL_RIGHT
			                                                        : CTL_LEFT);
			continue;
		}
		if (i > 0)
			putchar(',');
		ctl_csv_text(stdout, name);
	}
	if (!output->table)
		fputs("\r\n", stdout);
}

static void output_row(struct output *output, const msgpack_object *row)
{
	const msgpack_object *cells = row->type == MSGPACK_OBJECT_ARRAY ? row->via.array.ptr : NULL;
	size_t count = cells ? row->via.array.size : 0;

	if (output->table)
		ctl_table_row(output->table);
	for (size_t i = 0; i < output->columns; i++) {
		const msgpack_object *cell = i < count ? &cells[i] : NULL;
		if (output->table) {
			ctl_table_value(output->table, cell);
			continue;
		}
		if (i > 0)
			putchar(',');
		ctl_csv_cell(stdout, cell);
	}
	if (!output->table)
		fputs("\r\n", stdout);
}

static void output_text(struct output *output, const char *text)
{
	if (!*text)
		return;
	output->text_begun = true;
	ctl_print_text(stdout, text);
	fflush(stdout);
}

/* A map with columns, rows or both. */
static void output_piece(struct output *output, const msgpack_object *map)
{
	size_t count;
	const msgpack_object *rows;

	output_columns(output, map);
	rows = ctl_map_list(map, "rows", &count);
	for (size_t i = 0; i < count; i++)
		output_row(output, &rows[i]);
}

static void output_delta(void *owner, const msgpack_object *piece)
{
	struct output *output = owner;

	if (ctl_format(output->ctl) == CTL_JSON) {
		ctl_json_value(stdout, piece);
		putchar('\n');
		fflush(stdout);
		return;
	}
	output_piece(output, piece);
	if (ctl_format(output->ctl) == CTL_PEOPLE)
		output_text(output, ctl_map_text(piece, "text"));
	else
		fflush(stdout);
}

/* ---- after the answer ---- */

static void summary_way(const msgpack_object *map)
{
	char age[CTL_NUMBER];
	const char *provider = ctl_map_text(map, "provider");

	printf("via: ");
	ctl_print_text(stdout, ctl_map_text(map, "via"));
	if (optimax_get(map, "age_ms"))
		printf(", %s old", ctl_seconds(age, ctl_map_integer(map, "age_ms") / 1000));
	if (optimax_get(map, "confidence"))
		printf(", confidence %.2f", ctl_map_number(map, "confidence"));
	if (*ctl_map_text(map, "database")) {
		printf(", database ");
		ctl_print_text(stdout, ctl_map_text(map, "database"));
	}
	if (*provider) {
		printf(", provider ");
		ctl_print_text(stdout, provider);
	}
	printf("\n");
}

static void summary_sql(const char *sql)
{
	if (!*sql)
		return;
	printf("SQL: ");
	ctl_print_text(stdout, sql);
	printf("%s", sql[strlen(sql) - 1] == '\n' ? "" : "\n");
}

/* The whole time and, where asked for, what it went into. */
static void summary_time(const struct ctl *ctl, const msgpack_object *map)
{
	static const char *const parts[] = {"lookup", "route", "generate", "validate", "execute"};
	const msgpack_object *timing = optimax_get(map, "timing_us");
	char rows[CTL_NUMBER], time[CTL_NUMBER];
	bool some = false;

	if (optimax_get(map, "row_count")) {
		int64_t count = ctl_map_integer(map, "row_count");
		printf("%s %s in ", ctl_count(rows, count), count == 1 ? "row" : "rows");
	} else {
		printf("answered in ");
	}
	printf("%s", ctl_micros(time, ctl_map_integer(timing, "total")));
	for (size_t i = 0; ctl->explain && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!optimax_get(timing, parts[i]))
			continue;
		printf("%s%s %s", some ? ", " : " (", parts[i],
		    ctl_micros(time, ctl_map_integer(timing, parts[i])));
		some = true;
	}
	printf("%s\n", some ? ")" : "");
}

static void summary_truncated(const struct ctl *ctl, const msgpack_object *map)
{
	char rows[CTL_NUMBER];
	int64_t count = ctl_map_integer(map, "row_count");

	if (!ctl_map_integer(map, "truncated"))
		return;
	ctl_count(rows, count);
	if (ctl->limit != CTL_ABSENT && count == ctl->limit)
		printf("only the first %s %s; there are more\n", rows, count == 1 ? "row" : "rows");
	else
		printf("only the first %s %s; there are more, but the database's limits end here\n",
		    rows, count == 1 ? "row" : "rows");
}

static void output_people(struct output *output, const msgpack_object *map)
{
	/* A streamed text was printed as it came; the response has the whole once more. */
	if (!output->text_begun)
		output_text(output, ctl_map_text(map, "text"));
	if (output->text_begun)
		printf("\n\n");
	if (output->table && ctl_map_integer(map, "row_count") > 0) {
		ctl_table_print_rows(output->table);
		printf("\n");
	} else if (output->table) {
		printf("no rows\n\n");
	}
	summary_sql(ctl_map_text(map, "sql"));
	summary_way(map);
	summary_time(output->ctl, map);
	summary_truncated(output->ctl, map);
	if (output->ctl->explain) {
		printf("\n");
		ctl_print_reasons(map);
	}
}

static void output_finish(struct output *output, const msgpack_object *map)
{
	switch (ctl_format(output->ctl)) {
	case CTL_JSON:
		ctl_json_value(stdout, map);
		putchar('\n');
		break;
	case CTL_CSV:
		output_piece(output, map);
		if (output->columns == 0 && optimax_get(map, "text")) {
			fputs("text\r\n", stdout);
			ctl_csv_cell(stdout, optimax_get(map, "text"));
			fputs("\r\n", stdout);
		}
		if (ctl_map_integer(map, "truncated"))
			fprintf(stderr, "optimaxctl: only the first %lld rows; there are more\n",
			    (long long)ctl_map_integer(map, "row_count"));
		break;
	case CTL_PEOPLE:
		output_piece(output, map);
		output_people(output, map);
		break;
	}
}

/* ---- parameters ---- */

struct parameter {
	const char *key;
	enum { PARAMETER_TEXT, PARAMETER_INTEGER, PARAMETER_FLAG } kind;
	const char *text;
	int64_t integer;
};

static bool parameter_present(const struct parameter *parameter)
{
	switch (parameter->kind) {
	case PARAMETER_TEXT:
		return parameter->text;
	case PARAMETER_INTEGER:
		return parameter->integer != CTL_ABSENT;
	case PARAMETER_FLAG:
		return parameter->integer;
	}
	return false;
}

static int ask_pack(struct ctl *ctl, const char *key, const char *text, msgpack_sbuffer *buffer)
{
	const struct parameter parameters[] = {
	    {key, PARAMETER_TEXT, text, 0},
	    {"database", PARAMETER_TEXT, ctl->database, 0},
	    {"route", PARAMETER_TEXT, ctl->route, 0},
	    {"limit", PARAMETER_INTEGER, NULL, ctl->limit},
	    {"max_age_ms", PARAMETER_INTEGER, NULL, ctl->max_age_ms},
	    {"timeout_ms", PARAMETER_INTEGER, NULL, ctl->timeout_ms},
	    {"no_cache", PARAMETER_FLAG, NULL, ctl->no_cache},
	    {"stream", PARAMETER_FLAG, NULL, ctl->stream},
	    {"explain", PARAMETER_FLAG, NULL, ctl->explain},
	};
	const size_t count = sizeof(parameters) / sizeof(parameters[0]);
	msgpack_packer packer;
	size_t present = ctl->history ? 1 : 0;

	for (size_t i = 0; i < count; i++)
		present += parameter_present(&parameters[i]);
	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	msgpack_pack_map(&packer, present);
	for (size_t i = 0; i < count; i++) {
		const struct parameter *parameter = &parameters[i];
		if (!parameter_present(parameter))
			continue;
		msgpack_pack_str_with_body(&packer, parameter->key, strlen(parameter->key));
		if (parameter->kind == PARAMETER_TEXT)
			msgpack_pack_str_with_body(
			    &packer, parameter->text, strlen(parameter->text));
		else if (parameter->kind == PARAMETER_INTEGER)
			msgpack_pack_int64(&packer, parameter->integer);
		else
			msgpack_pack_true(&packer);
	}
	return ctl_pack_history(ctl, &packer);
}

static int ask_run(struct ctl *ctl, const char *method, const char *key)
{
	struct output output = {.ctl = ctl};
	struct optimax_reply *reply;
	msgpack_sbuffer params;
	char *text;
	int status = ctl_text(ctl, &text);

	if (status != CTL_OK)
		return status;
	msgpack_sbuffer_init(&params);
	status = ask_pack(ctl, key, text, &params);
	free(text);
	if (status == CTL_OK)
		status = ctl_connect(ctl);
	if (status == CTL_OK)
		status = ctl_request(ctl, method, &params, output_delta, &output, &reply);
	msgpack_sbuffer_destroy(&params);
	if (status == CTL_OK) {
		output_finish(&output, optimax_reply_value(reply));
		optimax_reply_free(reply);
	} else if (output.text_begun) {
		printf("\n");
	}
	ctl_table_free(output.table);
	return status;
}

int ctl_run_ask(struct ctl *ctl)
{
	return ask_run(ctl, "ask", "question");
}

int ctl_run_sql(struct ctl *ctl)
{
	return ask_run(ctl, "sql", "sql");
}
