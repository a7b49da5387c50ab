/*
 * `optimax-router --check-patterns`: reads patterns, each with its NUL, from a descriptor until
 * its end, and writes for each what is wrong with it, or nothing, with a NUL.
 */
#pragma once

/* The exit status for main. */
int classify_check_patterns(int fd);
