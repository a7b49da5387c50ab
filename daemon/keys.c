#include "daemon/keys.h"

#include "daemon/databases.h"
#include "text/snapshot.h"

/* Answers are the same for everybody who may open the socket. */
static const struct bytes partition_everybody = {"", 0};

static void part(struct buffer *key, struct bytes bytes)
{
	uint32_t size = (uint32_t)bytes.size;

	buffer_append(key, &size, sizeof(size));
	buffer_append_bytes(key, bytes);
}

static void part_number(struct buffer *key, int64_t number)
{
	part(key, bytes_of(&number, sizeof(number)));
}

static void part_database(struct buffer *key, const struct database *database)
{
	bool known = database && database->snapshot;

	part(key, database ? bytes_of_string(database->name) : bytes_of_string(""));
	part(key, bytes_of_string(known ? database->snapshot->version : ""));
	part(key, bytes_of_string(database ? database->policy : ""));
}

void keys_question(const struct question_key *parts, struct buffer *ret_key)
{
	buffer_reset(ret_key);
	part_database(ret_key, parts->database);
	part(ret_key, partition_everybody);
	part(ret_key, parts->providers);
	part_number(ret_key, parts->examples);
	part(ret_key, parts->route);
	part(ret_key, parts->question);
	part(ret_key, parts->history);
}

void keys_result(
    const struct database *database, struct bytes sql, int64_t limit, struct buffer *ret_key)
{
	buffer_reset(ret_key);
	part_database(ret_key, database);
	part(ret_key, partition_everybody);
	part_number(ret_key, limit);
	part_number(ret_key, database->limit_bytes);
	part(ret_key, sql);
}
