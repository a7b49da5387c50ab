#!/bin/sh
# optimax-check from outside: what it says, and its exit status.
set -u
program=${top_builddir:-.}/optimax-check
instance=test-check-$$
sizes="--size 16777216 --max-value 65536"
trap 'rm -f /dev/shm/optimax-$instance /dev/shm/optimax-$instance-metrics' EXIT
failures=0

# expect STATUS TEXT ARGUMENT...
expect() {
	wanted=$1 text=$2
	shift 2
	said=$("$program" "$@" 2>&1)
	status=$?
	case $said in
	*"$text"*) [ $status -eq "$wanted" ] && return ;;
	esac
	echo "optimax-check $*: exit $status, \"$said\"; expected exit $wanted, \"$text\""
	failures=$((failures + 1))
}

expect 1 "are needed" --instance "$instance"
expect 1 "takes a number of bytes" --instance "$instance" --size 16M --max-value 1
expect 1 "cannot attach /dev/shm/optimax-$instance: it is gone; restart optimaxd" --instance "$instance" $sizes --verify
expect 0 "started clean: there was none" --instance "$instance" $sizes
expect 0 "went on with 0 entries, no shard repaired" --instance "$instance" $sizes
expect 0 "went on with 0 entries" --instance "$instance" $sizes --checksums
expect 0 "verified 0 entries, no shard repaired" --instance "$instance" $sizes --verify --checksums
expect 0 "started clean: cache.max_value was 65536 bytes" \
	--instance "$instance" --size 16777216 --max-value 1024
expect 1 "make \`cache.size\` at least 801 MiB" \
	--instance "$instance" --size 16777216 --max-value 104857600
chmod 666 "/dev/shm/optimax-$instance"
expect 1 "it is no longer what optimaxd made" --instance "$instance" $sizes --verify
expect 0 "started clean: its mode was 0666, not 0600" --instance "$instance" $sizes
# What is no file at all is replaced, and a link is not followed; a directory is left to people.
segment=/dev/shm/optimax-$instance
rm "$segment"
mkfifo -m 600 "$segment"
expect 0 "cache: started clean: what had its name was no file" --instance "$instance" $sizes
rm "$segment"
ln -s "$program" "$segment"
expect 0 "cache: started clean: what had its name was no file" --instance "$instance" $sizes
rm "$segment-metrics"
ln -s /nowhere "$segment-metrics"
expect 0 "metrics: started clean: what had its name was no file" --instance "$instance" $sizes
rm "$segment"
mkdir "$segment"
expect 1 "cannot open: Is a directory; remove it" --instance "$instance" $sizes
rmdir "$segment"
[ $failures -eq 0 ]
