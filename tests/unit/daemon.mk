# tests/unit: tests of daemon/
