#!/bin/sh
# A writer killed behind an instruction, single-stepped: some hundred of them. For all of them:
#	tests/crash/crash_points --instructions 1
exec "${top_builddir:-.}/tests/crash/crash_points" --instructions 60
