# tests/unit: tests of common/
