# tests/: unit tests are cmocka programs, one per module; each folder adds its own below.
include tests/unit/common.mk
include tests/unit/text.mk
include tests/unit/shm.mk
include tests/crash/crash.mk
include tests/spin/spin.mk
include tests/tsan/tsan.mk
include tests/fuzz/fuzz.mk
include tests/unit/daemon.mk
include tests/unit/worker.mk
include tests/unit/client.mk
include tests/checks/checks.mk
include tests/real/real.mk

# The unit tests under valgrind, but for those that need what it does not give: speed, a segment of
# 64 GiB. What counts are definite leaks: the stemmer, of which each program keeps one, is found by
# pointers into its middle.
too_much_for_valgrind = tests/unit/test_shm_crash tests/unit/test_shm_segment tests/unit/test_vocabulary
.PHONY: check-valgrind
check-valgrind: all
	$(AM_V_at)FUZZ_ROUNDS=2000 VALIDATE_ROUNDS=2 $(MAKE) check \
		TESTS='$(filter-out $(too_much_for_valgrind),$(filter tests/unit/test_%,$(check_PROGRAMS)))' \
		LOG_COMPILER='valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite'
