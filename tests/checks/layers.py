#!/usr/bin/python3
"""Who may include whom. common <- text, shm <- daemon, worker, client; no other way round."""

import re

import verdict

ALLOWED = {
    "common": {"common"},
    "text": {"common", "text"},
    "shm": {"common", "shm"},
    "daemon": {"common", "text", "shm", "daemon"},
    "worker": {"common", "text", "shm", "worker"},
    "client": {"common", "client"},
}
# Debian's libraries are found with <>, our own headers with "": the generated one is config.h.
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
GENERATED = {"config.h"}


def faults(top):
    for folder, allowed in ALLOWED.items():
        for path in sorted((top / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".def"):
                continue
            text = path.read_text()
            for match in INCLUDE.finditer(text):
                target = match[1]
                line = text.count("\n", 0, match.start()) + 1
                where = f"{path.relative_to(top)}:{line}"
                if target in GENERATED:
                    continue
                if "/" not in target or target.startswith("."):
                    yield f'{where}: "{target}" must be written with its folder'
                elif target.split("/")[0] not in allowed:
                    yield f'{where}: {folder} must not include "{target}"; it may include {", ".join(sorted(allowed))}'


if __name__ == "__main__":
    verdict.main(faults)
