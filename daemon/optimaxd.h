/* The exit statuses of optimaxd that scripts rely on. */
#pragma once

enum {
	OPTIMAXD_EXIT_OK = 0,
	OPTIMAXD_EXIT_FAILED = 1, /* configuration or start */
	OPTIMAXD_EXIT_USAGE = 2,
	OPTIMAXD_EXIT_HELD = 3, /* another optimaxd holds the instance */
};
