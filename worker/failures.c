#include "worker/failures.h"

void failures_deinit(struct failures *failures)
{
	buffer_deinit(&failures->reasons);
}

void failures_add(struct failures *failures, const char *provider, const struct error *error)
{
	bool is_sooner =
	    failures->retry_after_ms == 0 ||
	    (error->retry_after_ms > 0 && error->retry_after_ms < failures->retry_after_ms);

	failures->all_overloaded =
	    (failures->count == 0 || failures->all_overloaded) && error->code == ERROR_OVERLOADED;
	failures->count++;
	if (is_sooner)
		failures->retry_after_ms = error->retry_after_ms;
	buffer_printf(&failures->reasons, "%s: %s", provider, error->message);
	buffer_append(&failures->reasons, "", 1);
}

/* Each has an equal part of the room, so that the last one is named, too. */
static void write_reasons(const struct failures *failures, size_t room, struct buffer *ret_text)
{
	static const size_t between = sizeof("; ") - 1;
	const char *next = failures->reasons.data;

	for (size_t left = failures->count; left > 0; left--) {
		struct bytes reason = bytes_of_string(next);
		struct bytes shown = bytes_cut(reason, room / left - between);

		buffer_append_string(ret_text, ret_text->size > 0 ? "; " : "");
		buffer_append_bytes(ret_text, shown);
		room -= shown.size + between;
		next += reason.size + 1;
	}
}

void failures_tell(const struct failures *failures, struct error *ret_error)
{
	CLEAN(buffer) struct buffer reasons = BUFFER_INIT;

	/* Only where all of them have too much to do it is no failure. */
	error_set(ret_error, failures->all_overloaded ? ERROR_OVERLOADED : ERROR_MODEL_ERROR,
	    "no provider could be asked successfully");
	ret_error->retry_after_ms = failures->retry_after_ms;
	write_reasons(failures, sizeof(ret_error->detail) - 1, &reasons);
	error_set_detail(ret_error, "%s", buffer_string(&reasons));
}
