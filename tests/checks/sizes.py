#!/usr/bin/python3
"""Functions of at most 80 lines, files of at most 600; tests are free."""

import re

import verdict

FOLDERS = ("client", "common", "daemon", "shm", "text", "worker", "bench", "script", "tests/checks")
FUNCTION_LINES = 80
FILE_LINES = 600
# .clang-format puts a function's braces, and no others, alone into the first column.
NAME = re.compile(r"(\w+)\s*\(")


def function_faults(path, lines):
    start = name = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
            head = " ".join(lines[max(0, number - 6):number - 1])
            names = NAME.findall(head.rpartition(";")[2].rpartition("}")[2])
            name = names[0] if names else "?"
        elif line.rstrip() == "}" and start:
            length = number - start + 1
            if length > FUNCTION_LINES:
                yield f"{path}:{start}: {name} has {length} lines, {FUNCTION_LINES} are allowed"
            start = None


def faults(top):
    for folder in FOLDERS:
        for path in sorted((top / folder).rglob("*")):
            if not path.is_file() or path.suffix not in (".c", ".h", ".def", ".py", ".sh", ""):
                continue
            shown = path.relative_to(top)
            lines = path.read_text(errors="replace").splitlines()
            if len(lines) > FILE_LINES and path.suffix != ".def":  # a table is as long as its facts
                yield f"{shown}: {len(lines)} lines, {FILE_LINES} are allowed"
            if path.suffix in (".c", ".h"):
                yield from function_faults(shown, lines)


if __name__ == "__main__":
    verdict.main(faults)
