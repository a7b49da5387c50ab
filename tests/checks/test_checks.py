#!/usr/bin/python3
"""The checks find what they are for: each gets a small tree with one fault, and one without."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import layers  # noqa: E402
import names  # noqa: E402
import sizes  # noqa: E402


def body(lines):
    return "int f(void)\n{\n" + "\tg();\n" * (lines - 2) + "}\n"


# check, file, its text, whether that is a fault
CASES = [
    (layers, "text/stem.c", '#include "common/bytes.h"\n#include <stdio.h>\n#include "config.h"\n', False),
    (layers, "daemon/router.c", '#include "shm/cache.h"\n#include "text/tokens.h"\n', False),
    (layers, "common/bytes.c", '#include "text/tokens.h"\n', True),
    (layers, "text/stem.c", '#include "shm/cache.h"\n', True),
    (layers, "shm/cache.c", '#include "text/stem.h"\n', True),
    (layers, "daemon/router.c", '#include "worker/sql.h"\n', True),
    (layers, "worker/sql/run.c", '\t#  include "client/client.h"\n', True),
    (layers, "client/ctl.c", '#include "daemon/router.h"\n', True),
    (layers, "client/ctl.c", '#include "ctl.h"\n', True),
    (layers, "worker/run.c", '#include "../daemon/router.h"\n', True),
    (sizes, "shm/a.c", body(80) + body(80), False),
    (sizes, "shm/a.c", body(81), True),
    (sizes, "shm/a.h", "int x;\n" * 600, False),
    (sizes, "shm/a.h", "int x;\n" * 601, True),
    (sizes, "script/demo", "x\n" * 601, True),
    (sizes, "tests/unit/test_a.c", body(200), False),
    (names, "common/bytes.c", "", False),
    (names, "common/common.mk", "", False),
    (names, "common/common.c", "", True),
    (names, "daemon/string_utils.h", "", True),
    (names, "worker/helper.c", "", True),
    (names, "shm/cache_manager.c", "", True),
]


class Checks(unittest.TestCase):
    def test_cases(self):
        for check, name, text, is_fault in CASES:
            with self.subTest(check=check.__name__, name=name), tempfile.TemporaryDirectory() as top:
                path = Path(top, name)
                path.parent.mkdir(parents=True)
                path.write_text(text)
                self.assertEqual(bool(list(check.faults(Path(top)))), is_fault)


if __name__ == "__main__":
    unittest.main()
