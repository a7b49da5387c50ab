#!/bin/sh
# The fuzz targets of shm/ on their saved inputs.
set -e
for target in shm_attach shm_operations; do
	echo "$target: $("${top_builddir:-.}/tests/fuzz/$target" "${top_srcdir:-.}/tests/fuzz/saved/$target")"
done
