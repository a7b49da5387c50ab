# tests/unit: tests of worker/
