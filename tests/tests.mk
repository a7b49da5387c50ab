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
