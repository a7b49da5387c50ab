/*
 * A file of records in state_dir, one a line, which the supervisor alone reads and writes. Owns
 * the file's form, that a power cut leaves the old one or the new one, and that a damaged one is
 * kept aside. What a record says is its kind's (corrections.h, taught.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "common/error.h"

struct state_record {
	char *database; /* NULL: all */
	char *key; /* one record for each, in each database */
	char *value;
};

struct state_records {
	size_t count;
	struct state_record *items; /* in the order in which they were put */
};

struct state_kind {
	const char *name; /* of the file */
	const char *first_line; /* of the file: what it is, and the form's version */
	const char *record; /* what one is called */
	bool escapes; /* the value and the key may have tabs and line ends */
	/* Why a record, which is not among the others yet, can't be one; NULL: it can. */
	const char *(*fault)(const struct state_records *others, const struct state_record *record);
};

/* Reads what was kept before. What is no record is left out and logged, and the file as it was is
 * kept aside. */
void state_records_load(
    struct state_records *records, const struct state_kind *kind, const char *state_dir);
/* In the place of the one with this key; value absent: removes that. The file is on the disk when
 * this returns; 0, or an error and all is as it was. */
int state_records_put(struct state_records *records, const struct state_kind *kind,
    const char *state_dir, struct bytes database, struct bytes key, struct bytes value,
    struct error *ret_error);
void state_records_deinit(struct state_records *records);
