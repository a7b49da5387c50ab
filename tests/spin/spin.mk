# tests/spin: a model of the lock, the sequence and the repair
check_SCRIPTS += tests/spin/spin.sh
EXTRA_DIST += tests/spin/spin.sh tests/spin/shard.pml
