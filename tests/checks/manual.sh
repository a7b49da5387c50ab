#!/bin/sh
# The manual pages against the tables; Debian's python3 or none (77: skipped).
[ -x /usr/bin/python3 ] || { echo "no /usr/bin/python3"; exit 77; }
exec /usr/bin/python3 "${top_srcdir:-.}/tests/checks/manual_matches_tables.py"
