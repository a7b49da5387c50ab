/*
 * The limits of what a peer may send or make us keep, each said once.
 * Those that an administrator sets are in common/config_keys.def instead.
 */
#pragma once

enum {
	LIMIT_CLIENT_MESSAGE_BYTES = 64 * 1024,
	LIMIT_QUESTION_BYTES = 32 * 1024,
	LIMIT_SQL_BYTES = 8 * 1024,
	LIMIT_WATCHDOG_MS = 30000, /* a child that says nothing for so long; WATCHDOG_USEC wins */
	LIMIT_NESTING = 8,
	LIMIT_CORRECTION_BYTES = 1024, /* of a text whose route was learnt */
	LIMIT_CORRECTIONS = 4096,
	LIMIT_EXAMPLE_QUESTION_BYTES = 2048,
	LIMIT_EXAMPLES = 1000, /* of one database: in its file, and as many that were taught */
	LIMIT_TAUGHT_BYTES = 1 << 20, /* of one database */
	LIMIT_NAME_BYTES = 63, /* PostgreSQL's NAMEDATALEN - 1 */
	LIMIT_SIBLING_MESSAGE_BYTES = 80 << 20, /* a reply of limits.bytes and its envelope */
	LIMIT_CONTROL_MESSAGE_BYTES = 1 << 20,
	LIMIT_DRAIN_BYTES = 4 << 20, /* read and dropped of a message that is too large */
	LIMIT_CLIENT_OUTPUT_BYTES = 4 << 20, /* waiting behind the reply that is being written */
	LIMIT_CLIENT_REQUESTS = 1024, /* in flight on one connection */
	LIMIT_REQUESTS = 65536, /* in flight in all */
	LIMIT_FLIGHT_TEXT_BYTES = 64 << 20, /* kept for those who join a streamed text */
	LIMIT_MESSAGE_TIME_MS = 10 * 1000, /* from a message's first byte to its last */
	LIMIT_IDLE_MS = 300 * 1000,
	LIMIT_WRITE_STALL_MS = 30 * 1000,
	LIMIT_TIMEOUT_MS = 600 * 1000,
	DEFAULT_TIMEOUT_MS = 60 * 1000,
	LIMIT_DRAIN_STOP_MS = 20 * 1000, /* SIGTERM: requests in flight may take this long */
};
