#!/bin/sh
# The model of lock, sequence and repair holds, and each variant with one thing left out fails.
#	tests/spin/spin.sh [--all]   --all: two deaths, and not one; and always two gets
command -v spin >/dev/null || { echo "skipped: no spin here (script/setup installs it)"; exit 77; }
model=$(cd "${top_srcdir:-.}/tests/spin" && pwd)/shard.pml
scratch=$(mktemp -d /tmp/optimax-spin-XXXXXX) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

optimise=-O1
# check BROKEN DEFINITION...: 0 where the model holds
check() {
	broken=$1
	shift
	spin -a -DBROKEN="$broken" "$@" "$model" >spin.log || { cat spin.log; return 2; }
	${CC:-cc} "$optimise" -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c || return 2
	./pan -m2000000 -w22 >pan.log 2>&1 || return 2
	grep -q 'search not completed\|max search depth too small' pan.log && return 2
	grep -q 'errors: 0' pan.log
}

# Where a slot is used twice it takes three writers, and nobody dies.
deaths=1 gets=1
[ "${1-}" = --all ] && deaths=2 gets=2
for size in "-DWRITERS=2 -DDEATHS=$deaths" "-DWRITERS=3 -DDEATHS=0 -DGETS=$gets"; do
	# shellcheck disable=SC2086
	check 0 $size || { echo "the model does not hold with $size:"; cat pan.log; exit 1; }
	echo "holds with $size: $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' pan.log)"
done
# These fail soon: to compile takes longer than to run.
optimise=-O0
for variant in 1 2 3 4 5 6 7 8; do
	size=
	case $variant in
	3 | 8) size="-DWRITERS=3 -DDEATHS=0" ;;
	esac
	# shellcheck disable=SC2086
	check $variant $size && { echo "variant $variant should fail, and holds"; exit 1; }
	grep -q 'assertion violated' pan.log || { echo "variant $variant:"; cat pan.log; exit 1; }
	echo "variant $variant fails, as it must: $(sed -n 's/.*assertion violated \(.*\) (at depth.*/\1/p' pan.log | cut -c1-60)"
done
