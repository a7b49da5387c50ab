# tests/unit: tests of text/
