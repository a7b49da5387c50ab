/*
 * Asks one question with liboptimax and prints the rows.
 *   cc client.c $(pkg-config --cflags --libs optimax) && ./a.out "how many orders are there?"
 */
#include <optimax.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct optimax *client = optimax_new();
	struct optimax_reply *reply = NULL;
	const char *question = argc > 1 ? argv[1] : "how many orders are there?";

	if (optimax_connect(client, NULL) || optimax_ask(client, question, NULL, &reply)) {
		fprintf(stderr, "%s: %s\n", optimax_error(client)->name,
		    optimax_error(client)->message);
		optimax_free(client);
		return 1;
	}
	for (size_t row = 0; row < optimax_rows(reply); row++) {
		for (size_t column = 0; column < optimax_columns(reply); column++) {
			const char *text = optimax_cell_text(reply, row, column);
			printf("%s%s", column ? "\t" : "", text ? text : "NULL");
		}
		printf("\n");
	}
	if (optimax_text(reply, "text"))
		printf("%s\n", optimax_text(reply, "text"));
	optimax_reply_free(reply);
	optimax_free(client);
	return 0;
}
