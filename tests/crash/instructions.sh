#!/bin/sh
# A writer killed behind an instruction, single-stepped: some hundred of them. For all of them:
#	tests/crash/crash_points --instructions 1
if grep -q "define OPTIMAX_SANITIZED" "${top_builddir:-.}/config.h"; then
	echo "skipped: thousands of forks take too long with a sanitizer"
	exit 77
fi
exec "${top_builddir:-.}/tests/crash/crash_points" --instructions 60
