# tests/unit: tests of client/
