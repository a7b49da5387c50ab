/* The tables that messages.def expands to. */
#include <stddef.h>

#include "common/message.h"

#define REQUIRED true
#define OPTIONAL false

/* OF is a typedef in the scope of each function below: the struct that the rows describe. */
#define FIELD(type, name, presence, min, max, help) \
	{FIELD_##type, #name, presence, min, max, offsetof(OF, name), help},
#define ROWS(function, structure, LIST)                                            \
	static const struct field_row *function(void)                              \
	{                                                                          \
		typedef struct structure OF;                                       \
		static const struct field_row rows[] = {                           \
		    LIST(FIELD){FIELD_TEXT, NULL, false, 0, 0, sizeof(OF), NULL}}; \
		return rows;                                                       \
	}

#define MESSAGE(ID, name, method, kind, from, to, help) \
	ROWS(name##_fields, name##_params, name##_FIELDS)
#include "common/messages.def"
#undef MESSAGE

#define RESULT(name) ROWS(name##_result_fields, name##_result, name##_RESULT_FIELDS)
#include "common/results.def"
#undef RESULT

const struct message_row message_rows[MESSAGE_ID_COUNT] = {
#define MESSAGE(ID, name, method, kind, from, to, help)                          \
	[MESSAGE_ID_##ID] = {method, MESSAGE_##kind, END_##from, END_##to, help, \
	    sizeof(struct name##_params), name##_fields},
#include "common/messages.def"
#undef MESSAGE
};

#define RESULT(name)                                                                               \
	const struct message_row name##_result_row = {#name, MESSAGE_RECORD, END_ANY, END_ANY, "", \
	    sizeof(struct name##_result), name##_result_fields};
#include "common/results.def"
#undef RESULT
