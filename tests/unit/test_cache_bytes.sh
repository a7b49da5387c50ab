#!/bin/sh
# A cache that has been full for long, on the mix of sizes: headers, rounding and fragmentation.
exec "${top_builddir:-.}/bench/cache" --only bytes --mib 16
