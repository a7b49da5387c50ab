# tests/unit: tests of shm/
