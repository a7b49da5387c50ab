#!/usr/bin/python3
"""No file whose name says nothing of what is in it."""

import re

import verdict

FOLDERS = ("client", "common", "daemon", "shm", "text", "worker", "bench", "tests", "script")
FORBIDDEN = re.compile(r"(^|_)(utils?|helpers?|manager|common|context|data|misc|stuff)(_|$)")
SOURCES = (".c", ".h", ".def", ".py", ".sh")


def faults(top):
    for folder in FOLDERS:
        for path in sorted((top / folder).rglob("*")):
            # tests/unit/common.mk is named after the folder common/.
            if path.suffix in SOURCES and FORBIDDEN.search(path.stem):
                yield f"{path.relative_to(top)}: the name says nothing; name the file after what it owns"


if __name__ == "__main__":
    verdict.main(faults)
